//! The names of parts in folders, files and columns, as Hugging Face's `datasets` reads them.

use crate::listing::Part;

/// The words for each part. `test_comb` is that of our own exports.
const WORDS: [(Part, &[&str]); 4] = [
    (Part::TestComb, &["test_comb"]),
    (Part::Train, &["train", "training"]),
    (Part::Val, &["validation", "valid", "dev", "val"]),
    (Part::Test, &["test", "testing", "eval", "evaluation"]),
];

/// The part that a word names, in any case.
pub(crate) fn part_of_word(word: &str) -> Option<Part> {
    let word = word.trim().to_lowercase();
    WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(part, _)| *part)
}

/// The part that a name of a folder or a file contains as a word, such as `train2014`, `my-test` or
/// `Images_Val`; `None` if there is none or there are several.
///
/// As in `datasets`, a word ends at `-`, `.`, `_`, a space or a digit.
pub(crate) fn part_in_name(name: &str) -> Option<Part> {
    if let Some(part) = part_of_word(name) {
        return Some(part);
    }
    let name = name.to_lowercase();
    let words = name.split(|letter: char| "-._ ".contains(letter) || letter.is_ascii_digit());
    let mut parts: Vec<Part> = words.filter_map(part_of_word).collect();
    parts.dedup();
    match parts.as_slice() {
        [part] => Some(*part),
        _ => None,
    }
}

/// The part that a path names, by the outermost of its folders that does. `path` is relative to the root
/// of the data set, with forward slashes, and its last component is a file.
pub(crate) fn part_of_path(path: &str) -> Option<Part> {
    let (folders, _) = path.rsplit_once('/')?;
    folders.split('/').find_map(part_in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_words_of_folders_in_any_case_and_place() {
        for (path, wanted) in [
            ("train/a.png", Some(Part::Train)),
            ("data/TRAINING/a.png", Some(Part::Train)),
            ("train2014/a.png", Some(Part::Train)),
            ("my-Valid_set/sub/a.png", Some(Part::Val)),
            ("dev/a.png", Some(Part::Val)),
            ("Eval 1/a.png", Some(Part::Test)),
            ("test_comb/a.png", Some(Part::TestComb)),
            ("train/test/a.png", Some(Part::Train)),
            ("trainers/a.png", None),
            ("train_test_split/a.png", None),
            ("contest/train.png", None),
            ("train.png", None),
        ] {
            assert_eq!(part_of_path(path), wanted, "{path}");
        }
        assert_eq!(part_in_name("captions_train"), Some(Part::Train));
        assert_eq!(part_of_word(" Validation "), Some(Part::Val));
        assert_eq!(part_of_word("holdout"), None);
    }
}

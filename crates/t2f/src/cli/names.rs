//! File names from captions.

use std::collections::{HashMap, HashSet};

/// The name of each caption in file names: its words, with a number if different captions share them.
pub fn names(captions: &[String]) -> Vec<String> {
    let mut different = HashSet::<&String>::new();
    let mut sharing = HashMap::<String, u64>::new();
    for caption in captions.iter().filter(|caption| different.insert(caption)) {
        *sharing.entry(slug(caption)).or_default() += 1;
    }
    // A numbered name may be the words of another caption.
    let mut taken: HashSet<String> = sharing.keys().cloned().collect();
    let mut numbers = HashMap::<String, u64>::new();
    let mut names = HashMap::<&String, String>::new();
    for caption in captions {
        names.entry(caption).or_insert_with(|| {
            let slug = slug(caption);
            if sharing[&slug] == 1 {
                return slug;
            }
            let number = numbers.entry(slug.clone()).or_default();
            loop {
                *number += 1;
                let name = format!("{slug}-{number}");
                if taken.insert(name.clone()) {
                    return name;
                }
            }
        });
    }
    captions.iter().map(|caption| names[caption].clone()).collect()
}

/// The words of a caption as a file name: lower case ASCII letters and digits, at most 60.
fn slug(caption: &str) -> String {
    let mut slug = String::new();
    for c in caption.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "face".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn file_names_have_the_words_of_the_caption_and_are_unique() {
        let of = |captions: &[&str]| names(&captions.iter().copied().map(String::from).collect::<Vec<_>>());
        assert_eq!(
            of(&["A bald man!", "a bald man", "ein Mann"]),
            ["a-bald-man-1", "a-bald-man-2", "ein-mann"]
        );
        assert_eq!(of(&["red hair", "Red hair", "red hair 1"]), ["red-hair-2", "red-hair-3", "red-hair-1"]);
        assert_eq!(of(&["red hair", "red hair"]), ["red-hair", "red-hair"]);
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("女の人"), "face");
        assert!(slug(&"very ".repeat(50)).len() <= 60);
    }

    /// A search from 1 for each name takes minutes.
    #[test]
    fn names_of_fifty_thousand_captions_that_share_their_words_take_no_time() {
        let captions: Vec<String> =
            (0..50_000).map(|i: u32| format!("{i:016b}").replace('0', "女").replace('1', "人")).collect();
        let begin = Instant::now();
        let names = names(&captions);
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), captions.iter().collect::<HashSet<_>>().len());
    }
}

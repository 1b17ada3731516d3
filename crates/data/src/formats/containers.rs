//! Files that hold many images, such as the shards of a WebDataset: one file, a folder, or a pattern.

use std::path::{Component, Path, PathBuf};

use super::file_index::nearest;
use super::split_names::{part_in_name, part_of_path, part_of_word};
use crate::error::{Error, Result};
use crate::listing::Part;

/// The most paths that one pattern stands for.
const MOST: usize = 1_000_000;

/// A file that holds many images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its path under the folder or under the fixed beginning of the pattern, with forward slashes.
    pub(crate) relative: String,
}

impl Container {
    /// The part that its folders or its name call: `data/train-00000-of-00002.parquet`, `val/0.tar`.
    pub(crate) fn part(&self) -> Option<Part> {
        let stem = self.stem();
        // A shard of a part: `test_comb-00000-of-00001`.
        let whole = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let whole = whole.strip_suffix("-of-").unwrap_or(whole);
        let whole = whole.trim_end_matches(|letter: char| letter.is_ascii_digit() || "-_.".contains(letter));
        part_of_path(&self.relative).or_else(|| part_of_word(whole)).or_else(|| part_in_name(stem))
    }

    /// Its name without the ending.
    pub(crate) fn stem(&self) -> &str {
        let name = self.relative.rsplit('/').next().unwrap_or(&self.relative);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
}

/// The files of a data set in the order of their names: `path` itself, those of the folder `path` and of
/// its subfolders with this ending, or those of the pattern `path`, in its order: `{000..012}` and `{a,b}`
/// are all the names in turn, `*`, `?` and `[…]` are as in a shell.
///
/// # Errors
/// If there is none, or a name in braces does not exist.
pub(crate) fn find(path: &Path, ending: &str) -> Result<Vec<Container>> {
    if path.is_dir() {
        let mut found = Vec::new();
        walk(path, path, ending, &mut found)?;
        found.sort_by(|one, other| one.relative.cmp(&other.relative));
        if found.is_empty() {
            let reason = format!("no file that ends in .{ending}; {}", nearest(&path.join("x")));
            return Err(Error::file(path, reason));
        }
        return Ok(found);
    }
    if path.exists() {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        return Ok(vec![Container { path: path.into(), relative: name }]);
    }
    let pattern = path.to_string_lossy();
    if !pattern.contains(WILD) {
        return Err(Error::file(path, format!("no such file or folder; {}", nearest(path))));
    }
    let mut names = Vec::new();
    expand(&pattern, &mut names).map_err(|reason| Error::file(path, reason))?;
    let base = fixed_beginning(path);
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        let matches =
            glob::glob(&name).map_err(|error| Error::file(path, format!("{error}, in the pattern")))?;
        for file in matches.flatten().filter(|file| file.is_file()) {
            found.push(Container { relative: relative(&base, &file), path: file });
        }
        if found.len() == before {
            let reason =
                format!("no such file, which {} calls; {}", path.display(), nearest(Path::new(&name)));
            return Err(Error::file(name, reason));
        }
    }
    Ok(found)
}

const WILD: [char; 4] = ['{', '*', '?', '['];

/// The folder before the first part of a pattern that stands for several names.
fn fixed_beginning(pattern: &Path) -> PathBuf {
    let fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(WILD);
    pattern.components().take_while(fixed).collect()
}

fn relative(base: &Path, path: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

fn walk(root: &Path, folder: &Path, ending: &str, found: &mut Vec<Container>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))? {
        let entry = entry.map_err(|error| Error::file(folder, error))?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().map_err(|error| Error::file(&path, error))?;
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder may lead back.
        if kind.is_dir() {
            walk(root, &path, ending, found)?;
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case(ending)) && path.is_file() {
            found.push(Container { relative: relative(root, &path), path });
        }
    }
    Ok(())
}

/// The names that a pattern with braces stands for.
///
/// On failure, the reason.
fn expand(pattern: &str, names: &mut Vec<String>) -> std::result::Result<(), String> {
    let Some(open) = pattern.find('{') else {
        if names.len() == MOST {
            return Err(format!("the pattern stands for more than {MOST} names"));
        }
        names.push(pattern.into());
        return Ok(());
    };
    let mut depth = 0usize;
    let closes = |(_, letter): &(usize, char)| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    };
    let close = pattern[open..].char_indices().find(closes);
    let Some((length, _)) = close else {
        return Err("a brace is open, expected a form such as shard-{00000..00012}.tar".into());
    };
    let (before, inner, after) =
        (&pattern[..open], &pattern[open + 1..open + length], &pattern[open + length + 1..]);
    for choice in choices(inner)? {
        expand(&format!("{before}{choice}{after}"), names)?;
    }
    Ok(())
}

/// The texts of a pair of braces: a range of numbers, or texts between commas.
fn choices(inner: &str) -> std::result::Result<Vec<String>, String> {
    if let Some((first, last)) = inner.split_once("..")
        && let (Ok(from), Ok(to)) = (first.parse::<usize>(), last.parse::<usize>())
    {
        let width =
            if first.starts_with('0') || last.starts_with('0') { first.len().max(last.len()) } else { 0 };
        if from.abs_diff(to) >= MOST {
            return Err(format!("`{{{inner}}}` stands for more than {MOST} names"));
        }
        let number = |number: usize| format!("{number:0width$}");
        return Ok(if from <= to {
            (from..=to).map(number).collect()
        } else {
            (to..=from).rev().map(number).collect()
        });
    }
    let (mut depth, mut texts) = (0usize, vec![String::new()]);
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match texts.last_mut() {
            Some(_) if letter == ',' && depth == 0 => texts.push(String::new()),
            Some(text) => text.push(letter),
            None => {}
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        let mut names = Vec::new();
        expand(pattern, &mut names).unwrap();
        names
    }

    #[test]
    fn braces_stand_for_ranges_and_choices() {
        assert_eq!(expanded("s-{08..11}.tar"), ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]);
        assert_eq!(expanded("{2..0}"), ["2", "1", "0"]);
        assert_eq!(expanded("{a,b{1..2}}/{x,}"), ["a/x", "a/", "b1/x", "b1/", "b2/x", "b2/"]);
        assert_eq!(expanded("plain.tar"), ["plain.tar"]);
        for pattern in ["{0..9", "{0..99999999}", "{0..999}{0..999}{0..9}"] {
            assert!(expand(pattern, &mut Vec::new()).is_err(), "{pattern}");
        }
    }

    #[test]
    fn folders_files_and_patterns_are_found_in_order() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        for name in ["val/1.tar", "train/b-01.tar", "train/b-00.tar", ".hidden/c.tar", "notes.txt"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), b"").unwrap();
        }
        let names = |path: &Path| -> Vec<String> {
            find(path, "tar").unwrap().into_iter().map(|found| found.relative).collect()
        };
        assert_eq!(names(root), ["train/b-00.tar", "train/b-01.tar", "val/1.tar"]);
        assert_eq!(names(&root.join("{val,train}/*.tar")), ["val/1.tar", "train/b-00.tar", "train/b-01.tar"]);
        assert_eq!(names(&root.join("train/b-{00..01}.tar")), ["b-00.tar", "b-01.tar"]);
        assert_eq!(names(&root.join("val/1.tar")), ["1.tar"]);
        let reason = |path: &str| find(&root.join(path), "tar").unwrap_err().to_string();
        assert!(reason("train/b-{00..02}.tar").contains("b-02.tar: no such file"));
        assert!(reason("nowhere.tar").contains("notes.txt"), "{}", reason("nowhere.tar"));
        std::fs::create_dir(root.join("empty")).unwrap();
        assert!(reason("empty").contains("no file that ends in .tar"));
    }

    #[test]
    fn parts_are_those_of_folders_and_of_names() {
        for (relative, wanted) in [
            ("data/train-00000-of-00002.parquet", Some(Part::Train)),
            ("test_comb-00000-of-00001.parquet", Some(Part::TestComb)),
            ("validation/0000.parquet", Some(Part::Val)),
            ("test_comb/shard-00000.tar", Some(Part::TestComb)),
            ("faces-train-000012.tar", Some(Part::Train)),
            ("Test.tar", Some(Part::Test)),
            ("00000.tar", None),
            ("shard-00000.tar", None),
        ] {
            let container = Container { path: relative.into(), relative: relative.into() };
            assert_eq!(container.part(), wanted, "{relative}");
        }
    }
}

//! Names of files that every system and every reader takes.
//!
//! A part of a path loses control characters, `\ : * ? " < > |` (which become `_`), dots and spaces at its
//! end, and gets `_` before a leading dot, a tilde or a device name of Windows; parts of more than 200 bytes
//! are cut. `.` and `..` are left out. Of names that are equal without case and ending, later ones get `-2`,
//! `-3` and so on.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

/// The longest part of a path in bytes.
const LONGEST: usize = 200;
/// Names of devices on Windows.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];
/// The endings of images.
const ENDINGS: [&str; 12] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm"];

/// The names of one part so far.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// The name of an image that is called `name`. Its ending is `ending`, or its own if `ending` is none.
    pub(crate) fn image(&mut self, name: &str, ending: Option<&str>, content: &str) -> String {
        let (stem, own) = split(name);
        let ending = ending.or(own).unwrap_or(content);
        let stem = self.unique(&safe(stem));
        format!("{stem}.{ending}")
    }

    /// The name without ending and without dots in its last part, as a key of a WebDataset.
    pub(crate) fn key(&mut self, name: &str) -> String {
        let (stem, _) = split(name);
        let (folders, last) = stem.rsplit_once('/').map_or(("", stem), |(folders, last)| (folders, last));
        let last = last.replace('.', "_");
        self.unique(&if folders.is_empty() { last } else { format!("{folders}/{last}") })
    }

    fn unique(&mut self, stem: &str) -> String {
        let folded = |stem: &str| stem.nfc().collect::<String>().to_lowercase();
        if self.0.insert(folded(stem)) {
            return stem.into();
        }
        let numbered = (2u64..).map(|number| format!("{stem}-{number}"));
        let mut free = numbered.filter(|name| !self.0.contains(&folded(name)));
        let name = free.next().unwrap_or_else(|| stem.into());
        self.0.insert(folded(&name));
        name
    }
}

/// The name without the ending of an image, and the ending.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, ending)) if ENDINGS.contains(&ending.to_lowercase().as_str()) && !stem.is_empty() => {
            (stem, Some(ending))
        }
        _ => (name, None),
    }
}

/// A relative path in safe parts.
fn safe(path: &str) -> String {
    let parts = path.split('/').filter(|part| !["", ".", ".."].contains(part));
    let parts: Vec<String> = parts.map(safe_part).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "image".into() } else { parts.join("/") }
}

fn safe_part(part: &str) -> String {
    let plain = |letter: char| match letter {
        '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        letter => letter,
    };
    let text: String = part.chars().filter(|letter| !letter.is_control()).map(plain).collect();
    let mut text = text.trim().trim_end_matches(['.', ' ']).to_owned();
    while text.len() > LONGEST {
        text.pop();
    }
    let device = text.split('.').next().is_some_and(|stem| DEVICES.contains(&stem.to_lowercase().as_str()));
    if text.starts_with(['.', '~']) || device { format!("_{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_stay_and_others_become_safe() {
        for (name, wanted) in [
            ("a/B c/José.0001.JPG", "a/B c/José.0001.JPG"),
            ("../../etc/x.png", "etc/x.png"),
            ("/abs//y.png", "abs/y.png"),
            (".hidden/z.png", "_.hidden/z.png"),
            ("what?:1.png", "what__1.png"),
            ("a\n/nul.png", "a/_nul.png"),
            ("..", "image.jpg"),
            ("data/000017", "data/000017.jpg"),
            ("v1.5", "v1.5.jpg"),
        ] {
            assert_eq!(Names::default().image(name, None, "jpg"), wanted);
        }
        assert_eq!(Names::default().image("a.jpg", Some("png"), "jpg"), "a.png");
        let long = Names::default().image(&"ä".repeat(500), None, "jpg");
        assert_eq!(long.len(), LONGEST + 4);
    }

    #[test]
    fn names_that_would_be_one_file_or_one_text_are_told_apart() {
        let mut names = Names::default();
        let given: Vec<String> =
            ["a.jpg", "A.jpg", "a.png", "a-2.png", "a.jpg"].map(|name| names.image(name, None, "jpg")).into();
        assert_eq!(given, ["a.jpg", "A-2.jpg", "a-3.png", "a-2-2.png", "a-4.jpg"]);
        let mut keys = Names::default();
        assert_eq!(["f/a.b.jpg", "f/a_b.jpg"].map(|name| keys.key(name)), ["f/a_b", "f/a_b-2"]);
    }
}

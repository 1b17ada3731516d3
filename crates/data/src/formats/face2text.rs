//! Face2Text's caption files, v0.1 (`clean.json` of LFW) and v2 (`clean_*_2.1.json` of CelebA).
//!
//! Two forms are known: a list of `{img_id, image, descriptions: [{desc_id, text}]}`, and a list of
//! `{filename, description, …}` with an entry for each caption. The keys of the cleaned files of v2
//! are not checked against the files themselves; the likely names of both columns are accepted.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::text_file;

const IMAGE_KEYS: [&str; 4] = ["image", "filename", "file_name", "file"];
const TEXT_KEYS: [&str; 5] = ["descriptions", "description", "captions", "caption", "text"];

/// The name of an image in an entry, and its captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) image: String,
    pub(crate) captions: Vec<String>,
}

/// Reads a caption file: its entries, of which several may name one image, and the number of
/// captions that are null or empty.
///
/// # Errors
/// If the file does not exist (with the address of its authors) or has another form.
pub(crate) fn read(path: &Path) -> Result<(Vec<Described>, usize)> {
    let file = if path.is_dir() { path.join("clean.json") } else { path.to_path_buf() };
    let text = match text_file::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::file(
                file,
                "no captions there: Face2Text is given for research at doi.org/10.5281/zenodo.6569853 and may not \
                 be passed on; `kind = \"procedural\"` needs no files",
            ));
        }
        Err(error) => return Err(Error::file(file, error)),
    };
    let value: Value = serde_json::from_str(&text).map_err(|error| Error::file(&file, error))?;
    let Value::Array(entries) = value else {
        return Err(Error::file(file, "expected a JSON list of images with their descriptions"));
    };
    let mut described = Vec::new();
    let mut empty = 0;
    for (position, entry) in entries.iter().enumerate() {
        let found =
            entry.as_object().and_then(|entry| Some((field(entry, &IMAGE_KEYS)?, field(entry, &TEXT_KEYS)?)));
        let Some((Value::String(image), texts)) = found else {
            return Err(Error::file(file, wrong_entry(position, entry)));
        };
        let mut captions = Vec::new();
        gather(texts, &mut captions, &mut empty);
        described.push(Described { image: image.clone(), captions });
    }
    Ok((described, empty))
}

fn field<'v>(entry: &'v Map<String, Value>, keys: &[&str]) -> Option<&'v Value> {
    keys.iter().find_map(|key| entry.get(*key))
}

fn wrong_entry(position: usize, entry: &Value) -> String {
    let seen: Vec<&str> =
        entry.as_object().into_iter().flat_map(|entry| entry.keys().map(String::as_str)).collect();
    format!(
        "entry {position} has the keys [{}]: expected an image ({}) and its text ({})",
        seen.join(", "),
        IMAGE_KEYS.join(", "),
        TEXT_KEYS.join(", ")
    )
}

/// Texts from a string, a list, or objects that hold them.
fn gather(value: &Value, captions: &mut Vec<String>, empty: &mut usize) {
    match value {
        Value::String(text) if !text.trim().is_empty() => captions.push(text.trim().to_owned()),
        Value::Array(values) => values.iter().for_each(|value| gather(value, captions, empty)),
        Value::Object(entry) => match field(entry, &TEXT_KEYS) {
            Some(value) => gather(value, captions, empty),
            None => *empty += 1,
        },
        _ => *empty += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(Vec<Described>, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clean.json");
        std::fs::write(&path, json).unwrap();
        read(folder.path())
    }

    fn described(image: &str, captions: &[&str]) -> Described {
        Described { image: image.into(), captions: captions.iter().map(|text| text.to_string()).collect() }
    }

    #[test]
    fn both_versions_are_read() {
        let old = r#"[{"img_id":1,"image":"A_B/A_B_0001.bmp","descriptions":[{"desc_id":0,"text":"a man"},
            {"desc_id":1,"text":" "},{"desc_id":2,"text":"old "}]}]"#;
        assert_eq!(parse(old).unwrap(), (vec![described("A_B/A_B_0001.bmp", &["a man", "old"])], 1));
        let new = "\u{feff}[{\"filename\":\"2.jpg\",\"description\":\"x\"},\r\n{\"filename\":\"1.jpg\",\
            \"description\":null},{\"filename\":\"2.jpg\",\"description\":[\"y\",\"z\"]}]";
        let expected =
            vec![described("2.jpg", &["x"]), described("1.jpg", &[]), described("2.jpg", &["y", "z"])];
        assert_eq!(parse(new).unwrap(), (expected, 1));
    }

    #[test]
    fn errors_about_another_form_and_a_missing_file_say_what_is_there() {
        let message = parse(r#"[{"picture":"a","words":"b"}]"#).unwrap_err().to_string();
        assert!(message.contains("entry 0 has the keys [picture, words]"), "{message}");
        assert!(parse("{}").unwrap_err().to_string().contains("JSON list"));
        let missing = read(Path::new("nowhere/clean.json")).unwrap_err().to_string();
        assert!(missing.contains("zenodo.6569853") && missing.contains("procedural"), "{missing}");
    }
}

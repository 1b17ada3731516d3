//! Images with a text file each: `NAME.txt` beside the image, `text/NAME.txt` or `captions/NAME.txt` beside
//! `images/` (MM-CelebA-HQ, CUB), and the files of img2dataset (`.jpg`, `.txt`, `.json`).
//!
//! Each line of a text file is a caption. Paths of images and texts are compared without folders that are
//! called `images`, `text` and alike, so that `train/images/1.jpg` has the captions in `train/text/1.txt`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use super::columns::{Columns, Row, Source};
use super::file_index::{FileIndex, is_image};
use super::rows::{self, Cells};
use super::split_names::part_in_name;
use crate::error::{Error, Result};
use crate::listing::Part;
use crate::notes::Notes;
use crate::preflight::BadFile;
use crate::text_file;

/// The folders of images and of texts.
const FOLDERS: [&str; 20] = [
    "images",
    "image",
    "imgs",
    "img",
    "jpg",
    "jpeg",
    "png",
    "pictures",
    "photos",
    "text",
    "texts",
    "txt",
    "txts",
    "caption",
    "captions",
    "celeba-caption",
    "celeba_caption",
    "celeba-hq-img",
    "descriptions",
    "sentences",
];
/// The endings of a text.
const TEXTS: [&str; 2] = ["txt", "caption"];
/// Lists of the names of a part, as AttnGAN's data sets have them.
const LISTS: [&str; 2] = ["filenames.pickle", "filenames.pkl"];
/// The files that are read at once.
const CHUNK: usize = 1024;

/// The texts of the images of a folder.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Each image, its text and its JSON.
    images: Vec<(PathBuf, Option<PathBuf>, Option<PathBuf>)>,
    /// The parts of images, by the names that are compared.
    parts: HashMap<String, Part>,
}

/// The text files of a folder; `None` if no text belongs to an image.
///
/// # Errors
/// If a list of names has another form.
pub(crate) fn find(index: &FileIndex, notes: &mut Notes) -> Result<Option<Texts>> {
    let mut places = HashMap::<String, Vec<usize>>::new();
    let mut images: Vec<(PathBuf, Option<PathBuf>, Option<PathBuf>)> = Vec::new();
    for path in index.images() {
        places.entry(compared(&index.relative(path))).or_default().push(images.len());
        images.push((path.into(), None, None));
    }
    let mut parts = HashMap::new();
    let (mut texts, mut alone, mut layouts) = (0, 0, HashSet::new());
    for path in index.others() {
        let relative = index.relative(path);
        let (folder, name) = relative.rsplit_once('/').unwrap_or(("", &relative));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_lowercase();
        if LISTS.contains(&name)
            && let Some(part) = part_in_name(folder.rsplit('/').next().unwrap_or_default())
        {
            parts.extend(names(path)?.into_iter().map(|name| (compared(&name), part)));
            continue;
        }
        let is_text = TEXTS.contains(&ending.as_str());
        if !is_text && ending != "json" {
            continue;
        }
        let found = places.get(&compared(&relative)).map_or(&[][..], Vec::as_slice);
        let beside = found.iter().find(|at| images[**at].0.parent() == path.parent());
        let Some(at) = beside.or(found.first().filter(|_| found.len() == 1)).copied() else {
            alone += usize::from(is_text);
            continue;
        };
        let (image, text, json) = &mut images[at];
        if is_text {
            texts += 1;
            *text = Some(path.into());
            layouts.insert(layout(&index.relative(image), folder));
        } else {
            *json = Some(path.into());
        }
    }
    let described = images.iter().filter(|(_, text, json)| text.is_some() || json.is_some()).count();
    if texts == 0 && (described == 0 || 2 * described < images.len()) {
        return Ok(None);
    }
    let mut layouts: Vec<String> = layouts.into_iter().collect();
    layouts.sort();
    layouts.truncate(3);
    if layouts.is_empty() {
        layouts.push("NAME.json beside each image".into());
    }
    notes.add(format!("captions: text files, {}", layouts.join("; ")), String::new());
    if alone > 0 {
        notes.add(format!("text files without an image are ignored: {alone}"), String::new());
    }
    if !parts.is_empty() {
        notes.add("parts: filenames.pickle".into(), String::new());
    }
    images.retain(|(_, text, json)| text.is_some() || json.is_some());
    Ok(Some(Texts { images, parts }))
}

/// Where the text of an image lies.
fn layout(image: &str, folder: &str) -> String {
    let home = image.rsplit_once('/').map_or("", |(home, _)| home);
    if home == folder {
        return "NAME.txt beside each image".into();
    }
    let of = |path: &str| path.split('/').filter(|name| is_folder(name)).collect::<Vec<_>>().join("/");
    format!("{}/NAME.txt", of(folder))
}

/// Reads the texts. Texts that cannot be read are in `bad`.
///
/// # Errors
/// If the JSON of an image has another form than a row.
pub(crate) fn read(
    texts: Texts,
    index: &FileIndex,
    columns: &mut Columns<'_>,
    notes: &mut Notes,
    bad: &mut Vec<BadFile>,
) -> Result<Source> {
    let mut read = Vec::with_capacity(texts.images.len());
    for chunk in texts.images.chunks(CHUNK) {
        let load = |path: &Option<PathBuf>| path.as_deref().map(text_file::read).transpose();
        let loaded: Vec<_> = chunk.par_iter().map(|(_, text, json)| (load(text), load(json))).collect();
        for ((image, text_path, json_path), (text, json)) in chunk.iter().zip(loaded) {
            let (text, json) = match (text, json) {
                (Ok(text), Ok(json)) => (text, json),
                (Err(error), _) | (_, Err(error)) => {
                    let path = text_path.as_ref().or(json_path.as_ref()).unwrap_or(image).clone();
                    bad.push(BadFile { path, reason: error.to_string() });
                    continue;
                }
            };
            let name = index.relative(image);
            let mut row = match (json, json_path) {
                (Some(json), Some(path)) => match cells(&json, path, notes) {
                    Some(cells) if failed(&cells) => {
                        notes.add("an image that img2dataset did not get is ignored".into(), name);
                        continue;
                    }
                    Some(cells) => {
                        let row = columns.described(path, 1, &cells, false, notes);
                        row.map_err(|reason| Error::file(path, reason))?
                    }
                    None => Row::of_image(String::new()),
                },
                _ => Row::of_image(String::new()),
            };
            if row.texts.iter().all(String::is_empty) {
                let lines = text.iter().flat_map(|text| text.lines());
                row.texts = lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
            }
            row.part = row.part.or_else(|| texts.parts.get(&compared(&name)).copied());
            row.file = json_path.clone().or_else(|| text_path.clone());
            row.images = vec![name];
            read.push(row);
        }
    }
    Ok(Source { folder: index.root().into(), file: index.root().into(), part: None, rows: read })
}

/// The row in the JSON of an image; `None`, with a note, for anything else.
fn cells(json: &str, path: &Path, notes: &mut Notes) -> Option<Cells> {
    match serde_json::from_str(json) {
        Ok(Value::Object(cells)) => Some(rows::folded_cells(cells)),
        _ => {
            notes.add(
                "the JSON of an image is ignored: expected an object".into(),
                path.display().to_string(),
            );
            None
        }
    }
}

/// Whether img2dataset says that it has no image.
fn failed(cells: &Cells) -> bool {
    cells.get("status").and_then(Value::as_str).is_some_and(|status| status != "success")
}

fn is_folder(name: &str) -> bool {
    FOLDERS.contains(&name.to_lowercase().as_str())
}

/// A path as images and texts are compared: without endings and without the folders of images and texts.
fn compared(path: &str) -> String {
    let path = path.replace('\\', "/");
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let known = |name: &str| {
        is_image(name) || name.rsplit_once('.').is_some_and(|(_, end)| TEXTS.contains(&end) || end == "json")
    };
    let mut name = name.to_lowercase();
    // `a.png.txt` is of `a.png`.
    while known(&name) {
        name.truncate(name.rfind('.').unwrap_or_default());
    }
    let folders =
        folders.split('/').filter(|folder| !folder.is_empty() && *folder != "." && !is_folder(folder));
    let mut compared = folders.fold(String::new(), |path, folder| path + &folder.to_lowercase() + "/");
    compared.push_str(&name);
    compared
}

/// The names in a pickled list.
fn names(path: &Path) -> Result<Vec<String>> {
    use serde_pickle::{HashableValue, Value};
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    let options = serde_pickle::DeOptions::new().decode_strings();
    let value = serde_pickle::value_from_slice(&bytes, options)
        .map_err(|error| Error::file(path, format!("{error}: expected a pickled list of names")))?;
    let wrong = || Error::file(path, "expected a pickled list of names");
    let text = |value: Value| match value {
        Value::String(name) => Ok(name),
        Value::Bytes(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
        Value::I64(number) => Ok(number.to_string()),
        _ => Err(wrong()),
    };
    match value {
        Value::List(names) | Value::Tuple(names) => names.into_iter().map(text).collect(),
        Value::Set(names) => names
            .into_iter()
            .map(|name| match name {
                HashableValue::String(name) => Ok(name),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_images_and_their_texts_are_compared_without_their_folders() {
        for (image, text) in [
            ("a.png", "a.txt"),
            ("a.png", "a.png.txt"),
            ("a.b.JPG", "a.b.txt"),
            ("images/0.jpg", "text/0.txt"),
            ("image/images/0.jpg", "text/celeba-caption/0.txt"),
            ("images/001.Bird/Bird_1.jpg", "text/001.Bird/Bird_1.txt"),
            ("train/Images/1.webp", "train/captions/1.txt"),
            ("00000/000000000.jpg", "00000/000000000.json"),
        ] {
            assert_eq!(compared(image), compared(text), "{image}");
        }
        assert_ne!(compared("train/1.jpg"), compared("test/1.txt"));
        assert_ne!(compared("a.png"), compared("b.txt"));
    }

    #[test]
    fn pickled_names_of_every_protocol_are_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("filenames.pickle");
        let forms: [&[u8]; 3] = [
            b"(lp0\nS'1'\np1\naS'b/2'\np2\na.",
            b"\x80\x02]q\x00(X\x01\x00\x00\x001q\x01X\x03\x00\x00\x00b/2q\x02e.",
            b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x011\x94\x8c\x03b/2\x94e.",
        ];
        for form in forms {
            std::fs::write(&file, form).unwrap();
            assert_eq!(names(&file).unwrap(), ["1", "b/2"]);
        }
        std::fs::write(&file, b"\x80\x02}q\x00.").unwrap();
        assert!(names(&file).unwrap_err().to_string().contains("filenames.pickle: expected a pickled list"));
        std::fs::write(&file, b"\x80").unwrap();
        assert!(names(&file).is_err());
    }
}

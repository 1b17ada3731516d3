//! A folder of images with `metadata.jsonl` or `metadata.csv`, after Hugging Face's `imagefolder`.
//!
//! `file_name` is relative to the metadata file. The caption is in the column named by
//! `caption_column`, or in the first existing one of `captions`, `caption`, `prompt`, `text` and
//! `description`. A list holds several captions, and several rows of one file are one image.
//!
//! `attributes` is an object of names and values (words, numbers, bools), and `claims` a list with
//! the claims of each caption: `[[{"attribute": "hair", "allowed": ["black", "brown"]}]]`, or shorter
//! `[{"hair": ["black", "brown"]}]`. Their schema is in `schema.json` beside the metadata, as
//! [`export`](crate::export) writes it; without the file it is inferred:
//!
//! - An attribute's values are its words in alphabetical order; bools are `false` and `true`.
//! - Up to 16 distinct numbers are values in numeric order; more become 8 bins with equally many
//!   rows, named by their range.
//! - An attribute is left out if it has more than 255 words, or more than 16 words and more of them
//!   than half of its rows: that is free text.
//!
//! Columns in another form, names and words outside the schema, and attributes that are left out do
//! not stop the data set: they are unknown, and listed in the notes of the
//! [report](crate::PreflightReport).
//!
//! If the folder holds `train/`, then `train/`, `validation/`, `test/` and `test_comb/` are the parts,
//! with one schema; otherwise the part of an image is drawn from the path of its file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::collection::Collection;
use super::file_index::{FileIndex, nearest};
use super::labels::{RawLabels, Vocabulary};
use super::table;
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;
use crate::text_file;

/// The file of the schema, beside the metadata.
pub(crate) const SCHEMA_FILE: &str = "schema.json";

const CAPTION_COLUMNS: [&str; 5] = ["captions", "caption", "prompt", "text", "description"];
const PARTS: [(&str, Part); 6] = [
    ("train", Part::Train),
    ("validation", Part::Val),
    ("valid", Part::Val),
    ("val", Part::Val),
    ("test", Part::Test),
    ("test_comb", Part::TestComb),
];

/// Images in a folder with a metadata file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder of `metadata.jsonl` or `metadata.csv`, or one that holds `train/`. No default.
    pub path: PathBuf,
    /// The column of the caption. Default: the first known one.
    pub caption_column: Option<String>,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where the folder has no `train/`.
    pub split: SplitConfig,
}

impl Default for FolderConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            caption_column: None,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

/// A metadata file.
struct Metadata {
    folder: PathBuf,
    file: PathBuf,
    /// The part of its images; `None` where each image has its own.
    part: Option<Part>,
    rows: Vec<Row>,
}

/// A row of a metadata file.
struct Row {
    line: usize,
    file_name: String,
    texts: Vec<String>,
    labels: RawLabels,
}

impl Format for FolderConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "the folder of the metadata file")?;
        if !self.path.is_dir() {
            return Err(Error::file(&self.path, format!("no such folder; {}", nearest(&self.path))));
        }
        let parts: Vec<(PathBuf, Option<Part>)> = PARTS
            .iter()
            .map(|(name, part)| (self.path.join(name), Some(*part)))
            .filter(|(path, _)| path.is_dir())
            .collect();
        let named = parts.iter().any(|(_, part)| *part == Some(Part::Train));
        let folders = if named { parts } else { vec![(self.path.clone(), None)] };
        let mut notes = Notes::default();
        let read = |(folder, part)| self.read(folder, part, &mut notes);
        let metadata = folders.into_iter().map(read).collect::<Result<Vec<Metadata>>>()?;
        let vocabulary = match self.declared_schema(&metadata)? {
            Some(schema) => Vocabulary::declared(schema),
            None => {
                let rows = metadata.iter().flat_map(|metadata| &metadata.rows);
                Vocabulary::infer(rows.map(|row| &row.labels), &mut notes)
            }
        };
        let (schema, declared) = (vocabulary.schema.clone(), vocabulary.declared);
        let mut collection = Collection::new(self.files.filter, schema, declared);
        collection.notes.append(notes);
        for metadata in metadata {
            self.collect(metadata, &vocabulary, &mut collection)?;
        }
        Ok(collection.finish("folder"))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

impl FolderConfig {
    /// The schema in `schema.json`, of the whole folder or of its parts.
    fn declared_schema(&self, metadata: &[Metadata]) -> Result<Option<Schema>> {
        let mut folders = vec![self.path.as_path()];
        folders.extend(metadata.iter().map(|metadata| metadata.folder.as_path()));
        folders.dedup();
        let mut found: Option<(PathBuf, Schema)> = None;
        for file in folders.into_iter().map(|folder| folder.join(SCHEMA_FILE)).filter(|file| file.exists()) {
            let text = text_file::read(&file).map_err(|error| Error::file(&file, error))?;
            let schema: Schema = serde_json::from_str(&text).map_err(|error| Error::file(&file, error))?;
            match &found {
                Some((first, known)) if *known != schema => {
                    let reason =
                        format!("another schema than {}, expected the same in every part", first.display());
                    return Err(Error::file(file, reason));
                }
                Some(_) => {}
                None => found = Some((file, schema)),
            }
        }
        Ok(found.map(|(_, schema)| schema))
    }

    /// Reads the metadata file of a folder.
    fn read(&self, folder: PathBuf, part: Option<Part>, notes: &mut Notes) -> Result<Metadata> {
        let (file, rows) = read_rows(&folder)?;
        let row = |(line, row): (usize, Map<String, Value>)| {
            let wrong = |reason: String| Error::file(&file, format!("line {line}: {reason}"));
            let file_name = match row.get("file_name") {
                Some(Value::String(name)) => name.clone(),
                Some(other) => return Err(wrong(format!("`file_name` is {other}: expected text"))),
                None => return Err(wrong(format!("no `file_name` among {}", columns(&row)))),
            };
            let texts = self.texts(&row).map_err(wrong)?;
            let labels = RawLabels::read(&row, texts.len(), &place(&file, line), notes);
            Ok(Row { line, file_name, texts, labels })
        };
        let rows = rows.into_iter().map(row).collect::<Result<_>>()?;
        Ok(Metadata { folder, file, part, rows })
    }

    /// Adds the images of a metadata file.
    fn collect(
        &self,
        metadata: Metadata,
        vocabulary: &Vocabulary,
        collection: &mut Collection,
    ) -> Result<()> {
        let Metadata { folder, file, part, rows } = metadata;
        let index = FileIndex::scan(&folder)?;
        collection.expect(&index);
        for Row { line, file_name, texts, labels } in rows {
            let (at, notes) = (place(&file, line), &mut collection.notes);
            let attributes = vocabulary.attributes(&labels, &at, notes).map(|attributes| (line, attributes));
            let mut caption =
                |(number, text)| Caption { text, claims: vocabulary.claims(&labels, number, &at, notes) };
            let captions = texts.into_iter().enumerate().map(&mut caption).collect();
            let added = collection.add(&index, &file_name, captions, attributes, |_| (part, None));
            added.map_err(|reason| Error::file(&file, format!("line {line}: {reason}")))?;
        }
        Ok(())
    }

    /// The captions of a row; a list entry that is no text becomes an empty caption.
    ///
    /// On failure, the reason.
    fn texts(&self, row: &Map<String, Value>) -> std::result::Result<Vec<String>, String> {
        let value = match &self.caption_column {
            Some(column) => row.get(column),
            None => CAPTION_COLUMNS.iter().find_map(|column| row.get(*column)),
        };
        match value {
            Some(Value::String(text)) => Ok(vec![text.trim().to_owned()]),
            Some(Value::Array(texts)) => {
                Ok(texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect())
            }
            Some(Value::Null) => Ok(Vec::new()),
            _ => {
                let wanted = self.caption_column.clone().unwrap_or_else(|| CAPTION_COLUMNS.join("`, `"));
                Err(format!("no text in `{wanted}`; the columns are {}", columns(row)))
            }
        }
    }
}

/// The place of a remark.
fn place(file: &Path, line: usize) -> String {
    format!("{}, line {line}", file.display())
}

fn columns(row: &Map<String, Value>) -> String {
    format!("[{}]", row.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The rows of a metadata file, as objects from column to value, each with the line it begins on.
type Rows = Vec<(usize, Map<String, Value>)>;

/// A folder's metadata file and its rows.
fn read_rows(folder: &Path) -> Result<(PathBuf, Rows)> {
    let (jsonl, table) = (folder.join("metadata.jsonl"), folder.join("metadata.csv"));
    let read = |path: &Path| text_file::read(path).map_err(|error| Error::file(path, error));
    if jsonl.exists() {
        let text = read(&jsonl)?;
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let row = |(number, line)| match serde_json::from_str(line) {
            Ok(row) => Ok((number, row)),
            Err(error) => Err(Error::file(&jsonl, wrong_line(number, &error))),
        };
        let rows: Result<Rows> = lines.map(row).collect();
        return Ok((jsonl.clone(), rows?));
    }
    if !table.exists() {
        let reason = format!("neither metadata.jsonl nor metadata.csv; {}", nearest(&folder.join("x")));
        return Err(Error::file(folder, reason));
    }
    let records = table::parse(&read(&table)?).map_err(|reason| Error::file(&table, reason))?;
    let mut records = records.into_iter();
    let (_, header) = records.next().unwrap_or_default();
    let row = |(line, record): (usize, Vec<String>)| {
        (line, header.iter().cloned().zip(record.into_iter().map(Value::String)).collect())
    };
    Ok((table, records.map(row).collect()))
}

/// The fault of a line of JSON in the words of `serde_json`, with the place in the file instead of the
/// place in the line.
fn wrong_line(number: usize, error: &serde_json::Error) -> String {
    let column = error.column();
    let words = error.to_string();
    let words = words.strip_suffix(&format!(" at line {} column {column}", error.line())).unwrap_or(&words);
    format!("line {number}, column {column}: {words}")
}

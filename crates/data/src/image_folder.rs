//! A folder of images with `metadata.jsonl` or `metadata.csv`, after Hugging Face's `imagefolder`.
//!
//! `file_name` is relative to the metadata file. The caption is in the column named by
//! `caption_column`, or in the first there is of `captions`, `caption`, `prompt`, `text` and
//! `description`; a list holds several, and so do several rows of one file, which must agree on its
//! attributes. Where the folder holds `train/`, with or without `validation/`, `test/` and
//! `test_comb/`, those are the parts; otherwise images are dealt out by a draw from the paths of
//! their files. What [`export`](crate::export) writes is read back as it was.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::album::Album;
use crate::csv;
use crate::dataset::{Caption, Splits};
use crate::error::{Error, Result};
use crate::file_index::{FileIndex, nearest};
use crate::fit::Fit;
use crate::pictures::{Part, Reading, check_fractions, check_set, open, part_of};
use crate::procedural::{Attributes, Claims};
use crate::text_file;
use crate::visual::CaptionFilter;

const CAPTION_COLUMNS: [&str; 5] = ["captions", "caption", "prompt", "text", "description"];
const PARTS: [(&str, Part); 6] = [
    ("train", Part::Train),
    ("validation", Part::Val),
    ("valid", Part::Val),
    ("val", Part::Val),
    ("test", Part::Test),
    ("test_comb", Part::TestComb),
];

/// Images in a folder, described by a metadata file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder of `metadata.jsonl` or `metadata.csv`, or one that holds `train/`. No default.
    pub path: PathBuf,
    /// The column of the caption. Default: the first known one.
    pub caption_column: Option<String>,
    /// The central part of each picture that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// What is done with pictures that are not square. Default `crop`.
    pub fit: Fit,
    /// Which captions are used: `all` or `visual`. Default `all`.
    pub filter: CaptionFilter,
    /// The share of images in the validation part, from 0, where the folder names none. Default 0.1.
    pub validation_fraction: f64,
    /// The share of images in the test part, from 0, where the folder names none. Default 0.1.
    pub test_fraction: f64,
    /// What the split is drawn from. Default 0.
    pub seed: u64,
    /// Whether more than 5 % of the files may be unusable. Default false.
    pub allow_bad: bool,
    /// A folder for decoded pixels. Default none: they stay in memory.
    pub cache: Option<PathBuf>,
    /// Memory for decoded pixels, in MiB; what does not fit is read anew. Default 2048.
    pub memory_mib: usize,
    /// The colour behind transparency and padding, RGB. Default white.
    pub background: [u8; 3],
    /// The largest picture that is decoded, in megapixels. Default 64.
    pub max_megapixels: u32,
}

impl Default for FolderConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            caption_column: None,
            crop: 1.0,
            fit: Fit::Crop,
            filter: CaptionFilter::All,
            validation_fraction: 0.1,
            test_fraction: 0.1,
            seed: 0,
            allow_bad: false,
            cache: None,
            memory_mib: 2048,
            background: [255; 3],
            max_megapixels: 64,
        }
    }
}

impl FolderConfig {
    pub(crate) fn open(&self, resolution: usize) -> Result<Splits> {
        check_fractions(self.validation_fraction, self.test_fraction)?;
        check_set("data.path", &self.path, "the folder of the metadata file")?;
        if !self.path.is_dir() {
            return Err(Error::file(&self.path, format!("no such folder; {}", nearest(&self.path))));
        }
        let parts: Vec<(PathBuf, Part)> = PARTS
            .iter()
            .map(|(name, part)| (self.path.join(name), *part))
            .filter(|(path, _)| path.is_dir())
            .collect();
        let named = parts.iter().any(|(_, part)| *part == Part::Train);
        let mut album = Album::new(self.filter);
        if named {
            for (folder, part) in &parts {
                self.read(folder, Some(*part), &mut album)?;
            }
        } else {
            self.read(&self.path, None, &mut album)?;
        }
        let (pictures, report) = album.finish();
        let reading = Reading {
            resolution,
            fit: self.fit,
            crop: self.crop,
            background: self.background,
            max_megapixels: self.max_megapixels,
            allow_bad: self.allow_bad,
            cache: self.cache.clone(),
            memory_mib: self.memory_mib,
        };
        open("folder", pictures, reading, report)
    }

    /// Adds the pictures of one metadata file, to a part or to those their paths are dealt to.
    fn read(&self, folder: &Path, part: Option<Part>, album: &mut Album) -> Result<()> {
        let (file, rows) = read_rows(folder)?;
        let index = FileIndex::scan(folder)?;
        album.expect(&index);
        let deal = |name: &str| {
            part_of(&name.to_lowercase(), self.seed, self.validation_fraction, self.test_fraction)
        };
        for (line, row) in &rows {
            let wrong = |reason: String| Error::file(&file, format!("line {line}: {reason}"));
            let name = match row.get("file_name") {
                Some(Value::String(name)) => name,
                Some(other) => return Err(wrong(format!("`file_name` is {other}: expected text"))),
                None => return Err(wrong(format!("no `file_name` among {}", columns(row)))),
            };
            let captions = self.captions(row).map_err(wrong)?;
            let attributes = row.get("attributes").filter(|value| value.is_object());
            let attributes = attributes.map(Attributes::deserialize).transpose();
            let attributes = attributes.map_err(|error| wrong(error.to_string()))?;
            let attributes = attributes.map(|attributes| (*line, attributes));
            let part = |found: &str| part.unwrap_or_else(|| deal(found));
            album.add(&index, name, captions, attributes, part).map_err(wrong)?;
        }
        Ok(())
    }

    /// The captions of a row, each with its claims; what is no text is an empty caption.
    ///
    /// On failure, the reason.
    fn captions(&self, row: &Map<String, Value>) -> std::result::Result<Vec<Caption>, String> {
        let value = match &self.caption_column {
            Some(column) => row.get(column),
            None => CAPTION_COLUMNS.iter().find_map(|column| row.get(*column)),
        };
        let texts: Vec<String> = match value {
            Some(Value::String(text)) => vec![text.trim().to_owned()],
            Some(Value::Array(texts)) => {
                texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
            }
            Some(Value::Null) => Vec::new(),
            _ => {
                let wanted = self.caption_column.clone().unwrap_or_else(|| CAPTION_COLUMNS.join("`, `"));
                return Err(format!("no text in `{wanted}`; the columns are {}", columns(row)));
            }
        };
        let claims =
            row.get("claims").filter(|value| value.is_array()).map(Vec::<Claims>::deserialize).transpose();
        let claims = claims.map_err(|error| error.to_string())?.unwrap_or_default();
        let with_claims = |(i, text)| Caption { text, claims: claims.get(i).cloned().unwrap_or_default() };
        Ok(texts.into_iter().enumerate().map(with_claims).collect())
    }
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
    let records = csv::parse(&read(&table)?).map_err(|reason| Error::file(&table, reason))?;
    let mut records = records.into_iter();
    let (_, header) = records.next().unwrap_or_default();
    let row = |(line, record): (usize, Vec<String>)| {
        (line, header.iter().cloned().zip(record.into_iter().map(Value::String)).collect())
    };
    Ok((table, records.map(row).collect()))
}

/// What is wrong with a line of JSON: serde's words, which end with a place in the text it was
/// given, and the place in the file.
fn wrong_line(number: usize, error: &serde_json::Error) -> String {
    let column = error.column();
    let words = error.to_string();
    let words = words.strip_suffix(&format!(" at line {} column {column}", error.line())).unwrap_or(&words);
    format!("line {number}, column {column}: {words}")
}

//! The columns of a metadata file: the image, its captions, its part and its group.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cells::{self, is_null};
use super::file_index::is_image;
use super::labels::RawLabels;
use super::rows::{Cells, folded};
use super::split_names::part_of_word;
use crate::error::{Error, Result};
use crate::listing::Part;
use crate::notes::Notes;

/// The columns of an image's file, the preferred one first; then `*_file_name`, and lists in `file_names`
/// or `*_file_names`.
const IMAGES: [&str; 22] = [
    "file_name",
    "image",
    "image_path",
    "filename",
    "file",
    "path",
    "img",
    "image_file",
    "img_path",
    "img_file",
    "image_name",
    "img_name",
    "filepath",
    "file_path",
    "image_filename",
    "file_names",
    "filenames",
    "images",
    "image_id",
    "img_id",
    "name",
    "key",
];
/// The columns of captions, the preferred one first.
const CAPTIONS: [&str; 12] = [
    "captions",
    "caption",
    "prompt",
    "text",
    "description",
    "texts",
    "descriptions",
    "prompts",
    "sentences",
    "sentence",
    "caption_text",
    "comment",
];
/// The columns of a person.
const GROUPS: [&str; 7] = ["group", "person", "person_id", "identity", "subject", "subject_id", "celeb_id"];
const SPLIT: &str = "split";
/// The columns of a label, which describes an image where there is no caption.
const LABELS: [&str; 3] = ["label", "class", "category"];

/// The columns that the configuration names; `None` is the first known one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'c> {
    /// Of the image.
    pub(crate) image: Option<&'c str>,
    /// Of the captions.
    pub(crate) caption: Option<&'c str>,
    /// Of the person.
    pub(crate) group: Option<&'c str>,
    /// Whether attributes and claims are read.
    pub(crate) attributes: bool,
}

/// A row of a metadata file.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its line.
    pub(crate) line: usize,
    /// The names of its images.
    pub(crate) images: Vec<String>,
    /// Its captions.
    pub(crate) texts: Vec<String>,
    /// Its attributes, and the claims of its captions.
    pub(crate) labels: RawLabels,
    /// Its published part.
    pub(crate) part: Option<Part>,
    /// Whether its column `split` has a word that is no part.
    pub(crate) unknown_part: bool,
    /// Its person.
    pub(crate) group: Option<String>,
    /// Its file, where every row has one.
    pub(crate) file: Option<PathBuf>,
}

impl Row {
    /// A row about one image.
    pub(crate) fn of_image(image: String) -> Self {
        Self {
            line: 1,
            images: vec![image],
            texts: Vec::new(),
            labels: RawLabels::default(),
            part: None,
            unknown_part: false,
            group: None,
            file: None,
        }
    }
}

/// Rows that belong together.
#[derive(Debug)]
pub(crate) struct Source {
    /// The folder that names are relative to.
    pub(crate) folder: PathBuf,
    /// The file of the rows, or the folder where every row has a file of its own.
    pub(crate) file: PathBuf,
    /// The part of its images, unless a row or the path of the image names one.
    pub(crate) part: Option<Part>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// The place of a remark.
pub(crate) fn place(file: &Path, line: usize) -> String {
    format!("{}, line {line}", file.display())
}

/// A row without a column of captions.
#[derive(Debug)]
struct Lacking {
    file: PathBuf,
    line: usize,
    names: String,
    /// Whether a column that is not known has words.
    words: bool,
}

/// Reads the columns of rows, and counts what was read.
#[derive(Debug)]
pub(crate) struct Columns<'c> {
    named: Named<'c>,
    /// The rows that took their captions from a column, and those that have the column and did not.
    taken: BTreeMap<String, usize>,
    left: BTreeMap<String, usize>,
    /// Whether a row has a column of captions without a caption.
    blank: bool,
    /// The first row without a column of captions.
    lacking: Option<Lacking>,
    /// The rows that took their person from a column, and the file and columns of the first row without it.
    grouped: BTreeMap<String, usize>,
    ungrouped: Option<(PathBuf, String)>,
    /// The words of the column `split` that are no part.
    unknown_parts: BTreeMap<String, usize>,
    known_parts: usize,
}

impl<'c> Columns<'c> {
    pub(crate) fn new(named: Named<'c>) -> Self {
        Self {
            named,
            taken: BTreeMap::new(),
            left: BTreeMap::new(),
            blank: false,
            lacking: None,
            grouped: BTreeMap::new(),
            ungrouped: None,
            unknown_parts: BTreeMap::new(),
            known_parts: 0,
        }
    }

    /// The row of some cells; `None` if it names no image.
    ///
    /// On failure, the reason without the place.
    pub(crate) fn row(
        &mut self,
        file: &Path,
        line: usize,
        cells: &Cells,
        table: bool,
        notes: &mut Notes,
    ) -> std::result::Result<Option<Row>, String> {
        let images = self.images(cells, table)?;
        if images.is_empty() {
            notes.add("a row without the name of an image is ignored".into(), place(file, line));
            return Ok(None);
        }
        let mut row = self.described(file, line, cells, table, notes)?;
        row.images = images;
        Ok(Some(row))
    }

    /// The row of some cells without its image.
    ///
    /// On failure, the reason without the place.
    pub(crate) fn described(
        &mut self,
        file: &Path,
        line: usize,
        cells: &Cells,
        table: bool,
        notes: &mut Notes,
    ) -> std::result::Result<Row, String> {
        let texts = self.texts(file, line, cells, table)?;
        let mut labels = RawLabels::default();
        if self.named.attributes {
            labels = RawLabels::read(cells, texts.len(), &place(file, line), notes);
        }
        let (part, unknown_part) = self.part(cells);
        let (images, group) = (Vec::new(), self.group(file, cells));
        Ok(Row { line, images, texts, labels, part, unknown_part, group, file: None })
    }

    /// The names of the images of a row.
    pub(crate) fn images(&self, cells: &Cells, table: bool) -> std::result::Result<Vec<String>, String> {
        let (name, cell) = match self.named.image {
            Some(column) => match get(cells, column) {
                Some(cell) => (column.to_owned(), cell),
                None => return Err(format!("no `{column}` among {}", names(cells))),
            },
            None => image_column(cells).ok_or_else(|| {
                let next = match cells.keys().any(|name| is_image(name)) {
                    true => "expected a header such as `file_name,text` in the first line",
                    false => "`data.image_column` names the column of the files",
                };
                format!("no `file_name` among {}; {next}", names(cells))
            })?,
        };
        let texts = |cell: &Value| match cell {
            Value::Null => Some(Vec::new()),
            Value::String(text) if text.trim().is_empty() || table && is_null(text) => Some(Vec::new()),
            Value::String(text) if table && text.starts_with('[') => {
                let list = cells::captions(cell, true).ok().flatten();
                list.or_else(|| Some(vec![text.clone()]))
            }
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            Value::Object(image) => Some(vec![image.get("path")?.as_str()?.to_owned()]),
            _ => None,
        };
        texts(cell).ok_or_else(|| format!("`{name}` is {cell}: expected text"))
    }

    /// The captions of a row; a list entry that is no text becomes an empty caption.
    fn texts(
        &mut self,
        file: &Path,
        line: usize,
        cells: &Cells,
        table: bool,
    ) -> std::result::Result<Vec<String>, String> {
        let mut columns = match self.named.caption {
            Some("") => Vec::new(),
            Some(column) => vec![column],
            None => CAPTIONS.into_iter().filter(|column| cells.contains_key(*column)).collect(),
        };
        let blank = |texts: &[String]| texts.iter().all(|text| text.trim().is_empty());
        let mut empty = Vec::new();
        let mut found = None;
        for column in &columns {
            let Some(cell) = get(cells, column) else { continue };
            if found.is_some() {
                if !cell.is_null() {
                    *self.left.entry((*column).into()).or_default() += 1;
                }
                continue;
            }
            let read = cells::captions(cell, table);
            match read.map_err(|reason| wrong_caption(column, cell, &reason))? {
                Some(texts) if !blank(&texts) => {
                    *self.taken.entry((*column).into()).or_default() += 1;
                    found = Some(texts);
                }
                Some(texts) => empty = texts,
                None => {}
            }
        }
        columns.retain(|column| get(cells, column).is_some());
        self.blank |= !columns.is_empty() && found.is_none();
        if columns.is_empty() {
            if let Some(text) = self.label_words(cells) {
                return Ok(vec![text]);
            }
            if self.lacking.is_none() {
                let known =
                    |name: &str| IMAGES.contains(&name) || GROUPS.contains(&name) || is_reserved(name);
                let words = cells.iter().any(|(name, cell)| !known(name) && has_words(cell));
                self.lacking = Some(Lacking { file: file.into(), line, names: names(cells), words });
            }
        }
        Ok(found.unwrap_or(empty))
    }

    /// The label of a row as words, where no column is named.
    fn label_words(&mut self, cells: &Cells) -> Option<String> {
        if self.named.caption.is_some() {
            return None;
        }
        let (name, label) = LABELS.iter().find_map(|name| Some((*name, cells.get(*name)?.as_str()?)))?;
        if label.trim().parse::<f64>().is_ok() {
            return None;
        }
        *self.taken.entry(name.into()).or_default() += 1;
        Some(label_text(label))
    }

    /// The part that the column `split` names, and whether it has a word that is none.
    fn part(&mut self, cells: &Cells) -> (Option<Part>, bool) {
        let word = match cells.get(SPLIT) {
            None | Some(Value::Null) => return (None, false),
            Some(Value::String(word)) if word.trim().is_empty() || is_null(word) => return (None, false),
            Some(Value::String(word)) => word.clone(),
            Some(other) => other.to_string(),
        };
        let part = part_of_word(&word);
        match part {
            Some(_) => self.known_parts += 1,
            None => *self.unknown_parts.entry(word).or_default() += 1,
        }
        (part, part.is_none())
    }

    fn group(&mut self, file: &Path, cells: &Cells) -> Option<String> {
        let (column, cell) = match self.named.group {
            Some("") => return None,
            Some(column) => (column, get(cells, column)),
            None => GROUPS.iter().find_map(|column| Some((*column, Some(cells.get(*column)?))))?,
        };
        if cell.is_none() && self.grouped.is_empty() && self.ungrouped.is_none() {
            self.ungrouped = Some((file.into(), names(cells)));
        }
        let group = match cell? {
            Value::String(text) if !text.trim().is_empty() && !is_null(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        *self.grouped.entry(column.into()).or_default() += 1;
        Some(group)
    }

    /// Checks that a row has the column of the person, if the configuration names it.
    ///
    /// # Errors
    /// If no row has it; the error has the columns of the first row.
    pub(crate) fn check_group(&self) -> Result<()> {
        match (&self.ungrouped, self.named.group) {
            (Some((file, names)), Some(column)) if self.grouped.is_empty() => {
                let reason = format!("no `{column}`, which `data.group_column` names, among {names}");
                Err(Error::file(file, reason))
            }
            _ => Ok(()),
        }
    }

    /// Whether the column `split` names the parts.
    pub(crate) fn has_parts(&self) -> bool {
        self.known_parts > 0
    }

    /// Whether rows were read and none has a column of captions.
    ///
    /// # Errors
    /// If the named column is missing, or another column may be the one of the captions; the error has the
    /// first row.
    pub(crate) fn captionless(&self) -> Result<bool> {
        let Some(Lacking { file, line, names, words }) = &self.lacking else { return Ok(false) };
        if !self.taken.is_empty() || !self.left.is_empty() || self.blank {
            return Ok(false);
        }
        let wanted = match self.named.caption {
            Some("") => return Ok(true),
            Some(column) => column.to_owned(),
            None if *words => CAPTIONS[..5].join("`, `"),
            None => return Ok(true),
        };
        let reason = format!(
            "line {line}: no text in `{wanted}`; the columns are {names}: `data.caption_column` names the column of \
             the captions, and is empty for none"
        );
        Err(Error::file(file, reason))
    }

    /// Remarks about the columns that were taken and left.
    pub(crate) fn remark(&self, notes: &mut Notes) {
        let quoted = |names: &BTreeMap<String, usize>| {
            names.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        if !self.taken.is_empty() {
            let mut remark = format!("captions: column {}", quoted(&self.taken));
            if self.taken.len() > 1 {
                let counts = self.taken.iter().map(|(name, rows)| format!("`{name}` in {rows} rows"));
                remark = format!("captions: columns {}", counts.collect::<Vec<_>>().join(", "));
            }
            if !self.left.is_empty() {
                let left = quoted(&self.left);
                let be = if self.left.len() == 1 { "is" } else { "are" };
                remark
                    .push_str(&format!("; {left} {be} not used: `data.caption_column` names another column"));
            }
            notes.add(remark, String::new());
        }
        if !self.grouped.is_empty() {
            notes.add(format!("groups: column {}", quoted(&self.grouped)), String::new());
        }
        if !self.unknown_parts.is_empty() {
            let words = quoted(&self.unknown_parts);
            let rows: usize = self.unknown_parts.values().sum();
            let effect = if self.has_parts() { "their rows are left out" } else { "the column is ignored" };
            notes.add(
                format!(
                    "column `split`: {words} in {rows} rows: expected train, validation or test; {effect}"
                ),
                String::new(),
            );
        }
    }
}

/// The words of a label: `golden_retriever` is `golden retriever`.
pub(crate) fn label_text(label: &str) -> String {
    label.split(['_', '-', ' ', '.']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The column that names the images of a row, and its cell.
pub(crate) fn image_column(cells: &Cells) -> Option<(String, &Value)> {
    let can_be = |cell: &&Value| match cell {
        Value::Object(image) => image.get("path").is_some_and(Value::is_string),
        _ => true,
    };
    let known = IMAGES.iter().find_map(|name| Some(((*name).to_owned(), cells.get(*name).filter(can_be)?)));
    known.or_else(|| {
        let ends = |name: &&String| name.ends_with("_file_name") || name.ends_with("_file_names");
        let name = cells.keys().find(ends)?;
        Some((name.clone(), cells.get(name)?))
    })
}

fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "split"
            | "attributes"
            | "claims"
            | "width"
            | "height"
            | "url"
            | "license"
            | "md5"
            | "sha256"
            | "hash"
            | "id"
    ) || LABELS.contains(&name)
}

/// Whether a column has a meaning of its own.
pub(crate) fn is_known(name: &str) -> bool {
    let known = IMAGES.contains(&name) || CAPTIONS.contains(&name) || GROUPS.contains(&name);
    !LABELS.contains(&name) && (known || is_reserved(name))
}

/// Whether a cell may hold a description.
fn has_words(cell: &Value) -> bool {
    match cell {
        Value::String(text) => text.trim().parse::<f64>().is_err() && text.chars().any(char::is_alphabetic),
        Value::Array(entries) => entries.iter().any(has_words),
        Value::Object(entries) => entries.values().any(has_words),
        _ => false,
    }
}

/// The reason why a cell holds no caption.
fn wrong_caption(column: &str, cell: &Value, reason: &str) -> String {
    let further = cell.as_object().into_iter().flatten().find(|(_, value)| value.is_string());
    match further {
        Some((name, _)) => {
            format!("`{column}` is {reason}; `data.caption_column = \"{column}.{name}\"` takes one of them")
        }
        None => format!("`{column}` is {reason}; `data.caption_column` names another column"),
    }
}

/// The cell of a column that is named in the configuration, `text.en` for one within an object.
fn get<'v>(cells: &'v Cells, column: &str) -> Option<&'v Value> {
    if let Some(cell) = cells.get(&folded(column)) {
        return Some(cell);
    }
    let (outer, inner) = column.split_once('.')?;
    inner.split('.').try_fold(cells.get(&folded(outer))?, |cell, name| cell.get(name))
}

fn names(cells: &Cells) -> String {
    format!("[{}]", cells.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

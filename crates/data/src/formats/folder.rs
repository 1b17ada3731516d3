//! A folder of images with metadata, with text files or with neither, after Hugging Face's `imagefolder`.
//!
//! In this order the captions are in
//!
//! - `metadata.jsonl`, `.csv`, `.json` or `.tsv`, or the file that `metadata` names: at the root, in the
//!   folders of the parts, or in subfolders ([`metadata`](super::metadata)); otherwise the only table
//!   that names images;
//! - a text file for each image ([`text_files`](super::text_files));
//! - the names of folders, or nowhere ([`class_folders`](super::class_folders)).
//!
//! The column of the file is `file_name`, or the one that `image_column` names; a name is relative to the
//! metadata file. The caption is in the column named by `caption_column`, or in the first one of
//! `captions`, `caption`, `prompt`, `text` and `description` that is not empty. A list holds several
//! captions, and several rows of one file are one image.
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
//! The part of an image is in the column `split`; otherwise it is that of a folder or a metadata file
//! called `train`, `validation`, `test` or alike ([`split_names`](super::split_names)), if there is one
//! for training; otherwise it is drawn from its group, or from the path of its file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Named};
use super::file_index::{FileIndex, nearest};
use super::sources::{self, Sources};
use super::{class_folders, metadata, text_files};
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;

/// Images in a folder, with metadata, with text files or with neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder of the images. No default.
    pub path: PathBuf,
    /// The metadata file, from the folder, or a name that files of several subfolders have. Default:
    /// `metadata` with a known ending, or the only table that names images.
    pub metadata: Option<String>,
    /// The column of the image's file. Default: `file_name`, or the first known one.
    pub image_column: Option<String>,
    /// The column of the caption; empty for none. Default: the first known one that is not empty.
    pub caption_column: Option<String>,
    /// The column of the person, whose images belong to one part; empty for none. Default: the first known
    /// one.
    pub group_column: Option<String>,
    /// Whether attributes and claims are read. Default true.
    pub attributes: bool,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts of images without a published part.
    pub split: SplitConfig,
}

impl Default for FolderConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            metadata: None,
            image_column: None,
            caption_column: None,
            group_column: None,
            attributes: true,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for FolderConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "the folder of the images")?;
        if self.path.is_file() {
            let reason = "a file: expected the folder of the images; `data.metadata` names a file in it";
            return Err(Error::file(&self.path, reason));
        }
        if !self.path.is_dir() {
            return Err(Error::file(&self.path, format!("no such folder; {}", nearest(&self.path))));
        }
        let named = Named {
            image: self.image_column.as_deref(),
            caption: self.caption_column.as_deref(),
            group: self.group_column.as_deref(),
            attributes: self.attributes,
        };
        let index = FileIndex::scan(&self.path)?;
        let (mut notes, mut bad) = (Notes::default(), Vec::new());
        let mut columns = Columns::new(named);
        let files = metadata::find(&index, self.metadata.as_deref(), named, &mut notes)?;
        let texts = if files.is_empty() { text_files::find(&index, &mut notes)? } else { None };
        let (has_metadata, has_texts) = (!files.is_empty(), texts.is_some());
        let sources = match texts {
            _ if has_metadata => metadata::read(files, &mut columns, &mut notes)?,
            Some(texts) => vec![text_files::read(texts, &index, &mut columns, &mut notes, &mut bad)?],
            None if index.len() == 0 => return Err(Error::file(&self.path, unusable(&self.path))),
            None => vec![class_folders::read(&index, named, &mut notes)],
        };
        // An export of images without captions has their other columns in NAME.json.
        let no_text = || sources.iter().flat_map(|source| &source.rows).all(|row| row.texts.is_empty());
        let captionless = if has_metadata { columns.captionless()? } else { !has_texts || no_text() };
        if (has_metadata || has_texts) && captionless {
            notes.add("no captions: no row has a column of captions".into(), String::new());
        }
        columns.remark(&mut notes);
        sources::listing("folder", Sources { index, sources, notes, bad, captionless }, self.files.filter)
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The reason why a folder cannot be used: its content, and the layouts that are known.
fn unusable(folder: &Path) -> String {
    format!(
        "no image and no metadata file; {}. Expected images with metadata.jsonl, metadata.csv, metadata.json or \
         metadata.tsv, with NAME.txt beside each image or in text/, or in folders with the names of their labels: \
         datasets/README.md has all layouts",
        nearest(&folder.join("x"))
    )
}

//! Parquet files with a column of images, as Hugging Face's `datasets` writes them.
//!
//! The image is a struct of `bytes` and `path`, a binary column, or the path of a file, relative to the
//! Parquet file. Captions, attributes, claims, group and part are in the columns that a metadata file may
//! have. Without a column `attributes`, other columns of bools, integers, words and class labels are
//! attributes. The images are read later, a row group in one pass.

mod table;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::table::{Group, Table};
use super::columns::{Columns, Named, is_known};
use super::containers::{self, Container};
use super::rows::{Cells, folded};
use super::samples::{self, Sample, Samples};
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, check_set};
use crate::location::Location;
use crate::preflight::BadFile;
use crate::split_config::SplitConfig;

/// The most distinct integers or words of a column that is an attribute in any case.
const FEW: usize = 16;

/// Images in Parquet files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParquetConfig {
    /// A Parquet file, a folder of them, or a pattern such as `train-*.parquet`. No default.
    pub path: PathBuf,
    /// The column of the image: a struct of `bytes` and `path`, binary, or the path of a file. Default:
    /// the first known one.
    pub image_column: Option<String>,
    /// The column of the captions; empty for none. Default: the first known one that is not empty.
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

impl Default for ParquetConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
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

impl Format for ParquetConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "a Parquet file, a folder of them or a pattern")?;
        let files = containers::find(&self.path, "parquet")?;
        let named = self.image_column.as_deref();
        let read: Vec<_> = files.par_iter().map(|file| table::read(&file.path, named)).collect();
        let mut tables = Vec::with_capacity(files.len());
        for (container, table) in files.iter().zip(read) {
            tables.push((container, table.map_err(|reason| Error::file(&container.path, reason))?));
        }
        let mut gathered = Gathered {
            config: self,
            columns: Columns::new(self.named()),
            attributes: if self.attributes { attribute_columns(&tables, self) } else { HashSet::new() },
            all: Samples::default(),
        };
        for (container, table) in tables {
            gathered.add(container, table)?;
        }
        let folders = files.iter().filter_map(|file| file.path.parent());
        let above = files.iter().filter_map(|file| file.path.parent()?.parent());
        let folders = std::iter::once(self.path.as_path()).chain(folders).chain(above);
        gathered.all.schema = samples::schema_in(folders)?;
        Ok(samples::listing("parquet", gathered.finish()?, self.files.filter))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

impl ParquetConfig {
    fn named(&self) -> Named<'_> {
        Named {
            image: self.image_column.as_deref(),
            caption: self.caption_column.as_deref(),
            group: self.group_column.as_deref(),
            attributes: self.attributes,
        }
    }
}

/// The samples of the files so far.
struct Gathered<'c> {
    config: &'c ParquetConfig,
    columns: Columns<'c>,
    /// The columns that are attributes.
    attributes: HashSet<String>,
    all: Samples,
}

impl Gathered<'_> {
    fn add(&mut self, container: &Container, table: Table) -> Result<()> {
        let Table { groups, column, image } = table;
        if let Some((name, others)) = image.as_ref().filter(|(_, others)| !others.is_empty()) {
            let others = others.join("`, `");
            let remark =
                format!("images: column `{name}`; `{others}` not used: `data.image_column` names another");
            self.all.notes.add(remark, container.path.display().to_string());
        }
        let image = image.map(|(name, _)| folded(&name));
        let (part, mut line) = (container.part(), 0);
        for (group, Group { rows, empty }) in groups.into_iter().enumerate() {
            for (row, mut cells) in rows.into_iter().enumerate() {
                line += 1;
                let wrong = |reason| Error::file(&container.path, format!("row {line}: {reason}"));
                let path = match &image {
                    Some(image) => {
                        cells.remove(image).and_then(|cell| Some(cell.get("path")?.as_str()?.to_owned()))
                    }
                    None => self.columns.images(&cells, false).map_err(wrong)?.into_iter().next(),
                };
                let location = match &column {
                    Some(column) if !empty => {
                        Location::Cell { column: column.clone(), group: group as u32, row: row as u32 }
                    }
                    _ => match self.file(&container.path, path.as_deref()) {
                        Ok(file) => Location::File(file),
                        Err(bad) => {
                            self.all.bad.push(bad);
                            continue;
                        }
                    },
                };
                self.add_attributes(&mut cells);
                let row = self.columns.described(&container.path, line, &cells, false, &mut self.all.notes);
                let mut row = row.map_err(wrong)?;
                row.file = Some(container.path.join(format!("row {line}")));
                let name = path.unwrap_or_else(|| format!("{}/{:06}", container.stem(), line - 1));
                self.all.samples.push(Sample { location, name, part, row });
            }
        }
        Ok(())
    }

    /// The file of an image, from a path relative to the Parquet file or to the folder of the data set.
    fn file(&self, table: &Path, path: Option<&str>) -> std::result::Result<PathBuf, BadFile> {
        let Some(path) = path else {
            return Err(BadFile {
                path: table.into(),
                reason: "a row has neither an image nor its path".into(),
            });
        };
        let beside = table.parent().unwrap_or(Path::new("")).join(path);
        let found = [beside.clone(), self.config.path.join(path)].into_iter().find(|path| path.is_file());
        found.ok_or_else(|| BadFile { path: beside, reason: "no such image, which a row names".into() })
    }

    /// Gathers the columns that are attributes in a column `attributes`.
    fn add_attributes(&self, cells: &mut Cells) {
        let named = self.attributes.iter().filter_map(|name| Some((name.clone(), cells.get(name)?.clone())));
        let attributes: Map<String, Value> = named.collect();
        if !attributes.is_empty() {
            cells.insert("attributes".into(), Value::Object(attributes));
        }
    }

    fn finish(mut self) -> Result<Samples> {
        let all = &mut self.all;
        let untold = all.samples.iter().all(|sample| sample.row.texts.iter().all(String::is_empty));
        all.captionless = untold && self.columns.captionless()?;
        self.columns.remark(&mut all.notes);
        if !self.attributes.is_empty() {
            let mut names: Vec<&str> = self.attributes.iter().map(String::as_str).collect();
            names.sort_unstable();
            all.notes.add(format!("attributes: columns `{}`", names.join("`, `")), String::new());
        }
        // Where some rows name a part, rows of an unknown one must not be drawn into any.
        if self.columns.has_parts() {
            all.samples.retain(|sample| !sample.row.unknown_part);
        }
        samples::tell_apart(&mut all.samples);
        Ok(self.all)
    }
}

/// The columns of bools, integers and words, without those that have another meaning, and without
/// those of numbers or texts that hardly ever repeat; none if there is a column `attributes`.
fn attribute_columns(tables: &[(&Container, Table)], config: &ParquetConfig) -> HashSet<String> {
    let named = [&config.image_column, &config.caption_column, &config.group_column];
    let named: Vec<String> = named.into_iter().flatten().map(|name| folded(name)).collect();
    let mut found = BTreeMap::<&str, (HashSet<String>, usize, bool)>::new();
    let groups = tables.iter().flat_map(|(_, table)| &table.groups);
    for (name, cell) in groups.flat_map(|group| &group.rows).flatten() {
        if name == "attributes" {
            return HashSet::new();
        }
        if is_known(name) || named.contains(name) || name.starts_with("__") || name.ends_with("_id") {
            continue;
        }
        let (values, rows, scalar) = found.entry(name).or_insert_with(|| (HashSet::new(), 0, true));
        match cell {
            Value::Null => {}
            Value::Bool(_) | Value::String(_) | Value::Number(_) => {
                *rows += 1;
                values.insert(cell.to_string());
            }
            _ => *scalar = false,
        }
    }
    let repeats = |(values, rows, scalar): &(HashSet<String>, usize, bool)| {
        *scalar && !values.is_empty() && (values.len() <= FEW || 2 * values.len() <= *rows)
    };
    found.into_iter().filter(|(_, counts)| repeats(counts)).map(|(name, _)| name.to_owned()).collect()
}

//! Images with `metadata.jsonl` or `metadata.csv`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::items::Item;
use super::writer::Writer;
use crate::attributes::Schema;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::formats::sources::SCHEMA_FILE;

/// The form of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// `metadata.jsonl`.
    JsonLines,
    /// `metadata.csv`.
    Csv,
}

/// Writes images and their metadata into a folder.
pub(crate) struct FolderWriter<'d> {
    folder: PathBuf,
    dataset: &'d dyn Dataset,
    rows: Rows,
}

enum Rows {
    Json(BufWriter<NamedTempFile>),
    Csv { rows: Box<csv::Writer<NamedTempFile>>, columns: Vec<&'static str> },
}

/// The JSON of a cell, empty for none.
fn json(value: Option<&impl Serialize>) -> serde_json::Result<String> {
    value.map_or(Ok(String::new()), serde_json::to_string)
}

impl Rows {
    fn add(&mut self, item: &Item) -> std::io::Result<()> {
        match self {
            Self::Json(lines) => {
                serde_json::to_writer(&mut *lines, item)?;
                lines.write_all(b"\n")
            }
            Self::Csv { rows, columns } => {
                let cell = |column: &&str| match *column {
                    "file_name" => Ok(item.file_name.clone()),
                    "captions" => json(item.captions.as_ref()),
                    "claims" => json(item.claims.as_ref()),
                    "attributes" => json(item.attributes.as_ref()),
                    _ => Ok(item.group.clone().unwrap_or_default()),
                };
                let cells = columns.iter().map(cell).collect::<serde_json::Result<Vec<String>>>()?;
                Ok(rows.write_record(cells)?)
            }
        }
    }
}

impl<'d> FolderWriter<'d> {
    pub(crate) fn new(folder: &Path, table: Table, dataset: &'d dyn Dataset) -> Result<Self> {
        let file = NamedTempFile::new_in(folder).map_err(|error| Error::file(folder, error))?;
        let rows = match table {
            Table::JsonLines => Rows::Json(BufWriter::new(file)),
            Table::Csv => {
                let grouped = (0..dataset.len()).any(|index| dataset.group(index).is_some());
                let mut columns = vec!["file_name"];
                columns.extend(dataset.has_captions().then_some("captions"));
                if !dataset.schema().is_empty() {
                    columns.extend(dataset.has_captions().then_some("claims"));
                    columns.push("attributes");
                }
                columns.extend(grouped.then_some("group"));
                let mut rows = Box::new(csv::Writer::from_writer(file));
                rows.write_record(&columns).map_err(|error| Error::file(folder, error))?;
                Rows::Csv { rows, columns }
            }
        };
        Ok(Self { folder: folder.into(), dataset, rows })
    }
}

impl Writer for FolderWriter<'_> {
    fn add(&mut self, item: Item) -> Result<()> {
        write_file(&self.folder, &item.file_name, &item.bytes)?;
        self.rows.add(&item).map_err(|error| Error::file(&self.folder, error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { folder, dataset, rows } = *self;
        let (name, file) = match rows {
            Rows::Json(lines) => {
                ("metadata.jsonl", lines.into_inner().map_err(std::io::IntoInnerError::into_error))
            }
            Rows::Csv { rows, .. } => ("metadata.csv", rows.into_inner().map_err(|error| error.into_error())),
        };
        if !dataset.schema().is_empty() {
            write_schema(&folder, dataset.schema(), SCHEMA_FILE)?;
        }
        let path = folder.join(name);
        file.and_then(|file| persist(file, &path)).map_err(|error| Error::file(path, error))
    }
}

/// Writes a file and the folders of its name.
pub(crate) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let write = || -> std::io::Result<()> {
        if let Some(above) = path.parent().filter(|_| name.contains('/')) {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(&path, bytes)
    };
    write().map_err(|error| Error::file(&path, error))
}

/// Writes a schema through a temporary file.
pub(crate) fn write_schema(folder: &Path, schema: &Schema, name: &str) -> Result<()> {
    let path = folder.join(name);
    let write = || -> std::io::Result<()> {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(schema)?)?;
        persist(file, &path)
    };
    write().map_err(|error| Error::file(&path, error))
}

/// Gives a temporary file its name.
fn persist(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

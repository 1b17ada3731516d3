//! Conversion of a data set into files of another format, without loss of captions, claims, attributes,
//! groups, parts, names and bytes.
//!
//! Images are written in order and a few at a time. A part is written into a hidden folder and moved into
//! place when it is whole.

mod folder;
mod items;
mod names;
mod parquet;
mod text_files;
mod webdataset;
mod writer;

use std::path::{Path, PathBuf};

use self::folder::{FolderWriter, Table};
pub use self::items::Pixels;
use self::parquet::ParquetWriter;
use self::text_files::TextFilesWriter;
use self::webdataset::WebdatasetWriter;
use self::writer::Writer;
use crate::attributes::Schema;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::formats::sources::SCHEMA_FILE;

/// The format of converted files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Images with `metadata.jsonl`, read by `folder`.
    Folder,
    /// Images with `metadata.csv`, read by `folder`.
    Csv,
    /// Images with `NAME.txt` and, where text does not hold everything, `NAME.json`, read by `folder`.
    TextFiles,
    /// Tars of so many images, read by `webdataset`.
    Webdataset {
        /// The most images of a tar, at least 1.
        shard_images: usize,
    },
    /// Parquet files of so many images, as Hugging Face's `datasets` writes them, read by `parquet`.
    Parquet {
        /// The most images of a file, at least 1.
        shard_images: usize,
    },
}

/// Writes parts of a data set into `folder`, which is made where there is none. `parts` are the names of
/// parts (`train`, `validation`, `test`, `test_comb`) and their images; `progress` is called with the
/// number of images after each image.
///
/// Reading the files gives the same captions, claims, attributes, groups and parts, and, with
/// [`Pixels::Original`], the same bytes and names. Names that are not safe as files, or not unique, get
/// another spelling: characters that a system forbids become `_`, and a later equal name ends in `-2`.
///
/// # Errors
/// If a part is there already, a file cannot be written or an image cannot be read.
pub fn convert(
    parts: &[(&str, &dyn Dataset)],
    folder: impl AsRef<Path>,
    form: Form,
    pixels: Pixels,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let folder = folder.as_ref();
    for (name, _) in parts {
        check_free(folder, form, name)?;
    }
    let mut done = 0;
    for (name, dataset) in parts {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        let hidden = tempfile::Builder::new().prefix(".partial-").tempdir_in(folder);
        let hidden = hidden.map_err(|error| Error::file(folder, error))?;
        let part = hidden.path().join("part");
        std::fs::create_dir(&part).map_err(|error| Error::file(&part, error))?;
        let mut writer = writer(form, name, *dataset, &part)?;
        items::for_each(*dataset, pixels, |item| {
            writer.add(item)?;
            done += 1;
            progress(done);
            Ok(())
        })?;
        writer.finish()?;
        write_schema(folder, dataset.schema(), form)?;
        put(&part, folder, form, name)?;
    }
    Ok(())
}

/// Writes every image of a data set to `folder` as a PNG file with a `metadata.jsonl` of captions, claims,
/// attributes and groups, and with their schema in `schema.json` where there is one. The names are those of
/// the images, or `000000.png`, …. The metadata is written last and renamed into place, so that a folder
/// with metadata is whole.
///
/// A [folder data set](crate::FolderConfig) reads the same images, captions and attributes back.
///
/// # Errors
/// If the folder is not empty, a file cannot be written or an image cannot be read.
pub fn export(dataset: &dyn Dataset, folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    check_empty(folder)?;
    let mut writer = FolderWriter::new(folder, Table::JsonLines, dataset)?;
    items::for_each(dataset, Pixels::Square, |item| writer.add(item))?;
    Box::new(writer).finish()
}

fn writer<'d>(form: Form, name: &str, dataset: &'d dyn Dataset, part: &Path) -> Result<Box<dyn Writer + 'd>> {
    Ok(match form {
        Form::Folder => Box::new(FolderWriter::new(part, Table::JsonLines, dataset)?),
        Form::Csv => Box::new(FolderWriter::new(part, Table::Csv, dataset)?),
        Form::TextFiles => Box::new(TextFilesWriter::new(part)),
        Form::Webdataset { shard_images } => Box::new(WebdatasetWriter::new(part, shard_images)),
        Form::Parquet { shard_images } => Box::new(ParquetWriter::new(part, name, shard_images, dataset)?),
    })
}

/// The folder of Parquet files in Hugging Face's layout.
const DATA: &str = "data";

/// Checks that a part is not there.
fn check_free(folder: &Path, form: Form, name: &str) -> Result<()> {
    if !matches!(form, Form::Parquet { .. }) {
        return check_empty(&folder.join(name));
    }
    let data = folder.join(DATA);
    let there = std::fs::read_dir(&data).into_iter().flatten().flatten();
    let prefix = format!("{name}-");
    match there.map(|entry| entry.path()).find(|path| file_name(path).starts_with(&prefix)) {
        Some(path) => Err(Error::file(path, "the file is there already, expected a new folder")),
        None => Ok(()),
    }
}

fn check_empty(folder: &Path) -> Result<()> {
    let there = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if there || folder.is_file() {
        return Err(Error::file(folder, "the folder is not empty, expected a new or an empty one"));
    }
    Ok(())
}

/// Writes the schema beside the parts, unless each part has its own.
fn write_schema(folder: &Path, schema: &Schema, form: Form) -> Result<()> {
    if schema.is_empty() || matches!(form, Form::Folder | Form::Csv) {
        return Ok(());
    }
    folder::write_schema(folder, schema, SCHEMA_FILE)
}

/// Moves a whole part into place.
fn put(part: &Path, folder: &Path, form: Form, name: &str) -> Result<()> {
    let moved = |from: &Path, to: PathBuf| std::fs::rename(from, &to).map_err(|error| Error::file(to, error));
    if !matches!(form, Form::Parquet { .. }) {
        let place = folder.join(name);
        // An empty folder is there where the user made one.
        let _ = std::fs::remove_dir(&place);
        return moved(part, place);
    }
    let data = folder.join(DATA);
    std::fs::create_dir_all(&data).map_err(|error| Error::file(&data, error))?;
    let entries = std::fs::read_dir(part).map_err(|error| Error::file(part, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::file(part, error))?.path();
        moved(&path, data.join(file_name(&path)))?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

//! Writing a data set as a folder of PNG files with `metadata.jsonl` and `schema.json`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::formats::sources::SCHEMA_FILE;

/// A row of `metadata.jsonl`.
#[derive(Serialize)]
struct Row {
    file_name: String,
    captions: Vec<String>,
    claims: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<BTreeMap<String, String>>,
}

/// Writes every image of a data set to `folder` as `000000.png`, … with a `metadata.jsonl` of captions,
/// claims and attributes, and with their schema in `schema.json` where there is one. The metadata is
/// written last and renamed into place, so that a folder with metadata is whole.
///
/// A [folder data set](crate::FolderConfig) reads the same images, captions and attributes back.
///
/// # Errors
/// If the folder is not empty, a file cannot be written or an image cannot be read.
pub fn export(dataset: &dyn Dataset, folder: impl AsRef<Path>) -> Result<()> {
    let (folder, schema) = (folder.as_ref(), dataset.schema());
    let metadata = folder.join("metadata.jsonl");
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let mut there = std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    if there.next().is_some() {
        return Err(Error::file(folder, "the folder is not empty, expected a new or an empty one"));
    }
    let rows: Result<Vec<Row>> = (0..dataset.len())
        .into_par_iter()
        .map(|index| {
            let file_name = format!("{index:06}.png");
            let path = folder.join(&file_name);
            let png = dataset.image(index)?.encode_png()?;
            std::fs::write(&path, png).map_err(|error| Error::file(path, error))?;
            let captions = dataset.captions(index)?;
            let claims =
                captions.iter().map(|caption| caption.claims.to_json(schema)).collect::<Result<_>>()?;
            let captions = captions.into_iter().map(|caption| caption.text).collect();
            let attributes = dataset.attributes(index).map(|attributes| attributes.to_names(schema));
            Ok(Row { file_name, captions, claims, attributes: attributes.transpose()? })
        })
        .collect();
    let mut lines = Vec::new();
    for row in rows? {
        serde_json::to_writer(&mut lines, &row).map_err(|error| Error::file(&metadata, error))?;
        lines.push(b'\n');
    }
    if !schema.is_empty() {
        let file = folder.join(SCHEMA_FILE);
        let text = serde_json::to_vec_pretty(schema).map_err(|error| Error::file(&file, error))?;
        write(folder, &file, &text)?;
    }
    write(folder, &metadata, &lines)
}

/// Writes a file through a temporary one.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Error::file(path, error))
}

//! Writing a dataset as a folder of PNG files with `metadata.jsonl`.

use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::procedural::{Attributes, Claims};

/// A row of `metadata.jsonl`.
#[derive(Serialize)]
struct Row {
    file_name: String,
    captions: Vec<String>,
    claims: Vec<Claims>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes>,
}

/// Writes every image of a dataset to `folder` as `000000.png`, … with a `metadata.jsonl` that
/// holds captions, claims and attributes. The metadata is written last and renamed into place, so
/// that a folder that has it is whole.
///
/// # Errors
/// If the folder already holds anything, a file cannot be written or an image cannot be read.
pub fn export(dataset: &dyn Dataset, folder: &Path) -> Result<()> {
    let metadata = folder.join("metadata.jsonl");
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let mut there = std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    if there.next().is_some() {
        return Err(Error::file(folder, "holds files already: expected a new or an empty folder"));
    }
    let rows: Result<Vec<Row>> = (0..dataset.len())
        .into_par_iter()
        .map(|index| {
            let file_name = format!("{index:06}.png");
            let path = folder.join(&file_name);
            let png = dataset.image(index)?.encode_png()?;
            std::fs::write(&path, png).map_err(|error| Error::file(path, error))?;
            let (captions, claims) =
                dataset.captions(index)?.into_iter().map(|caption| (caption.text, caption.claims)).unzip();
            Ok(Row { file_name, captions, claims, attributes: dataset.attributes(index) })
        })
        .collect();
    let rows = rows?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for row in &rows {
            serde_json::to_writer(&mut file, row)?;
            file.write_all(b"\n")?;
        }
        file.as_file().sync_all()?;
        file.persist(&metadata)?;
        Ok(())
    };
    write().map_err(|error| Error::file(&metadata, error))
}

//! Tars of a WebDataset: the image, `KEY.txt` with a caption a line, and `KEY.json` with everything.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::items::Item;
use super::names::Names;
use super::text_files::lines;
use super::writer::Writer;
use crate::error::{Error, Result};

/// Writes tars of a fixed number of images into a folder.
pub(crate) struct WebdatasetWriter {
    folder: PathBuf,
    shard_images: usize,
    /// The tar that is written, and its images.
    shard: Option<(PathBuf, tar::Builder<BufWriter<File>>, usize)>,
    shards: usize,
    keys: Names,
}

impl WebdatasetWriter {
    pub(crate) fn new(folder: &Path, shard_images: usize) -> Self {
        Self {
            folder: folder.into(),
            shard_images: shard_images.max(1),
            shard: None,
            shards: 0,
            keys: Names::default(),
        }
    }

    /// Ends the tar that is written.
    fn close(&mut self) -> Result<()> {
        let Some((path, builder, _)) = self.shard.take() else { return Ok(()) };
        let close = || -> std::io::Result<()> {
            let file = builder.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.sync_all()
        };
        close().map_err(|error| Error::file(path, error))
    }

    fn open(&mut self) -> Result<()> {
        let path = self.folder.join(format!("shard-{:05}.tar", self.shards));
        let file = File::create_new(&path).map_err(|error| Error::file(&path, error))?;
        self.shard = Some((path, tar::Builder::new(BufWriter::new(file)), 0));
        self.shards += 1;
        Ok(())
    }
}

impl Writer for WebdatasetWriter {
    fn add(&mut self, item: Item) -> Result<()> {
        if self.shard.as_ref().is_some_and(|(.., images)| *images == self.shard_images) {
            self.close()?;
        }
        if self.shard.is_none() {
            self.open()?;
        }
        let key = self.keys.key(&item.file_name);
        let ending = item.file_name.rsplit('.').next().unwrap_or("jpg").to_lowercase();
        let Some((path, builder, images)) = &mut self.shard else { return Ok(()) };
        *images += 1;
        let json = serde_json::to_vec(&item).map_err(|error| Error::file(&*path, error))?;
        let text = item.captions.as_deref().map(lines);
        let mut entries = vec![(ending.as_str(), item.bytes.as_slice())];
        entries.extend(text.as_ref().map(|text| ("txt", text.as_bytes())));
        entries.push(("json", &json));
        for (ending, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            let added = builder.append_data(&mut header, format!("{key}.{ending}"), bytes);
            added.map_err(|error| Error::file(&*path, error))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.shards == 0 {
            self.open()?;
        }
        self.close()
    }
}

//! Images with `NAME.txt`, a caption a line, and `NAME.json` for all that text does not hold.

use std::path::{Path, PathBuf};

use super::folder::write_file;
use super::items::Item;
use super::writer::Writer;
use crate::error::{Error, Result};

/// Writes images and their texts into a folder.
pub(crate) struct TextFilesWriter {
    folder: PathBuf,
}

impl TextFilesWriter {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }
}

impl Writer for TextFilesWriter {
    fn add(&mut self, item: Item) -> Result<()> {
        write_file(&self.folder, &item.file_name, &item.bytes)?;
        let stem = item.file_name.rsplit_once('.').map_or(item.file_name.as_str(), |(stem, _)| stem);
        if let Some(captions) = &item.captions {
            write_file(&self.folder, &format!("{stem}.txt"), lines(captions).as_bytes())?;
        }
        if needs_json(&item) {
            let path = self.folder.join(format!("{stem}.json"));
            let json = serde_json::to_vec(&item).map_err(|error| Error::file(path, error))?;
            write_file(&self.folder, &format!("{stem}.json"), &json)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The captions, one a line.
pub(crate) fn lines(captions: &[String]) -> String {
    let line = |caption: &String| caption.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    captions.iter().map(line).collect()
}

/// Whether an image has more than lines of text hold. An image without captions has JSON too, so that its
/// folder is not taken for its label.
fn needs_json(item: &Item) -> bool {
    let claims =
        item.claims.iter().flatten().any(|claims| claims.as_array().is_some_and(|list| !list.is_empty()));
    let is_line =
        |caption: &String| !caption.is_empty() && lines(std::slice::from_ref(caption)).trim_end() == caption;
    claims
        || item.attributes.is_some()
        || item.group.is_some()
        || item.captions.as_ref().is_none_or(|captions| !captions.iter().all(is_line))
}

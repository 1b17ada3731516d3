//! Flickr8k, and Flickr30k, which has the same forms.
//!
//! `Flickr8k.token.txt` has lines `name.jpg#0<TAB>caption`; `captions.txt` of Kaggle is a table
//! `image,caption`; Flickr30k's `results.csv` is a table with bars, `image_name| comment_number| comment`.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::collection::Collection;
use super::file_index::FileIndex;
use super::layout::{Layout, stem};
use super::parts::listing_of;
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;
use crate::text_file;

const SOURCE: &str = "Flickr8k is described at hockenmaier.cs.illinois.edu/8k-pictures.html";

/// The names of the caption file.
const CAPTIONS: [&str; 6] = [
    "Flickr8k.token.txt",
    "captions.txt",
    "captions.csv",
    "results_20130124.token",
    "results.csv",
    "Flickr8k.lemma.token.txt",
];

/// Images of Flickr8k or Flickr30k with captions.
///
/// `Flickr_8k.trainImages.txt`, `Flickr_8k.devImages.txt` and `Flickr_8k.testImages.txt` beside the captions
/// are the parts; images in none of them are left out. Without the three files the parts are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flickr8kConfig {
    /// The folder of the images, or one above it. No default.
    pub images: PathBuf,
    /// The folder of the caption file, or the file. No default.
    pub captions: PathBuf,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where there are no published ones.
    pub split: SplitConfig,
}

impl Default for Flickr8kConfig {
    fn default() -> Self {
        Self {
            images: PathBuf::new(),
            captions: PathBuf::new(),
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for Flickr8kConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.images", &self.images, "the folder of the images of Flickr8k")?;
        check_set("data.captions", &self.captions, "the caption file of Flickr8k, or its folder")?;
        let index = FileIndex::scan(Layout::scan(&self.images)?.root())?;
        let folder =
            if self.captions.is_dir() { Some(self.captions.as_path()) } else { self.captions.parent() };
        let layout = folder.filter(|folder| folder.is_dir()).map(Layout::scan).transpose()?;
        let file = match &layout {
            Some(layout) if self.captions.is_dir() => layout.expect_table(&CAPTIONS, SOURCE)?,
            _ => self.captions.as_path(),
        };
        let parts = layout.as_ref().map(parts).transpose()?.unwrap_or_default();
        let mut collection = Collection::new(self.files.filter, Schema::default(), true);
        collection.expect(&index);
        let mut notes = Notes::default();
        let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
        for (line, name, caption) in read(&text).map_err(|reason| Error::file(file, reason))? {
            let part = parts.get(&stem(&name)).copied();
            if part.is_none() && !parts.is_empty() {
                notes.add(
                    "captions of images in no published part are ignored".into(),
                    format!("line {line}"),
                );
                continue;
            }
            let captions = vec![Caption::unlabelled(caption)];
            let added = collection.add(&index, &name, captions, None, |_| (part, None));
            added.map_err(|reason| Error::file(file, format!("line {line}: {reason}")))?;
        }
        Ok(listing_of(collection, "flickr8k", notes, |_, _| {}))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The line, the image and the text of each caption.
///
/// On failure, the reason with its line.
fn read(text: &str) -> std::result::Result<Vec<(usize, String, String)>, String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.contains('\t') {
        return tokens(text);
    }
    let header = first.to_lowercase();
    let separator = if header.contains('|') { b'|' } else { b',' };
    if !header.trim_start_matches('"').starts_with("image") {
        return Err(format!(
            "line 1: `{first}`, expected `name.jpg#0`, a tab and a caption, or the header image,caption"
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(true)
        .flexible(true)
        .delimiter(separator)
        .quoting(separator == b',')
        .from_reader(text.as_bytes());
    let separator = char::from(separator).to_string();
    let mut captions = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let fields: Vec<&str> = record.iter().map(str::trim).collect();
        // `results.csv` has the number of the caption before it; a caption may have the separator in it.
        let skipped = usize::from(separator == "|") + 1;
        if fields.len() <= skipped {
            return Err(format!("line {line}: {} fields, expected an image and a caption", fields.len()));
        }
        captions.push((
            line,
            fields[0].to_owned(),
            record.iter().skip(skipped).collect::<Vec<_>>().join(&separator).trim().to_owned(),
        ));
    }
    Ok(captions)
}

/// Lines `name.jpg#0<TAB>caption`.
fn tokens(text: &str) -> std::result::Result<Vec<(usize, String, String)>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let caption = |(line, text): (usize, &str)| {
        let (name, caption) = text
            .split_once('\t')
            .ok_or_else(|| format!("line {line}: no tab, expected `name.jpg#0`, a tab and a caption"))?;
        let name = name.rsplit_once('#').map_or(name, |(name, _)| name);
        Ok((line, name.trim().to_owned(), caption.trim().to_owned()))
    };
    lines.map(caption).collect()
}

/// The published parts by the stems of the names of images.
fn parts(layout: &Layout) -> Result<HashMap<String, Part>> {
    let mut parts = HashMap::new();
    for (words, part) in [("trainimages", Part::Train), ("devimages", Part::Val), ("testimages", Part::Test)]
    {
        for file in layout.tables(|name| name.contains(words) && name.ends_with(".txt")) {
            let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
            parts.extend(
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|name| (stem(name), part)),
            );
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_form_is_read() {
        let caption = |line: usize, name: &str, text: &str| (line, name.to_owned(), text.to_owned());
        let wanted = |first| {
            vec![caption(first, "a.jpg", "A man , smiling ."), caption(first + 1, "b.jpg", "A dog .")]
        };
        assert_eq!(read("a.jpg#0\tA man , smiling .\r\nb.jpg#1\tA dog .\r\n").unwrap(), wanted(1));
        for table in [
            "image,caption\na.jpg,\"A man , smiling .\"\nb.jpg,A dog .\n",
            "image,caption\na.jpg,A man , smiling .\nb.jpg,A dog .\n",
            "image_name| comment_number| comment\na.jpg| 0| A man , smiling .\nb.jpg| 1| A dog .\n",
        ] {
            assert_eq!(read(table).unwrap(), wanted(2), "{table}");
        }
    }

    #[test]
    fn another_form_is_an_error_with_its_line() {
        assert!(read("a.jpg#0\tx\nb.jpg y").unwrap_err().contains("line 2: no tab"));
        assert!(read("hello").unwrap_err().contains("line 1: `hello`, expected"));
        assert!(read("image,caption\na.jpg").unwrap_err().contains("line 2: 1 fields"));
    }
}

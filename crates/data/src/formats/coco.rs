//! COCO captions: `captions_train2014.json` and `captions_val2014.json`, or those of 2017.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::collection::Collection;
use super::file_index::FileIndex;
use super::layout::Layout;
use super::parts::listing_of;
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;
use crate::text_file;

const SOURCE: &str = "COCO is at cocodataset.org/#download: unpack annotations_trainval2014.zip";

/// Images of COCO with captions.
///
/// The images of `captions_train*.json` are the training part, those of `captions_val*.json` the
/// validation part; with one of the files alone the parts are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CocoConfig {
    /// The folder that holds `train2014` and `val2014`, or the images themselves. No default.
    pub images: PathBuf,
    /// The folder of the caption files, or one caption file. No default.
    pub captions: PathBuf,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where there is one caption file.
    pub split: SplitConfig,
}

impl Default for CocoConfig {
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

/// A caption file.
#[derive(Deserialize)]
struct Annotations {
    images: Vec<ImageEntry>,
    annotations: Vec<CaptionEntry>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct CaptionEntry {
    image_id: u64,
    caption: Option<String>,
}

impl Format for CocoConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.images", &self.images, "the folder of the images of COCO")?;
        check_set("data.captions", &self.captions, "the folder of the caption files of COCO")?;
        let index = FileIndex::scan(Layout::scan(&self.images)?.root())?;
        let mut collection = Collection::new(self.files.filter, Schema::default(), true);
        collection.expect(&index);
        let mut notes = Notes::default();
        for file in caption_files(&self.captions)? {
            let text = text_file::read(&file).map_err(|error| Error::file(&file, error))?;
            let Annotations { images, annotations } = serde_json::from_str(&text)
                .map_err(|error| Error::file(&file, format!("{error}: expected the captions of COCO")))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            let words = [("train", Part::Train), ("val", Part::Val), ("test", Part::Test)];
            let part = words.into_iter().find(|(word, _)| name.contains(word)).map(|(_, part)| part);
            let places: HashMap<u64, usize> =
                images.iter().enumerate().map(|(at, image)| (image.id, at)).collect();
            let mut captions: Vec<Vec<Caption>> = images.iter().map(|_| Vec::new()).collect();
            for (number, CaptionEntry { image_id, caption }) in annotations.into_iter().enumerate() {
                let Some(place) = places.get(&image_id) else {
                    let place = format!("{}, annotation {number}", file.display());
                    notes.add("a caption of an image that `images` does not list is ignored".into(), place);
                    continue;
                };
                captions[*place].push(Caption::unlabelled(caption.unwrap_or_default().trim()));
            }
            for (image, captions) in images.into_iter().zip(captions) {
                if captions.is_empty() {
                    continue;
                }
                let added = collection.add(&index, &image.file_name, captions, None, |_| (part, None));
                added.map_err(|reason| Error::file(&file, reason))?;
            }
        }
        Ok(listing_of(collection, "coco", notes, |_, _| {}))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The caption files of a folder, or the single one.
fn caption_files(captions: &Path) -> Result<Vec<PathBuf>> {
    if !captions.is_dir() {
        return Ok(vec![captions.into()]);
    }
    let layout = Layout::scan(captions)?;
    let files = layout.tables(|name| name.starts_with("captions") && name.ends_with(".json"));
    if files.is_empty() {
        let reason = format!("no captions_train2014.json or captions_val2014.json in it; {SOURCE}");
        return Err(Error::file(captions, reason));
    }
    Ok(files.into_iter().map(Path::to_path_buf).collect())
}

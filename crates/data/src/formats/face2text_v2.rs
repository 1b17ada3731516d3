//! Face2Text v2.1: descriptions of images of CelebA by people, in three published parts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::celeba::{self, IMAGES, People};
use super::collection::Collection;
use super::face2text;
use super::file_index::FileIndex;
use super::layout::{Layout, stem};
use super::parts::listing_of;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;

const SOURCE: &str =
    "Face2Text is given for research at doi.org/10.5281/zenodo.6569853 and may not be passed on";

/// Images of CelebA with the descriptions of Face2Text v2.1.
///
/// `clean_train_2.1.json`, `clean_dev_2.1.json` and `clean_test_2.1.json` are the training, the validation
/// and the test part. Attributes are known where CelebA's table is under `images`; claims are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Face2TextConfig {
    /// The folder of CelebA, which holds `img_align_celeba` in it or its subfolders. No default.
    pub images: PathBuf,
    /// The folder of the caption files, or one caption file. In a folder, `clean_*.json` are read, or
    /// `raw*.json` if there is none. No default.
    pub captions: PathBuf,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where there are no published ones.
    pub split: SplitConfig,
}

impl Default for Face2TextConfig {
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

impl Format for Face2TextConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.images", &self.images, "the folder of CelebA")?;
        check_set("data.captions", &self.captions, "the folder of the caption files of Face2Text")?;
        let layout = Layout::scan(&self.images)?;
        let index = FileIndex::scan(layout.folder(&IMAGES))?;
        let mut notes = Notes::default();
        let people = People::read(&layout)?;
        let (schema, labels) = celeba::labels(&layout, &mut notes)?.unwrap_or_default();
        let files = caption_files(&self.captions)?;
        if files.iter().any(|(_, part)| part.is_none()) && files.iter().any(|(_, part)| part.is_some()) {
            let names: Vec<String> = files.iter().map(|(file, _)| file.display().to_string()).collect();
            notes.add(format!("some of the caption files have no part: {}", names.join(", ")), String::new());
        }
        let mut collection = Collection::new(self.files.filter, schema, true);
        collection.expect(&index);
        for (file, part) in &files {
            let (described, empty) = face2text::read(file)?;
            collection.dropped(empty);
            for entry in described {
                let captions = entry.captions.into_iter().map(Caption::unlabelled).collect();
                let attributes = labels.get(&stem(&entry.image)).map(|labels| (0, labels.clone()));
                let place = |_: &str| (*part, people.of(&entry.image).1);
                let added = collection.add(&index, &entry.image, captions, attributes, place);
                added.map_err(|reason| Error::file(file, reason))?;
            }
        }
        Ok(listing_of(collection, "face2text", notes, |records, notes| people.remark(records, notes)))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The caption files with their parts: those in a folder, or a single one.
fn caption_files(captions: &Path) -> Result<Vec<(PathBuf, Option<Part>)>> {
    if !captions.is_dir() {
        // A missing file is an error of its reader.
        return Ok(vec![(captions.into(), None)]);
    }
    let layout = Layout::scan(captions)?;
    for start in ["clean", "raw"] {
        let files = layout.tables(|name| name.starts_with(start) && name.ends_with(".json"));
        if !files.is_empty() {
            return Ok(files.into_iter().map(|file| (file.to_path_buf(), part(file))).collect());
        }
    }
    let reason = format!("neither clean_*.json nor raw*.json in it; {SOURCE}");
    Err(Error::file(captions, reason))
}

/// The part that the name of a caption file says.
fn part(file: &Path) -> Option<Part> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    let words = [("train", Part::Train), ("dev", Part::Val), ("val", Part::Val), ("test", Part::Test)];
    words.into_iter().find(|(word, _)| name.contains(word)).map(|(_, part)| part)
}

//! Labeled Faces in the Wild, or CelebA, with the captions of Face2Text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::collection::Collection;
use super::face2text;
use super::file_index::{FileIndex, nearest};
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, check_set};
use crate::split_config::SplitConfig;

/// The folders of the archives, the best aligned first.
const ROOTS: [&str; 4] = ["lfw-deepfunneled", "lfw_deepfunneled", "lfw_funneled", "lfw"];

/// LFW images with Face2Text captions.
///
/// This differs from T2F in two points. T2F resizes whole images, two thirds of which are background;
/// here `crop` keeps the face. T2F has no validation and no test part; here all images of a person
/// belong to one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LfwConfig {
    /// The folder of `First_Last/First_Last_0001.jpg`, or one that holds `lfw-deepfunneled`,
    /// `lfw_funneled` or `lfw`. No default.
    pub images: PathBuf,
    /// Face2Text's `clean.json`, or its folder. No default.
    pub captions: PathBuf,
    /// The central part of each image that is used. An aligned LFW face fills about 0.6 of the 250
    /// pixels. Default 0.6, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts.
    pub split: SplitConfig,
}

impl Default for LfwConfig {
    fn default() -> Self {
        Self {
            images: PathBuf::new(),
            captions: PathBuf::new(),
            crop: 0.6,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for LfwConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.images", &self.images, "the folder of the images of LFW")?;
        check_set("data.captions", &self.captions, "Face2Text's `clean.json`, or its folder")?;
        let (described, empty) = face2text::read(&self.captions)?;
        let root = find_root(&self.images)?;
        let index = FileIndex::scan(&root)?;
        if index.len() == 0 {
            return Err(Error::file(
                &root,
                format!("no JPEG or PNG image under it; {}", nearest(&root.join("x"))),
            ));
        }
        let mut collection = Collection::new(self.files.filter, Schema::default(), true);
        collection.expect(&index);
        collection.dropped(empty);
        for entry in described {
            let captions = entry.captions.into_iter().map(Caption::unlabelled).collect();
            let place = |file: &str| (None, Some(person(file, &entry.image)));
            let added = collection.add(&index, &entry.image, captions, None, place);
            added.map_err(|reason| Error::file(&self.captions, reason))?;
        }
        Ok(collection.finish("lfw"))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The folder that has a folder for each person: the given one, or the best aligned one in it.
fn find_root(images: &Path) -> Result<PathBuf> {
    if !images.is_dir() {
        return Err(Error::file(images, format!("no such folder; {}", nearest(images))));
    }
    let held = ROOTS.map(|name| images.join(name)).into_iter().find(|path| path.is_dir());
    Ok(held.unwrap_or_else(|| images.to_path_buf()))
}

/// The person that a file shows, by its path under the root: its folder, where captions name folders;
/// in a flat folder, its name without LFW's number (`_0001`), or the file itself, as in CelebA.
fn person(file: &str, called: &str) -> String {
    let file = file.to_lowercase();
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", &file));
    let folder = folders.rsplit('/').next().unwrap_or_default();
    if !folder.is_empty() && called.trim_start_matches("./").contains(['/', '\\']) {
        return folder.to_owned();
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let numbered = |number: &str| number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit());
    match stem.rsplit_once('_') {
        Some((person, number)) if numbered(number) => person.to_owned(),
        _ => name.to_owned(),
    }
}

//! Labeled Faces in the Wild, or CelebA, with the captions of Face2Text, or with attributes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::collection::Collection;
use super::face2text;
use super::file_index::{FileIndex, nearest};
use super::lfw_attributes::LfwAttributes;
pub use super::lfw_attributes::LfwSchema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, Record, check_set};
use crate::location::Location;
use crate::preflight::PreflightReport;
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
    /// Face2Text's `clean.json`, or its folder. No default; it may be left out where `attributes` is set.
    pub captions: PathBuf,
    /// `lfw_attributes.txt`, or `lfw_sample_attributes.txt` of T2F's images with `mapping.txt` beside it.
    /// Default none. Without `captions` the data set has the images that are in this table, and no
    /// captions.
    pub attributes: Option<PathBuf>,
    /// The schema of the attributes: LFW's own, or CelebA's. Default `lfw`.
    pub schema: LfwSchema,
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
            attributes: None,
            schema: LfwSchema::default(),
            crop: 0.6,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for LfwConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.images", &self.images, "the folder of the images of LFW")?;
        let captioned = !self.captions.as_os_str().is_empty() || self.attributes.is_none();
        if captioned {
            let expected =
                "Face2Text's `clean.json`, or its folder; or the table of LFW in `data.attributes`";
            check_set("data.captions", &self.captions, expected)?;
        }
        let (described, empty) =
            if captioned { face2text::read(&self.captions)? } else { Default::default() };
        let attributes = self.attributes.as_deref().map(LfwAttributes::read).transpose()?;
        let attributes = attributes.map(|attributes| attributes.in_schema(self.schema));
        let root = find_root(&self.images)?;
        let index = FileIndex::scan(&root)?;
        if index.len() == 0 {
            return Err(Error::file(&root, format!("no image under it; {}", nearest(&root.join("x")))));
        }
        if let (false, Some(attributes)) = (captioned, &attributes) {
            return self.labelled(&index, attributes);
        }
        let schema = attributes.as_ref().map(|attributes| attributes.schema.clone()).unwrap_or_default();
        let mut collection = Collection::new(self.files.filter, schema, true);
        collection.expect(&index);
        collection.dropped(empty);
        for entry in described {
            let captions = entry.captions.into_iter().map(Caption::unlabelled).collect();
            let place = |file: &str| (None, Some(person(file, &entry.image)));
            let labels = attributes.as_ref().and_then(|attributes| attributes.of(&entry.image));
            let added = collection.add(&index, &entry.image, captions, labels, place);
            added.map_err(|reason| Error::file(&self.captions, reason))?;
        }
        Ok(collection.finish("lfw"))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

impl LfwConfig {
    /// The images that have attributes, without captions.
    fn labelled(&self, index: &FileIndex, attributes: &LfwAttributes) -> Result<Listing> {
        let (mut records, mut seen) = (Vec::new(), HashSet::new());
        for (name, labels) in attributes.iter() {
            let Ok(path) = index.find_from(index.root(), name) else { continue };
            if !seen.insert(path.clone()) {
                continue;
            }
            let name = index.relative(&path);
            let group = Some(person(&name, ""));
            let (location, captions) = (Location::File(path.into_owned()), Vec::new());
            records.push(Record {
                location,
                name,
                part: None,
                group,
                captions,
                attributes: Some(labels.clone()),
            });
        }
        if records.is_empty() {
            let reason = format!("none of the {} images with attributes is under it", attributes.len());
            return Err(Error::file(index.root(), reason));
        }
        let without = index.len() - records.len();
        let mut report = PreflightReport::default();
        if without > 0 {
            report.notes.push(format!("{without} images without attributes are not used"));
        }
        Ok(Listing { name: "lfw", schema: attributes.schema.clone(), records, report })
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

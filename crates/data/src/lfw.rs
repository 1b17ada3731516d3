//! Labeled Faces in the Wild, or CelebA, with the captions of Face2Text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::album::Album;
use crate::dataset::{Caption, Splits};
use crate::error::{Error, Result};
use crate::face2text;
use crate::file_index::{FileIndex, nearest};
use crate::fit::Fit;
use crate::pictures::{Reading, check_fractions, check_set, open, part_of};
use crate::visual::CaptionFilter;

/// The folders the archives unpack to, the best aligned first.
const ROOTS: [&str; 4] = ["lfw-deepfunneled", "lfw_deepfunneled", "lfw_funneled", "lfw"];

/// LFW images with Face2Text captions.
///
/// Two faults of T2F are not repeated: its pictures are only resized, so that two thirds of an LFW
/// image are background (here: `crop`), and it holds nobody out (here: people, by the folder of
/// their pictures, belong to one part).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LfwConfig {
    /// The folder of `First_Last/First_Last_0001.jpg`, or one that holds `lfw-deepfunneled`,
    /// `lfw_funneled` or `lfw`. No default.
    pub images: PathBuf,
    /// Face2Text's `clean.json`, or its folder. No default.
    pub captions: PathBuf,
    /// The central part of each picture that is used. An aligned LFW face fills about 0.6 of the
    /// 250 pixels. Default 0.6, above 0 and at most 1.
    pub crop: f64,
    /// What is done with pictures that are not square. Default `crop`.
    pub fit: Fit,
    /// Which captions are used: `all` or `visual`. Default `all`.
    pub filter: CaptionFilter,
    /// The share of people in the validation part, from 0. Default 0.1.
    pub validation_fraction: f64,
    /// The share of people in the test part, from 0. Default 0.1.
    pub test_fraction: f64,
    /// What the split is drawn from. Default 0.
    pub seed: u64,
    /// Whether more than 5 % of the files may be unusable. Default false.
    pub allow_bad: bool,
    /// A folder for decoded pixels. Default none: they stay in memory.
    pub cache: Option<PathBuf>,
    /// Memory for decoded pixels, in MiB; what does not fit is read anew. Default 2048.
    pub memory_mib: usize,
    /// The colour behind transparency and padding, RGB. Default white.
    pub background: [u8; 3],
    /// The largest picture that is decoded, in megapixels. Default 64.
    pub max_megapixels: u32,
}

impl Default for LfwConfig {
    fn default() -> Self {
        Self {
            images: PathBuf::new(),
            captions: PathBuf::new(),
            crop: 0.6,
            fit: Fit::Crop,
            filter: CaptionFilter::All,
            validation_fraction: 0.1,
            test_fraction: 0.1,
            seed: 0,
            allow_bad: false,
            cache: None,
            memory_mib: 2048,
            background: [255; 3],
            max_megapixels: 64,
        }
    }
}

impl LfwConfig {
    pub(crate) fn open(&self, resolution: usize) -> Result<Splits> {
        check_fractions(self.validation_fraction, self.test_fraction)?;
        check_set("data.images", &self.images, "the folder of LFW's images")?;
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
        let mut album = Album::new(self.filter);
        album.expect(&index);
        album.dropped(empty);
        for entry in described {
            let captions = entry.captions.into_iter().map(Caption::unlabelled).collect();
            let part = |file: &str| {
                let person = person(file, &entry.image);
                part_of(&person, self.seed, self.validation_fraction, self.test_fraction)
            };
            let added = album.add(&index, &entry.image, captions, None, part);
            added.map_err(|reason| Error::file(&self.captions, reason))?;
        }
        let (pictures, report) = album.finish();
        let reading = Reading {
            resolution,
            fit: self.fit,
            crop: self.crop,
            background: self.background,
            max_megapixels: self.max_megapixels,
            allow_bad: self.allow_bad,
            cache: self.cache.clone(),
            memory_mib: self.memory_mib,
        };
        open("lfw", pictures, reading, report)
    }
}

/// The folder of people's folders: the one given, or the best of those it holds.
fn find_root(images: &Path) -> Result<PathBuf> {
    if !images.is_dir() {
        return Err(Error::file(images, format!("no such folder; {}", nearest(images))));
    }
    let held = ROOTS.map(|name| images.join(name)).into_iter().find(|path| path.is_dir());
    Ok(held.unwrap_or_else(|| images.to_path_buf()))
}

/// Whom a file shows, by its path under the root: where captions name folders, its folder; in a flat
/// folder, its name without LFW's number (`_0001`) or, as in CelebA, the file itself.
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

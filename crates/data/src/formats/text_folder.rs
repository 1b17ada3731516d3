//! The kinds of folders in which each image has a text file, by name: any such folder, and MM-CelebA-HQ.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Named};
use super::file_index::{FileIndex, nearest};
use super::sources::{self, Sources};
use super::text_files;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;

/// Images with a text file each; metadata files beside them are ignored.
///
/// The layouts are `NAME.txt` beside the image, `text/NAME.txt` or `captions/NAME.txt` beside `images/`, and
/// the files of img2dataset. Each line is a caption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextFilesConfig {
    /// The folder of the images and the texts. No default.
    pub path: PathBuf,
    /// Whether attributes and claims are read, where an image has a JSON file. Default true.
    pub attributes: bool,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts of images without a published part.
    pub split: SplitConfig,
}

impl Default for TextFilesConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            attributes: true,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for TextFilesConfig {
    fn list(&self) -> Result<Listing> {
        let expected = "NAME.txt beside each image, or in text/ or captions/ beside images/";
        list("text-files", &self.path, self.attributes, &self.files, expected)
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// MM-CelebA-HQ (Xia et al., [arXiv:2012.03308](https://arxiv.org/abs/2012.03308)): 30,000 images of
/// CelebA-HQ with ten captions each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MmCelebaHqConfig {
    /// The folder of `image/images/` or `images/`, `text/celeba-caption/` or `text/`, and, for the published
    /// parts, `train/filenames.pickle` and `test/filenames.pickle`. No default.
    pub path: PathBuf,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts of images without a published part.
    pub split: SplitConfig,
}

impl Default for MmCelebaHqConfig {
    fn default() -> Self {
        Self { path: PathBuf::new(), crop: 1.0, files: FilesConfig::default(), split: SplitConfig::default() }
    }
}

impl Format for MmCelebaHqConfig {
    fn list(&self) -> Result<Listing> {
        let expected =
            "images in image/images/ or images/, and their captions in text/celeba-caption/ or text/";
        list("mm-celeba-hq", &self.path, false, &self.files, expected)
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The images of a folder that have a text file.
fn list(
    name: &'static str,
    path: &Path,
    attributes: bool,
    files: &FilesConfig,
    expected: &str,
) -> Result<Listing> {
    check_set("data.path", path, "the folder of the images and the texts")?;
    if !path.is_dir() {
        return Err(Error::file(path, format!("no such folder; {}", nearest(path))));
    }
    let index = FileIndex::scan(path)?;
    let (mut notes, mut bad) = (Notes::default(), Vec::new());
    let Some(texts) = text_files::find(&index, &mut notes)? else {
        let reason = format!(
            "no text file of an image: expected {expected}; {}; `--data folder:PATH` reads other layouts",
            nearest(&path.join("x"))
        );
        return Err(Error::file(path, reason));
    };
    let mut columns = Columns::new(Named { attributes, ..Named::default() });
    let sources = vec![text_files::read(texts, &index, &mut columns, &mut notes, &mut bad)?];
    columns.remark(&mut notes);
    sources::listing(name, Sources { index, sources, notes, bad, captionless: false }, files.filter)
}

//! The `[data]` section of a run: the data set and its parts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

use crate::cached::Cached;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::formats::celeba::CelebaConfig;
use crate::formats::celeba_dialog::CelebaDialogConfig;
use crate::formats::coco::CocoConfig;
use crate::formats::face2text_v2::Face2TextConfig;
use crate::formats::ffhq::FfhqConfig;
use crate::formats::flickr8k::Flickr8kConfig;
use crate::formats::folder::FolderConfig;
use crate::formats::lfw::LfwConfig;
use crate::formats::parquet::ParquetConfig;
use crate::formats::text_folder::{MmCelebaHqConfig, TextFilesConfig};
use crate::formats::webdataset::WebdatasetConfig;
use crate::image_files;
use crate::licences::{self, Terms};
use crate::listing::{Format, Listing, Reading};
use crate::procedural::{CaptionStyle, ProceduralFaces, Split};
use crate::splits::Splits;

/// The most images of a part of the procedural faces: the list of their pixels is allocated at once.
const MOST_IMAGES: usize = 100_000_000;

/// The kinds of data set in one argument, `KIND` or `KIND:PATH,…`: each kind and the keys of its paths.
/// A new kind is its file, its variant of [`DataConfig`] and its line here.
pub const SOURCES: [(&str, &[&str]); 13] = [
    ("procedural", &[]),
    ("folder", &["path"]),
    ("text-files", &["path"]),
    ("lfw", &["images", "captions"]),
    ("celeba", &["path"]),
    ("mm-celeba-hq", &["path"]),
    ("celeba-dialog", &["path"]),
    ("face2text", &["images", "captions"]),
    ("ffhq", &["path"]),
    ("coco", &["images", "captions"]),
    ("flickr8k", &["images", "captions"]),
    ("webdataset", &["path"]),
    ("parquet", &["path"]),
];

/// The data set. `kind = "…"` in a configuration file chooses the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DataConfig {
    /// Procedural faces, whose captions have known claims.
    Procedural(ProceduralConfig),
    /// LFW (or CelebA) images with Face2Text captions.
    Lfw(LfwConfig),
    /// A folder of images, with metadata, with text files or with neither.
    Folder(FolderConfig),
    /// CelebA with captions generated from its attributes.
    Celeba(CelebaConfig),
    /// CelebA-Dialog: captions and graded attributes.
    CelebaDialog(CelebaDialogConfig),
    /// CelebA images with Face2Text v2.1 captions.
    #[serde(rename = "face2text")]
    Face2Text(Face2TextConfig),
    /// FFHQ, without captions.
    Ffhq(FfhqConfig),
    /// COCO with captions.
    Coco(CocoConfig),
    /// Flickr8k or Flickr30k with captions.
    Flickr8k(Flickr8kConfig),
    /// A folder of images with a text file each.
    TextFiles(TextFilesConfig),
    /// MM-CelebA-HQ.
    MmCelebaHq(MmCelebaHqConfig),
    /// The tars of a WebDataset.
    Webdataset(WebdatasetConfig),
    /// Parquet files with a column of images.
    Parquet(ParquetConfig),
}

impl Default for DataConfig {
    fn default() -> Self {
        Self::Procedural(ProceduralConfig::default())
    }
}

/// The procedural faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProceduralConfig {
    /// Images in the training part. Default 20000, 2 to 10^8.
    pub train_images: usize,
    /// Images in the validation part. Default 2000, 2 to 10^8.
    pub val_images: usize,
    /// Images in each of the two test parts. Default 2000, 2 to 10^8.
    pub test_images: usize,
    /// The captions. Default `plain`.
    pub captions: CaptionStyle,
    /// The seed of the faces; equal seeds give equal faces. Default 0.
    pub seed: u64,
    /// Memory for rendered images in MiB; images beyond it are rendered again each time. Default 2048.
    pub memory_mib: usize,
}

impl Default for ProceduralConfig {
    fn default() -> Self {
        Self {
            train_images: 20_000,
            val_images: 2_000,
            test_images: 2_000,
            captions: CaptionStyle::default(),
            seed: 0,
            memory_mib: 2048,
        }
    }
}

impl DataConfig {
    /// The format of a data set of files, or the settings of the procedural faces.
    fn format(&self) -> std::result::Result<&dyn Format, &ProceduralConfig> {
        Ok(match self {
            Self::Procedural(config) => return Err(config),
            Self::Lfw(config) => config,
            Self::Folder(config) => config,
            Self::Celeba(config) => config,
            Self::CelebaDialog(config) => config,
            Self::Face2Text(config) => config,
            Self::Ffhq(config) => config,
            Self::Coco(config) => config,
            Self::Flickr8k(config) => config,
            Self::TextFiles(config) => config,
            Self::MmCelebaHq(config) => config,
            Self::Webdataset(config) => config,
            Self::Parquet(config) => config,
        })
    }

    /// Whether the images are in files; those of the procedural faces are not.
    pub fn has_files(&self) -> bool {
        self.format().is_ok()
    }

    /// The name of the kind, as in `kind = "…"`.
    pub fn kind(&self) -> String {
        let tagged = serde_json::to_value(self).ok();
        let kind = tagged.as_ref().and_then(|config| config.get("kind")?.as_str());
        kind.unwrap_or_default().to_owned()
    }

    /// The terms of the published data set that the kind reads; `None` where the images are the user's or
    /// ours.
    pub fn terms(&self) -> Option<Terms> {
        licences::terms(&self.kind())
    }

    /// The limit of memory for the images of a part, in bytes.
    pub fn memory(&self) -> usize {
        let mib = match self.format() {
            Ok(format) => format.reading().files.memory_mib,
            Err(procedural) => procedural.memory_mib,
        };
        mib.saturating_mul(1 << 20)
    }

    /// Opens the data set with images of `resolution` pixels a side and splits it. Every image is read
    /// once, from its file or from the cache.
    ///
    /// # Errors
    /// If a setting is out of range, the files are missing or have another form than the kind expects,
    /// or too many images cannot be used.
    pub fn open(&self, resolution: usize) -> Result<Splits> {
        self.open_with(resolution, image_files::open)
    }

    /// As [`open`](Self::open), without reading an image: it takes a moment, images that cannot be used
    /// are found when they are read, and fingerprints do not cover the content.
    ///
    /// # Errors
    /// As [`open`](Self::open), except for images that cannot be used.
    pub fn open_unread(&self, resolution: usize) -> Result<Splits> {
        self.open_with(resolution, image_files::open_unread)
    }

    fn open_with(
        &self,
        resolution: usize,
        open: impl Fn(Listing, usize, &Reading<'_>) -> Result<Splits>,
    ) -> Result<Splits> {
        if !(4..=1024).contains(&resolution) || !resolution.is_power_of_two() {
            let error = SettingError::new("resolution", resolution, "a power of two from 4 to 1024");
            return Err(error.into());
        }
        match self.format() {
            Ok(format) => {
                format.reading().split.check()?;
                open(format.list()?, resolution, &format.reading())
            }
            Err(procedural) => procedural.open(resolution),
        }
    }
}

impl ProceduralConfig {
    fn open(&self, resolution: usize) -> Result<Splits> {
        let sizes = [
            ("data.train_images", self.train_images),
            ("data.val_images", self.val_images),
            ("data.test_images", self.test_images),
        ];
        for (key, size) in sizes {
            if !(2..=MOST_IMAGES).contains(&size) {
                let expected = format!("at least 2 and at most {MOST_IMAGES}");
                return Err(SettingError::new(key, size, expected).into());
            }
        }
        let part = |split, images| -> Arc<dyn Dataset> {
            let faces =
                ProceduralFaces::new(split, self.seed, images, resolution).with_captions(self.captions);
            Arc::new(Cached::with_mib(Arc::new(faces), self.memory_mib))
        };
        let splits = Splits::new(
            part(Split::Train, self.train_images),
            part(Split::Val, self.val_images),
            part(Split::Test, self.test_images),
        )?;
        splits.with_test_comb(part(Split::TestComb, self.test_images))
    }
}

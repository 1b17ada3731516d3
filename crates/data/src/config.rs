//! The `[data]` section of a run: which dataset, and how it is split.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cached::Cached;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use crate::image_folder::FolderConfig;
use crate::lfw::LfwConfig;
use crate::preflight::PreflightReport;
use crate::procedural::{Factor, ProceduralFaces, Split};

/// The most images a part of the drawn faces may have: their memory is asked for at once.
const MOST_IMAGES: usize = 100_000_000;

/// Which dataset to train on. `kind = "…"` in a configuration file chooses the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DataConfig {
    /// Faces that are drawn, with captions that are known to be true.
    Procedural(ProceduralConfig),
    /// LFW (or CelebA) images with Face2Text captions.
    Lfw(LfwConfig),
    /// A folder of images with a metadata file.
    Folder(FolderConfig),
}

impl Default for DataConfig {
    fn default() -> Self {
        Self::Procedural(ProceduralConfig::default())
    }
}

/// The drawn faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProceduralConfig {
    /// Images in the training part. Default 20000, 2 to 10^8.
    pub train_images: usize,
    /// Images in the validation part. Default 2000, 2 to 10^8.
    pub val_images: usize,
    /// Images in each of the two test parts. Default 2000, 2 to 10^8.
    pub test_images: usize,
    /// What the faces are drawn from; equal seeds give equal faces. Default 0.
    pub seed: u64,
    /// Memory for images already drawn, in MiB; what does not fit is drawn anew. Default 2048.
    pub memory_mib: usize,
}

impl Default for ProceduralConfig {
    fn default() -> Self {
        Self { train_images: 20_000, val_images: 2_000, test_images: 2_000, seed: 0, memory_mib: 2048 }
    }
}

impl DataConfig {
    /// The numbers of values of the attributes that the dataset may know of its images; none where
    /// it knows nothing but pictures and texts.
    pub fn attribute_sizes(&self) -> Vec<usize> {
        match self {
            Self::Procedural(_) | Self::Folder(_) => Factor::sizes().into(),
            Self::Lfw(_) => Vec::new(),
        }
    }

    /// The bytes that images of a part may take in memory once they were read or drawn.
    pub fn memory(&self) -> usize {
        let mib = match self {
            Self::Procedural(config) => config.memory_mib,
            Self::Lfw(config) => config.memory_mib,
            Self::Folder(config) => config.memory_mib,
        };
        bytes(mib)
    }

    /// Opens the dataset with images of `resolution` pixels a side and splits it.
    ///
    /// # Errors
    /// If a setting is out of range, or the files are not there or not as the kind expects.
    pub fn open(&self, resolution: usize) -> Result<Splits> {
        if !(4..=1024).contains(&resolution) || !resolution.is_power_of_two() {
            let expected = "a power of two from 4 to 1024".into();
            return Err(Error::Setting { field: "resolution", value: resolution.to_string(), expected });
        }
        match self {
            Self::Procedural(config) => config.open(resolution),
            Self::Lfw(config) => config.open(resolution),
            Self::Folder(config) => config.open(resolution),
        }
    }
}

/// So many MiB, or all that can be counted.
pub(crate) fn bytes(mib: usize) -> usize {
    mib.saturating_mul(1 << 20)
}

impl ProceduralConfig {
    fn open(&self, resolution: usize) -> Result<Splits> {
        let sizes = [
            ("data.train_images", self.train_images),
            ("data.val_images", self.val_images),
            ("data.test_images", self.test_images),
        ];
        for (field, size) in sizes {
            if !(2..=MOST_IMAGES).contains(&size) {
                let expected = format!("at least 2 and at most {MOST_IMAGES}");
                return Err(Error::Setting { field, value: size.to_string(), expected });
            }
        }
        let part = |split, images| -> Arc<dyn Dataset> {
            let faces = ProceduralFaces::new(split, self.seed, images, resolution);
            Arc::new(Cached::new(Arc::new(faces), bytes(self.memory_mib)))
        };
        Ok(Splits {
            train: part(Split::Train, self.train_images),
            val: part(Split::Val, self.val_images),
            test: part(Split::Test, self.test_images),
            test_comb: Some(part(Split::TestComb, self.test_images)),
            report: PreflightReport {
                images: self.train_images + self.val_images + 2 * self.test_images,
                ..PreflightReport::default()
            },
        })
    }
}

//! The statistics of a set of images that distances need, with a cache on disk for real images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::class_score::ClassScore;
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::features::FeatureExtractor;
use crate::images::read_each;
use crate::kernel::{KernelDistance, SUBSETS, kernel_distance};
use crate::moments::{Moments, frechet};
use crate::neighbours::{K, Neighbourhood, neighbourhood};
use t2f_files::disk::{self, OsDisk};
use t2f_files::tensors;

/// The most feature rows that are kept; the moments are of all.
const KEPT: usize = 10_000;
/// The version of the file.
const FORMAT: u32 = 2;

/// The moments of all images, and the features of the first ten thousand.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    moments: Option<Moments>,
    kept: Vec<Tensor>,
    classes: ClassScore,
}

/// The distances between real and generated images in the features of one extractor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distances {
    /// The Fréchet distance, see [`frechet`].
    pub frechet: f64,
    /// The kernel distance, see [`kernel_distance`].
    pub kernel: KernelDistance,
    /// Precision, recall, density, coverage, see [`neighbourhood`]; `None` with too few images.
    pub neighbourhood: Option<Neighbourhood>,
    /// The Inception score of the generated images, if the features are a classifier's.
    pub inception_score: Option<Estimate>,
    /// The number of real images.
    pub real: usize,
    /// The number of generated images.
    pub generated: usize,
}

/// The record beside cached statistics: everything that they depend on.
#[derive(Serialize, Deserialize, PartialEq)]
struct Origin {
    format: u32,
    count: usize,
    data: String,
    features: String,
    features_hash: String,
    resize: String,
}

impl Statistics {
    /// Adds images.
    ///
    /// # Errors
    /// Those of the extractor.
    pub fn add(&mut self, extractor: &dyn FeatureExtractor, images: &[Image]) -> Result<()> {
        if images.is_empty() {
            return Ok(());
        }
        let features = extractor.extract(images)?;
        let batch = Moments::of(&features.rows)?;
        let before = self.count();
        match &mut self.moments {
            Some(moments) => moments.add(&batch)?,
            moments => *moments = Some(batch),
        }
        if before < KEPT {
            let rows = images.len().min(KEPT - before);
            self.kept.push(features.rows.narrow(0, 0, rows)?.to_dtype(DType::F32)?);
        }
        features.probabilities.map_or(Ok(()), |probabilities| self.classes.add(&probabilities))
    }

    /// The number of images.
    pub fn count(&self) -> usize {
        self.moments.as_ref().map_or(0, Moments::count)
    }

    /// The statistics of the first `count` images of a data set, read from `cache` if it has them and
    /// written there if not. The name of the file is a hash of the content of the data, the extractor,
    /// its resizing and the count.
    ///
    /// # Errors
    /// If an image cannot be read or has no features. A cache that cannot be read or written costs time
    /// and a `tracing` event.
    pub fn of_data(
        data: &dyn Dataset,
        count: usize,
        extractor: &dyn FeatureExtractor,
        cache: Option<&Path>,
    ) -> Result<Self> {
        let origin = Origin {
            format: FORMAT,
            count: count.min(data.len()),
            data: data.fingerprint(),
            features: extractor.name().into(),
            features_hash: extractor.hash().into(),
            resize: extractor.resize(data.resolution()).into(),
        };
        let file = cache.map(|folder| origin.file(folder)).transpose()?;
        if let Some(file) = file.as_deref().filter(|file| file.exists()) {
            match Self::load(file, &origin) {
                Ok(statistics) => return Ok(statistics),
                Err(error) => tracing::warn!("cached statistics are computed again: {error}"),
            }
        }
        let mut statistics = Self::default();
        let images: Vec<usize> = (0..origin.count).collect();
        read_each(data, &images, &mut |images| statistics.add(extractor, images))?;
        if let Some(file) = file
            && let Err(error) = statistics.save(&file, &origin)
        {
            tracing::warn!("statistics are not cached: {error}");
        }
        Ok(statistics)
    }

    /// The distances of generated images from these, which are real.
    ///
    /// # Errors
    /// If there are fewer than four images on a side.
    pub fn distances(&self, generated: &Self, key: Key) -> Result<Distances> {
        let (real, fake) = (self.kept()?, generated.kept()?);
        let (Some(first), Some(second)) = (&self.moments, &generated.moments) else {
            return Err(Error::State("distances of no images".into()));
        };
        let enough = real.dim(0)?.min(fake.dim(0)?) > K;
        Ok(Distances {
            frechet: frechet(first, second)?,
            kernel: kernel_distance(&real, &fake, SUBSETS, key)?,
            neighbourhood: enough.then(|| neighbourhood(&real, &fake, K, key)).transpose()?,
            inception_score: generated.classes.score(),
            real: self.count(),
            generated: generated.count(),
        })
    }

    /// `(N, F)`: the features that are kept.
    ///
    /// # Errors
    /// If there is no image.
    pub fn kept(&self) -> Result<Tensor> {
        if self.kept.is_empty() {
            return Err(Error::State("features of no images".into()));
        }
        Ok(Tensor::cat(&self.kept, 0)?)
    }

    fn save(&self, file: &Path, origin: &Origin) -> Result<()> {
        let Some(moments) = &self.moments else { return Ok(()) };
        let mut stored = BTreeMap::from([
            ("kept".to_owned(), self.kept()?),
            ("mean".to_owned(), moments.mean().clone()),
            ("scatter".to_owned(), moments.scatter().clone()),
        ]);
        stored.extend(self.classes.to_rows()?.map(|rows| ("classes".to_owned(), rows)));
        let json = serde_json::to_string(origin).map_err(|error| Error::file(file, error))?;
        let bytes = tensors::to_bytes(&stored, &json).map_err(|error| Error::file(file, error))?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        }
        Ok(disk::replace(&OsDisk, file, &bytes)?)
    }

    fn load(file: &Path, origin: &Origin) -> Result<Self> {
        let bytes = std::fs::read(file).map_err(|error| Error::file(file, error))?;
        let (mut stored, json) = tensors::from_bytes(&bytes).map_err(|error| Error::file(file, error))?;
        if serde_json::from_str::<Origin>(&json).ok().as_ref() != Some(origin) {
            return Err(Error::file(file, "are statistics of something else"));
        }
        let mut take =
            |name: &str| stored.remove(name).ok_or_else(|| Error::file(file, format!("has no `{name}`")));
        let moments = Moments::from_parts(origin.count, take("mean")?, take("scatter")?)?;
        let kept = vec![take("kept")?];
        let classes = stored.get("classes").map_or(Ok(ClassScore::default()), ClassScore::from_rows)?;
        Ok(Self { moments: Some(moments), kept, classes })
    }
}

impl Origin {
    fn file(&self, folder: &Path) -> Result<PathBuf> {
        let json = serde_json::to_vec(self).map_err(|error| Error::file(folder, error))?;
        Ok(folder.join(format!("statistics-{}.safetensors", &blake3::hash(&json).to_hex()[..32])))
    }
}

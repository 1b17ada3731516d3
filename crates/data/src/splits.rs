//! The parts of a data set.

use std::sync::Arc;

use t2f_ops::rng::{self, Key};

use crate::attributes::Schema;
use crate::dataset::{Dataset, check_index};
use crate::error::{Error, Result};
use crate::forward::forward_dataset;
use crate::image::Image;
use crate::preflight::PreflightReport;
use crate::split_config::SplitConfig;

/// The parts of a data set, which have one schema and one resolution and share no image and no person.
///
/// ```
/// use std::sync::Arc;
/// use t2f_data::procedural::{ProceduralFaces, Split};
/// use t2f_data::{SplitConfig, Splits};
///
/// let faces = Arc::new(ProceduralFaces::new(Split::Train, 0, 100, 16));
/// let splits = Splits::by_fraction(faces, &SplitConfig::default())?;
/// assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (80, 10, 10));
/// # Ok::<(), t2f_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Splits {
    /// The training part.
    pub train: Arc<dyn Dataset>,
    /// The validation part, for choices between models.
    pub val: Arc<dyn Dataset>,
    /// The test part, for reported results, from the distribution of `train`.
    pub test: Arc<dyn Dataset>,
    /// Combinations of attributes that `train` never shows, where the data set has them.
    pub test_comb: Option<Arc<dyn Dataset>>,
    /// The result of the check of the files.
    pub report: PreflightReport,
}

impl Splits {
    /// Three parts. `val` and `test` may be empty.
    ///
    /// # Errors
    /// If the parts differ in resolution or schema.
    pub fn new(train: Arc<dyn Dataset>, val: Arc<dyn Dataset>, test: Arc<dyn Dataset>) -> Result<Self> {
        let images = train.len() + val.len() + test.len();
        let report = PreflightReport { images, ..PreflightReport::default() };
        let splits = Self { train, val, test, test_comb: None, report };
        splits.check_alike(splits.val.as_ref(), "validation")?;
        splits.check_alike(splits.test.as_ref(), "test")?;
        Ok(splits)
    }

    /// The parts of one data set. Which image belongs to which part is drawn from `config.seed`.
    ///
    /// # Errors
    /// If the fractions are out of range.
    pub fn by_fraction(dataset: Arc<dyn Dataset>, config: &SplitConfig) -> Result<Self> {
        config.check()?;
        let len = dataset.len();
        let part = |fraction: f64| (fraction * len as f64).round() as usize;
        let (val, test) = (part(config.validation_fraction), part(config.test_fraction));
        let mut order = rng::permutation(&mut Key::new(config.seed).child("split by fraction").rng(), len);
        let mut take = |count: usize| -> Result<Arc<dyn Dataset>> {
            let mut indices = order.split_off(order.len().saturating_sub(count));
            indices.sort_unstable();
            Ok(Arc::new(Subset::new(dataset.clone(), indices)?))
        };
        let (test, val) = (take(test)?, take(val)?);
        Self::new(take(len)?, val, test)
    }

    /// The same parts with at most `images` training images, spread evenly over the training part.
    ///
    /// # Errors
    /// As [`Subset::new`].
    pub fn with_train_images(mut self, images: usize) -> Result<Self> {
        let len = self.train.len();
        if images < len {
            let indices = (0..images).map(|index| index * len / images).collect();
            self.train = Arc::new(Subset::new(self.train, indices)?);
        }
        Ok(self)
    }

    /// The same parts with a test part of unseen combinations of attributes.
    ///
    /// # Errors
    /// If it differs from the training part in resolution or schema.
    pub fn with_test_comb(mut self, test_comb: Arc<dyn Dataset>) -> Result<Self> {
        self.check_alike(test_comb.as_ref(), "test-comb")?;
        self.report.images += test_comb.len();
        self.test_comb = Some(test_comb);
        Ok(self)
    }

    /// The schema of every part.
    pub fn schema(&self) -> &Schema {
        self.train.schema()
    }

    fn check_alike(&self, part: &dyn Dataset, name: &str) -> Result<()> {
        let reason = if part.resolution() != self.train.resolution() {
            let (part, train) = (part.resolution(), self.train.resolution());
            format!(
                "the {name} part has images of {part} pixels a side, expected {train} as in the training part"
            )
        } else if part.schema() != self.schema() {
            format!("the {name} part has another schema than the training part, expected the same")
        } else {
            return Ok(());
        };
        Err(Error::Dataset { dataset: self.train.name().into(), reason })
    }

    /// Checks that the training part has two images: each is also shown with the caption of another.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn require_two(&self) -> Result<()> {
        let len = self.train.len();
        if len >= 2 {
            return Ok(());
        }
        Err(Error::Dataset {
            dataset: self.train.name().into(),
            reason: format!(
                "expected at least two captioned images to train on, since each is also shown with the caption of \
                 another, found {len}"
            ),
        })
    }

    /// Checks that the training part fills at least one batch.
    ///
    /// # Errors
    /// If it does not.
    pub fn require_batch(&self, batch: usize) -> Result<()> {
        let len = self.train.len();
        if len >= batch.max(2) {
            return Ok(());
        }
        Err(Error::Dataset {
            dataset: self.train.name().into(),
            reason: format!("{len} usable training images do not fill a batch of {batch}"),
        })
    }
}

/// Some images of another data set, in a given order.
#[derive(Debug)]
pub struct Subset {
    inner: Arc<dyn Dataset>,
    indices: Vec<usize>,
    fingerprint: String,
    earlier: Option<String>,
}

impl Subset {
    /// The images of `inner` at `indices`.
    ///
    /// # Errors
    /// If an index is out of range.
    pub fn new(inner: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self> {
        let mut hash = blake3::Hasher::new();
        hash.update(inner.fingerprint().as_bytes());
        for &index in &indices {
            hash.update(&(index as u64).to_le_bytes());
        }
        let fingerprint = format!("{}-{}", inner.name(), &hash.finalize().to_hex()[..16]);
        Self::named(inner, indices, fingerprint, None)
    }

    /// As [`new`](Self::new), with a known fingerprint, and that of version 0.1 if it differs.
    pub(crate) fn named(
        inner: Arc<dyn Dataset>,
        indices: Vec<usize>,
        fingerprint: String,
        earlier: Option<String>,
    ) -> Result<Self> {
        for &index in &indices {
            check_index(inner.as_ref(), index)?;
        }
        Ok(Self { inner, indices, fingerprint, earlier })
    }

    fn inner_index(&self, index: usize) -> Result<usize> {
        check_index(self, index)?;
        Ok(self.indices[index])
    }
}

impl Dataset for Subset {
    forward_dataset!(inner_index);
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn image(&self, index: usize) -> Result<Image> {
        self.inner.image(self.inner_index(index)?)
    }
    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
    fn earlier_fingerprint(&self) -> Option<String> {
        self.earlier.clone()
    }
}

//! The seam: what a dataset is, and the three or four parts it is split into.

use std::sync::Arc;

use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::preflight::PreflightReport;
use crate::procedural::{Attributes, Claims};

/// A text that describes an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The text as a person would have written it.
    pub text: String,
    /// What the text asserts about the procedural factors; empty where nobody knows.
    pub claims: Claims,
}

impl Caption {
    /// A caption of which only the text is known.
    pub fn unlabelled(text: impl Into<String>) -> Self {
        Self { text: text.into(), claims: Claims::default() }
    }
}

/// An image with everything that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The picture.
    pub image: Image,
    /// Its captions, at least one.
    pub captions: Vec<Caption>,
    /// The factors it was drawn from, where it was drawn.
    pub attributes: Option<Attributes>,
}

/// Images with captions, by index.
///
/// A dataset knows nothing of batches, order or networks: equal indices give equal answers for as
/// long as it lives, from any thread. [`Loader`](crate::Loader) makes batches of it.
pub trait Dataset: Send + Sync {
    /// A short name for run folders and messages, such as `procedural` or `lfw`.
    fn name(&self) -> &str;

    /// The number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The side of every image, in pixels; all are square.
    fn resolution(&self) -> usize;

    /// The picture.
    ///
    /// # Errors
    /// If the index is out of range or the picture cannot be read.
    fn image(&self, index: usize) -> Result<Image>;

    /// The captions, at least one, without reading the picture.
    ///
    /// # Errors
    /// If the index is out of range or the captions cannot be read.
    fn captions(&self, index: usize) -> Result<Vec<Caption>>;

    /// The factors the picture was drawn from, where it was drawn.
    fn attributes(&self, index: usize) -> Option<Attributes>;

    /// The image's caption number `caption` with one of its claims made false, which one and how
    /// drawn from `key`; `None` where the dataset cannot tell what is false, or found no such claim.
    ///
    /// # Errors
    /// If the index is out of range.
    fn altered(&self, _index: usize, _caption: usize, _key: Key) -> Result<Option<Caption>> {
        Ok(None)
    }

    /// Picture, captions and factors together.
    ///
    /// # Errors
    /// As for [`image`](Self::image) and [`captions`](Self::captions).
    fn get(&self, index: usize) -> Result<Example> {
        Ok(Example {
            image: self.image(index)?,
            captions: self.captions(index)?,
            attributes: self.attributes(index),
        })
    }

    /// A name for the content: equal fingerprints mean equal images and captions in equal order.
    /// A run that continues on data of another fingerprint is another run.
    fn fingerprint(&self) -> String;
}

/// The parts of a dataset, which share no person and no image.
#[derive(Clone)]
pub struct Splits {
    /// What the networks are trained on.
    pub train: Arc<dyn Dataset>,
    /// What choices are made on.
    pub val: Arc<dyn Dataset>,
    /// What is reported, from the same distribution as `train`.
    pub test: Arc<dyn Dataset>,
    /// Combinations of attributes that `train` never shows, where the dataset can say so.
    pub test_comb: Option<Arc<dyn Dataset>>,
    /// What was found when the files were checked.
    pub report: PreflightReport,
}

impl Splits {
    /// Checks that the training part has two images: each is also shown with a caption that is not
    /// its own.
    ///
    /// # Errors
    /// If it has not.
    pub fn require_two(&self) -> Result<()> {
        let len = self.train.len();
        if len >= 2 {
            return Ok(());
        }
        Err(Error::Dataset {
            dataset: self.train.name().into(),
            reason: format!(
                "two captioned images to train on are the least, since each is also shown with a caption of \
                 another; found {len}"
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

/// Some images of another dataset, in a given order.
pub struct Subset {
    inner: Arc<dyn Dataset>,
    indices: Vec<usize>,
    fingerprint: String,
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
        Self::named(inner, indices, fingerprint)
    }

    /// As [`new`](Self::new), for content whose fingerprint is known.
    pub(crate) fn named(inner: Arc<dyn Dataset>, indices: Vec<usize>, fingerprint: String) -> Result<Self> {
        for &index in &indices {
            check_index(inner.as_ref(), index)?;
        }
        Ok(Self { inner, indices, fingerprint })
    }

    fn inner_index(&self, index: usize) -> Result<usize> {
        check_index(self, index)?;
        Ok(self.indices[index])
    }
}

impl Dataset for Subset {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn resolution(&self) -> usize {
        self.inner.resolution()
    }
    fn image(&self, index: usize) -> Result<Image> {
        self.inner.image(self.inner_index(index)?)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        self.inner.captions(self.inner_index(index)?)
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.inner.attributes(*self.indices.get(index)?)
    }
    fn altered(&self, index: usize, caption: usize, key: Key) -> Result<Option<Caption>> {
        self.inner.altered(self.inner_index(index)?, caption, key)
    }
    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// `Ok` if the dataset has an image at `index`.
pub(crate) fn check_index(dataset: &dyn Dataset, index: usize) -> Result<()> {
    let len = dataset.len();
    if index < len {
        return Ok(());
    }
    Err(Error::OutOfRange { dataset: dataset.name().into(), index, len })
}

//! Batches as a pure function of a key and a position.
//!
//! The stream of a [`Loader`] is the dataset over and over: each epoch shows every image once, in
//! a permutation of its own, with one of its captions. (T2F makes one item of each caption, so
//! that an image with eight captions is shown eight times an epoch; here images weigh the same.)
//! The number of images shown so far is all there is to know to continue.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use crate::dataset::{Caption, Dataset};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::procedural::{Attributes, Claims};

/// How many captions are tried before a mismatch that is not known to be one is accepted.
const MISMATCH_TRIES: usize = 32;
/// How many images in a row may be unreadable before a batch fails.
const SUBSTITUTES: usize = 8;
/// How many epochs' orders are kept: prefetching threads meet at the border of two.
const ORDERS: usize = 2;

/// Images with a caption that is theirs and a caption that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The images' indices in the dataset.
    pub indices: Vec<usize>,
    /// The side of the images, in pixels.
    pub resolution: usize,
    /// `(B, 3, H, W)` numbers in `[-1, 1]`, in row-major order.
    pub images: Vec<f32>,
    /// A caption of each image, or what [dropping](Loader::with_dropping) left of it.
    pub captions: Vec<String>,
    /// The same captions, whole.
    pub whole: Vec<String>,
    /// A caption of some other image, or the image's own with one claim made false; in either case
    /// one that is false of this image where claims are known.
    pub mismatched: Vec<String>,
    /// What the captions claim, words that were dropped included; empty where unknown and of a caption
    /// that was dropped whole.
    pub claims: Vec<Claims>,
    /// What the images were drawn from, where they were drawn.
    pub attributes: Vec<Option<Attributes>>,
    /// How many unreadable images were replaced by the next readable one.
    pub substituted: usize,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The images as a tensor of `f32`.
    ///
    /// # Shapes
    /// Result: `(B, 3, R, R)` in `[-1, 1]`.
    ///
    /// # Errors
    /// If the device refuses the copy.
    pub fn images(&self, device: &Device) -> Result<Tensor> {
        let shape = (self.len(), 3, self.resolution, self.resolution);
        Ok(Tensor::from_slice(&self.images, shape, device)?)
    }
}

/// What is left out of captions, so that whoever learns from them also knows what to do with fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropping {
    /// The share of captions, 0 to 1, that are dropped whole: an empty caption says nothing.
    pub captions: f64,
    /// The share of words, 0 to 1, that are dropped from the others.
    pub words: f64,
}

impl Dropping {
    /// What is left of a caption; the same for the same key.
    fn of(&self, caption: &str, key: Key) -> String {
        let drops = |key: Key, share: f64| share > 0.0 && rng::unit(&mut key.rng()) < share;
        if drops(key.child("caption"), self.captions) {
            return String::new();
        }
        if self.words == 0.0 {
            return caption.to_owned();
        }
        let words = caption.split_whitespace().enumerate();
        let kept = words.filter(|(place, _)| !drops(key.child("word").at(*place as u64), self.words));
        kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    }
}

/// Makes the batches of a dataset.
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    key: Key,
    hard_negatives: f64,
    dropping: Dropping,
    orders: Mutex<Vec<(u64, Arc<Vec<usize>>)>>,
}

impl Loader {
    /// A loader whose order, choice of captions and mismatches are drawn from `key`.
    pub fn new(dataset: Arc<dyn Dataset>, key: Key) -> Self {
        Self {
            dataset,
            key,
            hard_negatives: 0.0,
            dropping: Dropping::default(),
            orders: Mutex::new(Vec::new()),
        }
    }

    /// The same loader, of whose mismatched captions a share, 0 to 1, is the image's own with one
    /// claim made false, where the dataset [can do that](Dataset::altered).
    #[must_use]
    pub fn with_hard_negatives(mut self, share: f64) -> Self {
        self.hard_negatives = share;
        self
    }

    /// The same loader, that leaves out of the images' captions what `dropping` says. Mismatched
    /// captions stay whole: what is false of an image is only false with all its words.
    #[must_use]
    pub fn with_dropping(mut self, dropping: Dropping) -> Self {
        self.dropping = dropping;
        self
    }

    /// The dataset the batches are made of.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// The `size` items of the stream that follow the first `position`.
    ///
    /// Images are averaged over boxes down to `resolution`, the dataset's own divided by a power
    /// of two. An image that cannot be read is replaced by the next of the epoch's order, with a
    /// warning, so that a file lost in the night does not end a run.
    ///
    /// # Errors
    /// If `resolution` does not fit, `size` is 0, the dataset has fewer than two images, or eight
    /// images in a row cannot be read.
    pub fn batch(&self, position: u64, size: usize, resolution: usize) -> Result<Batch> {
        self.check(size, resolution)?;
        let mut batch = Batch {
            indices: Vec::with_capacity(size),
            resolution,
            images: Vec::with_capacity(size * 3 * resolution * resolution),
            captions: Vec::with_capacity(size),
            whole: Vec::with_capacity(size),
            mismatched: Vec::with_capacity(size),
            claims: Vec::with_capacity(size),
            attributes: Vec::with_capacity(size),
            substituted: 0,
        };
        let mut chosen = Vec::with_capacity(size);
        for item in position..position + size as u64 {
            let (index, image, captions, skipped) = self.read(item)?;
            let attributes = self.dataset.attributes(index);
            let choice = rng::below(&mut self.key.child("caption").at(item).rng(), captions.len());
            chosen.push(choice);
            batch.images.extend(image.to_planes(resolution));
            let caption = captions.into_iter().nth(choice);
            let caption = caption.unwrap_or_else(|| Caption::unlabelled(""));
            batch.whole.push(caption.text);
            batch.claims.push(caption.claims);
            batch.attributes.push(attributes);
            batch.indices.push(index);
            batch.substituted += skipped;
        }
        for (at, item) in (position..position + size as u64).enumerate() {
            let text = match self.altered(item, batch.indices[at], chosen[at])? {
                Some(altered) => altered.text,
                None => match self.mismatch_within(&batch, at, item) {
                    Some(other) => batch.whole[other].clone(),
                    None => self.mismatched(item, batch.indices[at], batch.attributes[at].as_ref())?,
                },
            };
            batch.mismatched.push(text);
        }
        for (at, item) in (position..position + size as u64).enumerate() {
            let left = self.dropping.of(&batch.whole[at], self.key.child("dropping").at(item));
            if left.is_empty() {
                batch.claims[at] = Claims::default();
            }
            batch.captions.push(left);
        }
        Ok(batch)
    }

    fn check(&self, size: usize, resolution: usize) -> Result<()> {
        let full = self.dataset.resolution();
        let factor = full.checked_div(resolution).unwrap_or(0);
        if factor == 0 || !full.is_multiple_of(resolution) || !factor.is_power_of_two() {
            return Err(Error::Setting {
                field: "resolution",
                value: resolution.to_string(),
                expected: format!("{full} divided by a power of two"),
            });
        }
        if size == 0 {
            let expected = "at least 1 image".into();
            return Err(Error::Setting { field: "batch size", value: "0".into(), expected });
        }
        if self.dataset.len() < 2 {
            return Err(Error::Dataset {
                dataset: self.dataset.name().into(),
                reason: "fewer than two images: there is no caption of another image".into(),
            });
        }
        Ok(())
    }

    /// The image of an item of the stream, or of the first readable item that follows it.
    fn read(&self, item: u64) -> Result<(usize, Image, Vec<Caption>, usize)> {
        let len = self.dataset.len();
        let order = self.order(item / len as u64);
        let mut skipped = 0;
        loop {
            let index = order[((item % len as u64) as usize + skipped) % len];
            let read = self.dataset.image(index).and_then(|image| {
                let captions = self.dataset.captions(index)?;
                if captions.is_empty() {
                    let (dataset, reason) =
                        (self.dataset.name().into(), format!("image {index} has no caption"));
                    return Err(Error::Dataset { dataset, reason });
                }
                Ok((image, captions))
            });
            match read {
                Ok((image, captions)) => return Ok((index, image, captions, skipped)),
                Err(error) if skipped < SUBSTITUTES.min(len - 1) => {
                    tracing::warn!(index, %error, "unreadable image replaced by the next one");
                    skipped += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The order of an epoch: drawn from the key and the epoch alone, kept because it is long.
    fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(of, _)| *of == epoch) {
            return order.clone();
        }
        let mut stream = self.key.child("order").at(epoch).rng();
        let order = Arc::new(rng::permutation(&mut stream, self.dataset.len()));
        if orders.len() == ORDERS {
            orders.remove(0);
        }
        orders.push((epoch, order.clone()));
        order
    }

    /// The image's own caption with a false claim, for the share of images that get one.
    fn altered(&self, item: u64, index: usize, caption: usize) -> Result<Option<Caption>> {
        let key = self.key.child("hard negative").at(item);
        let drawn = key.child("whether").rng().next_u32();
        if f64::from(drawn) >= self.hard_negatives * 2f64.powi(32) {
            return Ok(None);
        }
        self.dataset.altered(index, caption, key.child("which"))
    }

    /// The place in the batch of a caption that is a mismatch of another image's: of an image that
    /// is not the same, and false where claims are known. Such a caption is encoded anyway, so it
    /// costs nothing.
    fn mismatch_within(&self, batch: &Batch, at: usize, item: u64) -> Option<usize> {
        let mut stream = self.key.child("mismatch").at(item).rng();
        let start = rng::below(&mut stream, batch.len());
        let mut others = (0..batch.len()).map(|i| (start + i) % batch.len());
        let differs = |&other: &usize| {
            let distinct = batch.indices[other] != batch.indices[at] && batch.whole[other] != batch.whole[at];
            let attributes = batch.attributes[at].as_ref();
            distinct && attributes.is_none_or(|attributes| batch.claims[other].contradicts(attributes))
        };
        others.find(differs)
    }

    /// A caption of another image that does not describe this one, from the whole dataset.
    ///
    /// Where claims and factors are known, one that contradicts the factors is looked for; failing
    /// that, and everywhere else, one whose text is not among the image's own captions.
    fn mismatched(&self, item: u64, index: usize, attributes: Option<&Attributes>) -> Result<String> {
        let own = self.dataset.captions(index)?;
        let mut stream = self.key.child("mismatch of the dataset").at(item).rng();
        let mut fallback = None;
        for _ in 0..MISMATCH_TRIES {
            let caption = self.caption_of_another(&mut stream, index)?;
            if own.iter().any(|sibling| sibling.text == caption.text) {
                fallback.get_or_insert((false, caption.text));
                continue;
            }
            match attributes {
                Some(attributes) if !caption.claims.contradicts(attributes) => {
                    if !matches!(fallback, Some((true, _))) {
                        fallback = Some((true, caption.text));
                    }
                }
                _ => return Ok(caption.text),
            }
        }
        Ok(fallback.map(|(_, text)| text).unwrap_or_default())
    }

    fn caption_of_another(&self, stream: &mut impl Rng, index: usize) -> Result<Caption> {
        let other = rng::below(stream, self.dataset.len() - 1);
        let mut captions = self.dataset.captions(other + usize::from(other >= index))?;
        if captions.is_empty() {
            return Ok(Caption::unlabelled(""));
        }
        Ok(captions.swap_remove(rng::below(stream, captions.len())))
    }
}

//! Batches as a pure function of a key and a position.
//!
//! The stream of a [`Loader`] repeats the data set: each epoch shows every image once, in a
//! permutation of its own, with one of its captions. T2F makes one item of each caption, so that an
//! image with eight captions is shown eight times in an epoch; here every image has the same weight.
//! The position in the stream is the whole state.

use std::sync::{Arc, Mutex, PoisonError};

use rand_core::Rng;
use t2f_ops::rng::{self, Key};
use t2f_ops::setting::SettingError;

use crate::attributes::{Attributes, Claims};
use crate::batch::{Batch, Item};
use crate::dataset::{Caption, Dataset};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::loader_config::{CaptionDropout, LoaderConfig};

/// The number of captions that are tried before one that may be true of the image is accepted.
const MISMATCH_TRIES: usize = 32;
/// The number of successive unreadable images that a batch replaces before it fails.
const SUBSTITUTES: usize = 8;
/// The number of epochs whose orders are kept: prefetching threads work on two at their border.
const ORDERS: usize = 2;

/// Makes the batches of a data set.
#[derive(Debug)]
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    key: Key,
    hard_negatives: f64,
    dropout: CaptionDropout,
    texts: usize,
    orders: Mutex<Vec<(u64, Arc<Vec<usize>>)>>,
}

impl Loader {
    /// A loader without dropout and hard negatives. Order, captions and mismatches are drawn from
    /// `key`.
    pub fn new(dataset: Arc<dyn Dataset>, key: Key) -> Self {
        Self {
            dataset,
            key,
            hard_negatives: 0.0,
            dropout: CaptionDropout::default(),
            texts: 0,
            orders: Mutex::new(Vec::new()),
        }
    }

    /// A loader with the settings of a configuration.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn from_config(dataset: Arc<dyn Dataset>, config: &LoaderConfig, key: Key) -> Result<Self> {
        config.check()?;
        let loader = Self::new(dataset, key).with_hard_negatives(config.hard_negatives);
        Ok(loader.with_caption_dropout(config.dropout()).with_texts(config.texts))
    }

    /// The same loader with a share, 0 to 1, of hard negatives among the mismatched captions, where
    /// the data set [makes them](Dataset::hard_negative).
    #[must_use]
    pub fn with_hard_negatives(mut self, share: f64) -> Self {
        self.hard_negatives = share;
        self
    }

    /// The same loader with dropout of captions and words. Mismatched captions keep all words: a
    /// caption without its false words may be true.
    #[must_use]
    pub fn with_caption_dropout(mut self, dropout: CaptionDropout) -> Self {
        self.dropout = dropout;
        self
    }

    /// The same loader with this number of captions without images beside each batch.
    #[must_use]
    pub fn with_texts(mut self, texts: usize) -> Self {
        self.texts = texts;
        self
    }

    /// The data set of the batches.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// The `size` items of the stream that follow the first `position`.
    ///
    /// Images are averaged over boxes down to `resolution`, which is that of the data set divided by
    /// a power of two. The next image of the epoch replaces an unreadable one, with a warning, so
    /// that a lost file does not end a run.
    ///
    /// # Errors
    /// If `resolution` does not fit, `size` is 0, the data set has fewer than two images, or eight
    /// images in a row cannot be read.
    pub fn batch(&self, position: u64, size: usize, resolution: usize) -> Result<Batch> {
        self.check(size, resolution)?;
        let mut items: Vec<Item> = Vec::with_capacity(size);
        let mut pixels = Vec::with_capacity(size * 3 * resolution * resolution);
        let mut chosen = Vec::with_capacity(size);
        let mut substituted = 0;
        for place in position..position + size as u64 {
            let (index, image, captions, skipped) = self.read(place)?;
            let choice = rng::below(&mut self.key.child("caption").at(place).rng(), captions.len());
            chosen.push(choice);
            pixels.extend(image.to_planes(resolution));
            items.push(self.item(index, captions, choice));
            substituted += skipped;
        }
        // Without captions there is none of another image.
        let captioned = if self.dataset.has_captions() { size } else { 0 };
        for (at, place) in (position..position + captioned as u64).enumerate() {
            let index = items[at].index;
            items[at].mismatched = match self.hard_negative(place, index, chosen[at])? {
                Some(negative) => negative.text,
                None => match self.mismatch_within(&items, at, place) {
                    Some(other) => items[other].full_caption.clone(),
                    None => self.mismatched(place, index, items[at].attributes.as_ref())?,
                },
            };
        }
        for (item, place) in items.iter_mut().zip(position..) {
            self.drop_words(item, self.key.child("dropping").at(place));
        }
        let texts = self.texts(position)?;
        let schema = self.dataset.schema().clone();
        Ok(Batch { items, texts, pixels, schema, resolution, substituted })
    }

    /// A caption of an image, still without its dropout.
    fn item(&self, index: usize, captions: Vec<Caption>, choice: usize) -> Item {
        let caption = captions.into_iter().nth(choice).unwrap_or_else(|| Caption::unlabelled(""));
        Item {
            index,
            caption: String::new(),
            full_caption: caption.text,
            mismatched: String::new(),
            claims: caption.claims,
            attributes: self.dataset.attributes(index),
        }
    }

    /// Applies dropout to a caption. An empty caption has no claims.
    fn drop_words(&self, item: &mut Item, key: Key) {
        item.caption = self.dropout.apply(&item.full_caption, key);
        if item.caption.is_empty() {
            item.claims = Claims::default();
        }
    }

    /// The captions without images of the batch at a position, each of an image drawn from all.
    ///
    /// # Errors
    /// If captions cannot be read.
    pub fn texts(&self, position: u64) -> Result<Vec<Item>> {
        let key = self.key.child("texts").at(position);
        let text = |number: usize| {
            let key = key.at(number as u64);
            let mut stream = key.rng();
            let index = rng::below(&mut stream, self.dataset.len());
            let captions = self.dataset.captions(index)?;
            let choice = rng::below(&mut stream, captions.len().max(1));
            let mut item = self.item(index, captions, choice);
            self.drop_words(&mut item, key.child("dropping"));
            Ok(item)
        };
        (0..self.texts).map(text).collect()
    }

    fn check(&self, size: usize, resolution: usize) -> Result<()> {
        let full = self.dataset.resolution();
        let factor = full.checked_div(resolution).unwrap_or(0);
        if factor == 0 || !full.is_multiple_of(resolution) || !factor.is_power_of_two() {
            let expected = format!("{full} divided by a power of two");
            return Err(SettingError::new("resolution", resolution, expected).into());
        }
        if size == 0 {
            return Err(SettingError::new("batch size", 0, "at least 1 image").into());
        }
        if self.dataset.len() < 2 {
            return Err(Error::Dataset {
                dataset: self.dataset.name().into(),
                reason: "fewer than two images: there is no caption of another image".into(),
            });
        }
        Ok(())
    }

    /// The image at a place in the stream, or the first readable image after it.
    fn read(&self, place: u64) -> Result<(usize, Image, Vec<Caption>, usize)> {
        let len = self.dataset.len();
        let order = self.order(place / len as u64);
        let mut skipped = 0;
        loop {
            let index = order[((place % len as u64) as usize + skipped) % len];
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

    /// The order of an epoch, drawn from the key and the epoch alone.
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

    /// A hard negative, for the share of images that get one.
    fn hard_negative(&self, place: u64, index: usize, caption: usize) -> Result<Option<Caption>> {
        let key = self.key.child("hard negative").at(place);
        let drawn = key.child("whether").rng().next_u32();
        if f64::from(drawn) >= self.hard_negatives * 2f64.powi(32) {
            return Ok(None);
        }
        self.dataset.hard_negative(index, caption, key.child("which"))
    }

    /// The position in the batch of a mismatched caption: it belongs to another image, and is false
    /// of this one where claims are known. The batch encodes it anyway, so that it costs nothing.
    fn mismatch_within(&self, items: &[Item], at: usize, place: u64) -> Option<usize> {
        let mut stream = self.key.child("mismatch").at(place).rng();
        let start = rng::below(&mut stream, items.len());
        let mut others = (0..items.len()).map(|i| (start + i) % items.len());
        let own = &items[at];
        let differs = |&other: &usize| {
            let other = &items[other];
            let distinct = other.index != own.index && other.full_caption != own.full_caption;
            distinct && may_be_false(&other.claims, own.attributes.as_ref())
        };
        others.find(differs)
    }

    /// A caption of another image of the whole data set that does not describe this one.
    ///
    /// Where claims and attributes are known, a caption that contradicts the attributes is searched
    /// for; otherwise, and if there is none, a caption whose text is not one of the image's own.
    fn mismatched(&self, place: u64, index: usize, attributes: Option<&Attributes>) -> Result<String> {
        let own = self.dataset.captions(index)?;
        let mut stream = self.key.child("mismatch of the dataset").at(place).rng();
        let mut fallback = None;
        for _ in 0..MISMATCH_TRIES {
            let caption = self.caption_of_another(&mut stream, index)?;
            if own.iter().any(|sibling| sibling.text == caption.text) {
                fallback.get_or_insert((false, caption.text));
                continue;
            }
            if may_be_false(&caption.claims, attributes) {
                return Ok(caption.text);
            }
            if !matches!(fallback, Some((true, _))) {
                fallback = Some((true, caption.text));
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

/// Whether a caption with these claims can be taken for false of an image: a claim contradicts the
/// attributes, or claims or attributes are not known.
fn may_be_false(claims: &Claims, attributes: Option<&Attributes>) -> bool {
    claims.is_empty() || attributes.is_none_or(|attributes| claims.contradicts(attributes))
}

//! The extension point of this crate: images, captions and attributes by index.

use std::fmt;
use std::path::Path;

use t2f_ops::rng::{self, Key};

use crate::attributes::{Attributes, Claims, Schema};
use crate::error::{Error, Result};
use crate::image::Image;

/// The most images whose pixels enter the default fingerprint.
const FINGERPRINT_IMAGES: usize = 256;

/// A text that describes an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The text.
    pub text: String,
    /// The assertions of the text in the terms of the data set's schema; empty where unknown.
    pub claims: Claims,
}

impl Caption {
    /// A caption with its claims.
    pub fn new(text: impl Into<String>, claims: Claims) -> Self {
        Self { text: text.into(), claims }
    }

    /// A caption without known claims.
    pub fn unlabelled(text: impl Into<String>) -> Self {
        Self::new(text, Claims::default())
    }
}

/// An image with its captions and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The image.
    pub image: Image,
    /// Its captions, at least one.
    pub captions: Vec<Caption>,
    /// Its attributes, where known.
    pub attributes: Option<Attributes>,
}

/// A caption before and after a change of one claim, with the attributes of an image that each is
/// true of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionEdit {
    /// The position of the edited attribute.
    pub attribute: usize,
    /// The caption and the attributes before the edit.
    pub before: (Caption, Attributes),
    /// The caption and the attributes after the edit.
    pub after: (Caption, Attributes),
}

/// Images with captions, by index.
///
/// Four methods are required. Images and captions are enough to train; [`schema`](Self::schema),
/// [`attributes`](Self::attributes) and the claims of captions add the attribute classifier, the
/// attribute prior and attribute agreement; the other methods add hard negatives and further
/// metrics. A data set knows nothing of batches, order or networks: equal indices give equal answers
/// on every thread. [`Loader`](crate::Loader) makes batches.
///
/// ```
/// use t2f_data::attributes::{Attribute, Attributes, Claims, Observation, Schema};
/// use t2f_data::{Caption, Dataset, Image, Result};
///
/// /// Plain squares in two colours.
/// struct Squares {
///     schema: Schema,
/// }
///
/// impl Dataset for Squares {
///     fn len(&self) -> usize {
///         100
///     }
///     fn resolution(&self) -> usize {
///         8
///     }
///     fn image(&self, index: usize) -> Result<Image> {
///         let colour = if index % 2 == 0 { [255, 0, 0] } else { [0, 0, 255] };
///         Ok(Image::filled(8, 8, colour))
///     }
///     fn captions(&self, index: usize) -> Result<Vec<Caption>> {
///         let mut claims = Claims::default();
///         claims.add(0, &[index % 2]);
///         let colour = &self.schema.values(0)[index % 2];
///         Ok(vec![Caption::new(format!("a {colour} square"), claims)])
///     }
///     fn schema(&self) -> &Schema {
///         &self.schema
///     }
///     fn attributes(&self, index: usize) -> Option<Attributes> {
///         Some(Attributes::new([Observation::Value((index % 2) as u8)]))
///     }
/// }
///
/// let squares = Squares { schema: Schema::new(vec![Attribute::new("colour", ["red", "blue"])])? };
/// let example = squares.get(1)?;
/// assert_eq!(example.captions[0].text, "a blue square");
/// assert!(example.captions[0].claims.holds(&example.attributes.unwrap()));
/// # Ok::<(), t2f_data::Error>(())
/// ```
pub trait Dataset: Send + Sync {
    /// The number of images.
    fn len(&self) -> usize;

    /// The side of every image in pixels, a power of two. All images are square.
    fn resolution(&self) -> usize;

    /// The image at an index.
    ///
    /// # Errors
    /// If the index is out of range or the image cannot be read.
    fn image(&self, index: usize) -> Result<Image>;

    /// The captions of an image, at least one. The image is not read.
    ///
    /// # Errors
    /// If the index is out of range or the captions cannot be read.
    fn captions(&self, index: usize) -> Result<Vec<Caption>>;

    /// A short name for run folders and messages, such as `procedural`. Default `custom`.
    fn name(&self) -> &str {
        "custom"
    }

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The attributes that the data set knows. Default none.
    fn schema(&self) -> &Schema {
        Schema::empty()
    }

    /// The attributes of an image, in the order of the schema. Default `None`: not known.
    fn attributes(&self, _index: usize) -> Option<Attributes> {
        None
    }

    /// Whether the images have captions. Default true. A data set without captions gives every image one
    /// empty caption, and a run trains without the losses that compare captions.
    fn has_captions(&self) -> bool {
        true
    }

    /// The path of an image under the root of its data set, with forward slashes. Default `None`: the
    /// image has no file.
    fn file_name(&self, _index: usize) -> Option<&str> {
        None
    }

    /// The file of an image. Default `None`: the image has no file of its own.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// The bytes of the encoded images at these indices, as their files have them. Default `None`: the
    /// images have no files.
    ///
    /// # Errors
    /// If an index is out of range or a file cannot be read.
    fn encoded(&self, _indices: &[usize]) -> Result<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    /// The person of an image, where known: no group lies in two parts that the data set draws. Default
    /// `None`.
    fn group(&self, _index: usize) -> Option<&str> {
        None
    }

    /// A hard negative: caption number `caption` of the image with one claim made false. `key`
    /// decides which. Default `None`: the data set cannot make one.
    ///
    /// # Errors
    /// If the index is out of range.
    fn hard_negative(&self, _index: usize, _caption: usize, _key: Key) -> Result<Option<Caption>> {
        Ok(None)
    }

    /// A caption of the image's attributes, and the same caption after `attribute` takes the value
    /// `value`. Everything else is drawn from `key` and equal on both sides. Default `None`.
    ///
    /// # Errors
    /// If the index is out of range, or the schema has no such attribute or value.
    fn edit(
        &self,
        _index: usize,
        _attribute: usize,
        _value: usize,
        _key: Key,
    ) -> Result<Option<CaptionEdit>> {
        Ok(None)
    }

    /// Two captions of the image that make the same claims in different words; `key` decides which.
    /// By default two of its captions whose claims are equal and not empty, `None` if there are none.
    ///
    /// # Errors
    /// As for [`captions`](Self::captions).
    fn paraphrase(&self, index: usize, key: Key) -> Result<Option<[Caption; 2]>> {
        captions_with_equal_claims(&self.captions(index)?, key)
    }

    /// An image with these attributes, everything else drawn from `key`. Default `None`: the data
    /// set has photographs and cannot make one.
    ///
    /// # Errors
    /// If the attributes do not fit the schema.
    fn render(&self, _attributes: &Attributes, _key: Key) -> Result<Option<Image>> {
        Ok(None)
    }

    /// The attributes that a change of `attribute` can hide or rule out. An edit of `attribute` may
    /// change them. Default none.
    fn dependents(&self, _attribute: usize) -> Vec<usize> {
        Vec::new()
    }

    /// The pairs of (attribute, value) that the training part never shows together. Default none.
    fn held_out_pairs(&self) -> Vec<[(usize, usize); 2]> {
        Vec::new()
    }

    /// The image, its captions and its attributes.
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

    /// A name for the content: equal fingerprints mean equal images and captions in equal order. A
    /// run does not resume on data with another fingerprint.
    ///
    /// By default a hash of name, resolution and schema, of all captions, claims and attributes, and
    /// of the pixels of at most 256 images at equal distances. A data set that knows its version
    /// gives a cheaper one.
    fn fingerprint(&self) -> String {
        let mut hash = blake3::Hasher::new();
        let mut add = |text: &dyn fmt::Debug| {
            hash.update(format!("{text:?}\0").as_bytes());
        };
        add(&(self.name(), self.len(), self.resolution(), self.schema()));
        let stride = self.len().div_ceil(FINGERPRINT_IMAGES).max(1);
        for index in 0..self.len() {
            add(&(self.captions(index).ok(), self.attributes(index)));
            if index.is_multiple_of(stride) {
                add(&self.image(index).ok().map(|image| blake3::hash(&image.pixels)));
            }
        }
        format!("{}-{}", self.name(), &hash.finalize().to_hex()[..16])
    }

    /// The fingerprint that version 0.1 gave the same content, if it differs: a run of that version
    /// resumes on data with it.
    fn earlier_fingerprint(&self) -> Option<String> {
        None
    }
}

impl fmt::Debug for dyn Dataset + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("name", &self.name())
            .field("len", &self.len())
            .field("resolution", &self.resolution())
            .finish_non_exhaustive()
    }
}

/// Two captions whose claims are equal and not empty and whose texts differ; `key` decides which.
pub(crate) fn captions_with_equal_claims(captions: &[Caption], key: Key) -> Result<Option<[Caption; 2]>> {
    let mut pairs = Vec::new();
    for (at, one) in captions.iter().enumerate().filter(|(_, one)| !one.claims.is_empty()) {
        let others = captions[at + 1..].iter();
        pairs.extend(others.filter(|o| o.claims == one.claims && o.text != one.text).map(|o| [one, o]));
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let [one, other] = pairs[rng::below(&mut key.rng(), pairs.len())];
    Ok(Some([one.clone(), other.clone()]))
}

/// `Ok` if the data set has an image at `index`.
pub(crate) fn check_index(dataset: &dyn Dataset, index: usize) -> Result<()> {
    let len = dataset.len();
    if index < len {
        return Ok(());
    }
    Err(Error::OutOfRange { dataset: dataset.name().into(), index, len })
}

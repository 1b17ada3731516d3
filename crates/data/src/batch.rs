//! A batch: items and pixels.

use candle_core::{Device, Tensor};

use crate::attributes::{Attributes, Claims, Schema};
use crate::error::Result;

/// The captions and attributes of one image of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The index of the image in the data set.
    pub index: usize,
    /// A caption of the image after [dropout](crate::CaptionDropout).
    pub caption: String,
    /// The same caption before dropout.
    pub full_caption: String,
    /// A caption that is not the image's: of another image, or a hard negative. False of this image
    /// where claims are known.
    pub mismatched: String,
    /// The claims of `full_caption`, those of dropped words included; empty where unknown, and where
    /// the caption was dropped whole.
    pub claims: Claims,
    /// The attributes of the image, where known.
    pub attributes: Option<Attributes>,
}

/// Images with a caption and a mismatched caption each.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One item for each image.
    pub items: Vec<Item>,
    /// Captions without their images, `loader.texts` of them; `mismatched` is empty.
    pub texts: Vec<Item>,
    /// The pixels of all images, `(B, 3, R, R)` in row-major order, in `[-1, 1]`.
    pub pixels: Vec<f32>,
    /// The schema of attributes and claims.
    pub schema: Schema,
    /// The side of the images in pixels.
    pub resolution: usize,
    /// The number of unreadable images that were replaced by the next readable one.
    pub substituted: usize,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The captions after dropout.
    pub fn captions(&self) -> Vec<String> {
        self.items.iter().map(|item| item.caption.clone()).collect()
    }

    /// The captions before dropout.
    pub fn full_captions(&self) -> Vec<String> {
        self.items.iter().map(|item| item.full_caption.clone()).collect()
    }

    /// The mismatched captions.
    pub fn mismatched(&self) -> Vec<String> {
        self.items.iter().map(|item| item.mismatched.clone()).collect()
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
        Ok(Tensor::from_slice(&self.pixels, shape, device)?)
    }
}

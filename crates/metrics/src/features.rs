//! Feature extractors: the representation of images in which their distributions are compared.

use candle_core::{Device, Tensor};
use t2f_data::Image;

use crate::error::{Error, Result};
use crate::images::to_tensor;
use crate::oracle::Oracle;
use crate::resize::pil_bicubic;

/// The features of images.
#[derive(Clone, Debug)]
pub struct Features {
    /// `(B, F)`
    pub rows: Tensor,
    /// `(B, K)`, rows that sum to 1, if the extractor is a classifier.
    pub probabilities: Option<Tensor>,
}

/// A network that gives features of images.
///
/// Images have eight bits a channel and any size; the extractor resizes them and names its filter.
pub trait FeatureExtractor {
    /// A short name, which becomes part of a metric's: `oracle`, `inception`.
    fn name(&self) -> &str;

    /// A hash that distinguishes extractors of one name, in hexadecimal.
    fn hash(&self) -> &str;

    /// The filter that resizes images of `from` pixels a side; `none` if they are not resized.
    fn resize(&self, from: usize) -> &str;

    /// The features of images.
    ///
    /// # Errors
    /// If there is no image, one is not square, or the device fails.
    fn extract(&self, images: &[Image]) -> Result<Features>;
}

/// The features of an oracle, which need no download. Distances in them cannot be compared with FID or
/// KID on Inception. Images whose side is a power of two times the oracle's are averaged over boxes,
/// others are resized by Pillow's bicubic filter.
#[derive(Debug)]
pub struct OracleFeatures<'a> {
    oracle: &'a Oracle,
}

impl<'a> OracleFeatures<'a> {
    /// The features of an oracle.
    pub fn new(oracle: &'a Oracle) -> Self {
        Self { oracle }
    }
}

impl FeatureExtractor for OracleFeatures<'_> {
    fn name(&self) -> &str {
        "oracle"
    }
    fn hash(&self) -> &str {
        self.oracle.hash()
    }
    fn resize(&self, from: usize) -> &str {
        match self.oracle.halvings(from) {
            Some(0) => "none",
            Some(_) => "box",
            None => "pil-bicubic",
        }
    }
    fn extract(&self, images: &[Image]) -> Result<Features> {
        let fits = |image: &Image| image.width == image.height && self.oracle.halvings(image.width).is_some();
        let images = if images.iter().all(fits) {
            to_tensor(images)?
        } else {
            let side = self.oracle.record().resolution;
            planes(images, side, pil_bicubic)?.affine(1.0 / 127.5, -1.0)?
        };
        Ok(Features { rows: self.oracle.features(&images)?, probabilities: None })
    }
}

/// Images resized to one size by a filter.
///
/// # Shapes
/// The result is `(B, 3, side, side)` in `[0, 255]`.
///
/// # Errors
/// If there is no image, or one is not square.
pub(crate) fn planes(images: &[Image], side: usize, resize: fn(&Image, usize) -> Vec<f32>) -> Result<Tensor> {
    use rayon::prelude::*;
    if let Some(image) = images.iter().find(|image| image.width != image.height || image.width == 0) {
        return Err(Error::State(format!(
            "an image of {} by {} pixels, expected a square one",
            image.width, image.height
        )));
    }
    let values: Vec<Vec<f32>> = images.par_iter().map(|image| resize(image, side)).collect();
    Ok(Tensor::from_vec(values.concat(), (images.len(), 3, side, side), &Device::Cpu)?)
}

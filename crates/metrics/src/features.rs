//! The seam between pictures and the metrics that compare distributions: feature extractors.

use candle_core::{Device, Tensor};
use t2f_data::Image;

use crate::error::{Error, Result};
use crate::oracle::Oracle;
use crate::resize::pil_bicubic;
use crate::sample::to_tensor;

/// What an extractor makes of pictures.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `(B, F)`
    pub features: Tensor,
    /// `(B, K)`, rows that sum to 1, where the extractor is a classifier of pictures.
    pub probabilities: Option<Tensor>,
}

/// Turns pictures into features in which distributions of pictures are compared.
///
/// Pictures are eight-bit ones, as they are in a PNG, of any size: the extractor resizes, and says how.
pub trait FeatureExtractor {
    /// A short name, which becomes part of a metric's: `oracle`, `inception`.
    fn name(&self) -> &str;

    /// What tells extractors of one name apart, in hexadecimal.
    fn hash(&self) -> &str;

    /// The filter that pictures of a side of `from` pixels are resized with; `none` where the
    /// extractor looks at that size.
    fn resize(&self, from: usize) -> &str;

    /// Looks at pictures.
    ///
    /// # Errors
    /// If there is none, one is not square, or the device fails.
    fn look(&self, images: &[Image]) -> Result<Seen>;
}

/// The features of the classifier of drawn faces, which need no download. They are about drawn
/// faces: distances in them cannot be compared with FID or KID on Inception. Pictures whose side is a
/// power of two times the oracle's are averaged over boxes, others resized by Pillow's filter.
pub struct OracleFeatures<'a> {
    oracle: &'a Oracle,
    hash: String,
}

impl<'a> OracleFeatures<'a> {
    /// The features of an oracle. Its hash is that of the record of how it was trained and how
    /// often it is right.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn new(oracle: &'a Oracle) -> Result<Self> {
        let record = serde_json::to_vec(oracle.record()).map_err(|error| Error::State(error.to_string()))?;
        Ok(Self { oracle, hash: blake3::hash(&record).to_hex().to_string() })
    }

    /// How often the oracle itself halves pictures of a side; `None` where that does not lead to
    /// the side that it was trained at.
    fn halvings(&self, side: usize) -> Option<u32> {
        let own = self.oracle.record().resolution;
        let times = (side / own).checked_ilog2()?;
        (own << times == side).then_some(times)
    }
}

impl FeatureExtractor for OracleFeatures<'_> {
    fn name(&self) -> &str {
        "oracle"
    }
    fn hash(&self) -> &str {
        &self.hash
    }
    fn resize(&self, from: usize) -> &str {
        match self.halvings(from) {
            Some(0) => "none",
            Some(_) => "box",
            None => "pil-bicubic",
        }
    }
    fn look(&self, images: &[Image]) -> Result<Seen> {
        let fits = |image: &Image| image.width == image.height && self.halvings(image.width).is_some();
        let pictures = if images.iter().all(fits) {
            to_tensor(images)?
        } else {
            let side = self.oracle.record().resolution;
            planes(images, side, pil_bicubic)?.affine(1.0 / 127.5, -1.0)?
        };
        Ok(Seen { features: self.oracle.features(&pictures)?, probabilities: None })
    }
}

/// Pictures brought to one size by a filter.
///
/// # Shapes
/// The result is `(B, 3, side, side)` in `[0, 255]`.
///
/// # Errors
/// If there is none, or one is not square.
pub(super) fn planes(images: &[Image], side: usize, resize: fn(&Image, usize) -> Vec<f32>) -> Result<Tensor> {
    use rayon::prelude::*;
    if let Some(image) = images.iter().find(|image| image.width != image.height || image.width == 0) {
        return Err(Error::State(format!(
            "a picture of {} by {} pixels, expected a square one",
            image.width, image.height
        )));
    }
    let values: Vec<Vec<f32>> = images.par_iter().map(|image| resize(image, side)).collect();
    Ok(Tensor::from_vec(values.concat(), (images.len(), 3, side, side), &Device::Cpu)?)
}

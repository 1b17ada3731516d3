//! The discriminator's trait: images and conditions to scores.

use candle_core::Tensor;

use crate::error::Result;
use crate::growth::Growth;

/// Scores images under conditions, in two parts, so that one pass over an image serves several
/// texts and every [`Objective`](crate::Objective) that reads features.
pub trait Discriminator: Send + Sync + std::fmt::Debug {
    /// All that does not depend on the condition, minibatch statistics included.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`; result: `(B, H, W, C)` with C the
    /// [`feature_channels`](Self::feature_channels).
    ///
    /// # Errors
    /// If `at` is out of range, or the images are not of its resolution.
    fn features(&self, images: &Tensor, at: Growth) -> Result<Tensor>;

    /// One score for each image under its condition: higher is more real and fits better; unbounded.
    ///
    /// # Shapes
    /// `features`: as [`features`](Self::features) returned them; `condition`: `(B, E + P)`, the
    /// embedding and, with an attribute prior, the attribute code; result: `(B)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor>;

    /// C, the channels of [`features`](Self::features).
    fn feature_channels(&self) -> usize;

    /// Both parts at once.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`, `condition`: `(B, E + P)`; result: `(B)`.
    ///
    /// # Errors
    /// Those of the parts.
    fn forward(&self, images: &Tensor, condition: &Tensor, at: Growth) -> Result<Tensor> {
        self.score(&self.features(images, at)?, condition)
    }
}

/// The sizes that a discriminator is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscriminatorShape {
    /// E + P: the embedding and the attribute code together.
    pub condition_size: usize,
    /// Feature maps at each level, from 4x4 upwards.
    pub channels: Vec<usize>,
}

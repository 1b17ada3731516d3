//! The discriminator's trait: images and conditions to scores.

use candle_core::{DType, Tensor};

use crate::error::Result;
use crate::growth::Growth;

/// Scores images under conditions, in two parts, so that one pass over an image serves several
/// texts and every [`Objective`](crate::Objective) of features.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use t2f_gan::{Discriminator, Growth, Result};
///
/// /// `score = <W, mean colour> + <V, condition>`.
/// #[derive(Debug)]
/// struct MeanColour {
///     image: Tensor, // (3, 1)
///     text: Tensor,  // (E + P, 1)
/// }
///
/// impl Discriminator for MeanColour {
///     fn features(&self, images: &Tensor, _at: Growth) -> Result<Tensor> {
///         Ok(images.mean_keepdim((2, 3))?.permute((0, 2, 3, 1))?) // (B, 1, 1, 3)
///     }
///     fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor> {
///         let image = features.flatten_from(1)?.matmul(&self.image)?;
///         Ok(image.add(&condition.matmul(&self.text)?)?.squeeze(1)?)
///     }
///     fn feature_channels(&self) -> usize {
///         3
///     }
/// }
///
/// let zeros = |rows| Tensor::zeros((rows, 1), DType::F32, &Device::Cpu);
/// let discriminator = MeanColour { image: zeros(3)?, text: zeros(2)? };
/// let images = Tensor::zeros((4, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let condition = Tensor::zeros((4, 2), DType::F32, &Device::Cpu)?;
/// assert_eq!(discriminator.forward(&images, &condition, Growth::stable(1))?.dims(), [4]);
/// # t2f_gan::Result::Ok(())
/// ```
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use t2f_gan::{Discriminator, Growth, Result};
///
/// /// Scores the mean colour, and its product with the condition.
/// #[derive(Debug)]
/// struct MeanColour(Tensor); // (E, 3)
///
/// impl Discriminator for MeanColour {
///     fn features(&self, images: &Tensor, _at: Growth) -> Result<Tensor> {
///         Ok(images.mean((2, 3))?.reshape(((), 1, 1, 3))?)
///     }
///     fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor> {
///         let colours = features.flatten_from(1)?; // (B, 3)
///         Ok(colours.mul(&condition.matmul(&self.0)?)?.add(&colours)?.sum(1)?)
///     }
///     fn feature_channels(&self) -> usize {
///         3
///     }
/// }
///
/// let d = MeanColour(Tensor::zeros((5, 3), DType::F32, &Device::Cpu)?);
/// let images = Tensor::ones((2, 3, 4, 4), DType::F32, &Device::Cpu)?;
/// let condition = Tensor::zeros((2, 5), DType::F32, &Device::Cpu)?;
/// let scores = d.forward(&images, &condition, Growth { level: 0, alpha: 1.0 })?;
/// assert_eq!(scores.to_vec1::<f32>()?, [3.0, 3.0]);
/// # t2f_gan::Result::Ok(())
/// ```
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

    /// Features and score at once.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`, `condition`: `(B, E + P)`; result: `(B)`.
    ///
    /// # Errors
    /// Those of [`features`](Self::features) and [`score`](Self::score).
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
    /// The element type of the feature maps: that of the parameters, or `BF16` between parameters of `F32`.
    /// Images, [features](Discriminator::features) and scores are of the parameters' type in either case. A
    /// custom discriminator may ignore it.
    pub features: DType,
}

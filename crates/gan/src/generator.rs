//! The generator's trait: latents to images.

use candle_core::{DType, Tensor};

use crate::error::Result;
use crate::growth::Growth;

/// A generator that grows level by level.
///
/// Its latent is the text code, the noise, with an attribute prior the attribute code, and with
/// `gan.noise_inputs` the noise maps, side by side. A generator of one resolution ignores `at.alpha` and reports one level.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use t2f_gan::{Generator, Growth, Result};
///
/// /// One linear layer to 4x4 pixels.
/// #[derive(Debug)]
/// struct Linear(Tensor); // (L, 3·4·4)
///
/// impl Generator for Linear {
///     fn forward(&self, latent: &Tensor, _at: Growth) -> Result<Tensor> {
///         Ok(latent.matmul(&self.0)?.reshape(((), 3, 4, 4))?.tanh()?)
///     }
///     fn latent_size(&self) -> usize {
///         self.0.dims()[0]
///     }
///     fn max_level(&self) -> usize {
///         0
///     }
/// }
///
/// let generator = Linear(Tensor::zeros((5, 48), DType::F32, &Device::Cpu)?);
/// let latent = Tensor::zeros((2, 5), DType::F32, &Device::Cpu)?;
/// let images = generator.forward(&latent, Growth { level: 0, alpha: 1.0 })?;
/// assert_eq!(images.dims(), [2, 3, 4, 4]);
/// # t2f_gan::Result::Ok(())
/// ```
pub trait Generator: Send + Sync + std::fmt::Debug {
    /// Generates an image for each latent, at a level and a state of its fade-in.
    ///
    /// # Shapes
    /// `latent`: `(B, L)`; result: `(B, 3, R, R)`, about `[-1, 1]` (nothing clips it).
    ///
    /// # Errors
    /// If the latent has another size or `at` is out of range.
    fn forward(&self, latent: &Tensor, at: Growth) -> Result<Tensor>;

    /// L, the size of a latent.
    fn latent_size(&self) -> usize;

    /// The level of the largest images: 0 for 4x4, one more for each doubling.
    fn max_level(&self) -> usize;
}

/// The sizes that a generator is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorShape {
    /// L: text code, noise, attribute code and noise maps together.
    pub latent_size: usize,
    /// Feature maps at each level, from 4x4 upwards.
    pub channels: Vec<usize>,
    /// The element type of the feature maps: that of the parameters, or `BF16` between parameters of `F32`.
    /// Latents and images are of the parameters' type in either case. A custom generator may ignore it.
    pub features: DType,
}

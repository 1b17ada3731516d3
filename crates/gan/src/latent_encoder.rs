//! The latent encoder: an image's noise, inferred (the approximate posterior of VAE-GAN,
//! arXiv:1512.09300).

use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::conditioning::divergence;
use crate::error::{Result, check_argument};
use crate::image_encoder::ImageEncoder;
use crate::linear::Linear;

/// `noise = mu + sigma · epsilon`, with `mu` and `ln sigma²` linear in the features of an
/// [`ImageEncoder`].
#[derive(Debug)]
pub struct LatentEncoder {
    encoder: ImageEncoder,
    linear: Linear,
    noise_size: usize,
}

/// A sample of the posterior of images' noise.
#[derive(Clone, Debug)]
pub struct EncodedLatent {
    /// The images, `(B, 3, R, R)`.
    pub images: Tensor,
    /// `mu + sigma · epsilon`, `(B, N)`.
    pub noise: Tensor,
    /// The divergence of `N(mu, sigma²)` from `N(0, 1)`, summed over N and averaged over the images: a
    /// scalar, in nats.
    pub kl: Tensor,
}

impl LatentEncoder {
    /// Asks `vb` for the [`ImageEncoder`]'s parameters under `reader`, and `linear.{weight,bias}`.
    /// `noise_size` is N, the size of the noise beside the text code.
    ///
    /// # Errors
    /// If there is no noise, a number of channels is out of range, or a parameter is missing.
    pub fn new(channels: &[usize], noise_size: usize, vb: &VarBuilder) -> Result<Self> {
        check_argument(noise_size > 0, "noise for a reconstruction", 0, "a code_size below latent_size")?;
        let encoder = ImageEncoder::new(channels, &vb.pp("reader"))?;
        let linear = Linear::new(encoder.outputs(), 2 * noise_size, &vb.pp("linear"))?;
        Ok(Self { encoder, linear, noise_size })
    }

    /// Infers the noise of each image.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`, see [`ImageEncoder::features`]; `epsilon`: `(B, N)`,
    /// standard normal.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn encode(&self, images: &Tensor, epsilon: &Tensor) -> Result<EncodedLatent> {
        let both = self.linear.forward(&self.encoder.features(images)?)?; // (B, 2N)
        let mu = both.narrow(1, 0, self.noise_size)?;
        let log_variance = both.narrow(1, self.noise_size, self.noise_size)?;
        let noise = mu.add(&log_variance.affine(0.5, 0.0)?.exp()?.mul(epsilon)?)?;
        let nats = divergence(&mu, &log_variance.exp()?, &log_variance)?;
        Ok(EncodedLatent { images: images.clone(), noise, kl: nats.sum(1)?.mean_all()? })
    }
}

//! Images of the data drawn again: a variational autoencoder around the generator, beside the
//! adversarial game (VAE-GAN, arXiv:1512.09300; with a condition, BicycleGAN's first half,
//! arXiv:1711.11586 §3.2).
//!
//! What a text, or a plan, leaves open of an image the generator is given as noise. Here an encoder
//! reads off an image the noise that it might have been drawn from, and the generator is asked for
//! that image, pixel by pixel. A discriminator says of a beard that it is none; the image says where
//! each hair of it belongs, from the first step on.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::attributes::Linear;
use crate::conditioning::divergence;
use crate::error::{Result, check, check_not_negative};
use crate::image_encoder::ImageEncoder;
use crate::loss::LossTerms;

/// How images are drawn again, see [`crate::reconstruction`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconstructionConfig {
    /// Weight of the mean absolute difference between an image of the data, in `[-1, 1]`, and what is
    /// drawn again; 0 leaves the encoder out. Default 0; at least 0.
    pub weight: f64,
    /// Weight of the divergence of the encoder's noise from standard normal noise, in nats an image.
    /// Default 0.01; at least 0.
    pub kl_weight: f64,
    /// Channels of the encoder, a [`ImageEncoder`]. Default `[48, 64, 64]`, which sees 32x32.
    pub encoder: Vec<usize>,
}

impl Default for ReconstructionConfig {
    fn default() -> Self {
        Self { weight: 0.0, kl_weight: 0.01, encoder: vec![48, 64, 64] }
    }
}

impl ReconstructionConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        check_not_negative("gan.reconstruction.weight", self.weight)?;
        check_not_negative("gan.reconstruction.kl_weight", self.kl_weight)?;
        ImageEncoder::check("gan.reconstruction.encoder", &self.encoder)
    }
}

/// `noise = mu + sigma · epsilon`, with `mu` and `ln sigma²` linear in what a [`ImageEncoder`] sees of an
/// image.
pub struct LatentEncoder {
    reader: ImageEncoder,
    linear: Linear,
    noise_size: usize,
    config: ReconstructionConfig,
}

/// Noise that images might have been drawn from.
#[derive(Clone, Debug)]
pub struct EncodedLatent {
    /// The images, `(B, 3, R, R)`.
    pub images: Tensor,
    /// `mu + sigma · epsilon`, `(B, Z)`.
    pub noise: Tensor,
    /// The divergence of `N(mu, sigma²)` from `N(0, 1)`, summed over Z and averaged over the images: a
    /// scalar, in nats.
    pub kl: Tensor,
}

impl LatentEncoder {
    /// Asks `vb` for the [`ImageEncoder`]'s parameters under `reader`, and `linear.{weight,bias}`; none if the
    /// weight is 0. `noise_size` is Z, the noise that the generator is given beside the code.
    ///
    /// # Errors
    /// If a number is out of range, there is no noise, or a parameter cannot be had.
    pub fn new(config: &ReconstructionConfig, noise_size: usize, vb: &VarBuilder) -> Result<Option<Self>> {
        config.check()?;
        if config.weight == 0.0 {
            return Ok(None);
        }
        check(noise_size > 0, "noise for a reconstruction", 0, "a code_size below latent_size")?;
        let reader = ImageEncoder::new(&config.encoder, &vb.pp("reader"))?;
        let linear = Linear::new(reader.outputs(), 2 * noise_size, &vb.pp("linear"))?;
        Ok(Some(Self { reader, linear, noise_size, config: config.clone() }))
    }

    /// Noise for each image.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`, see [`ImageEncoder::features`]; `epsilon`: `(B, Z)`, standard
    /// normal.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn encode(&self, images: &Tensor, epsilon: &Tensor) -> Result<EncodedLatent> {
        let both = self.linear.forward(&self.reader.features(images)?)?; // (B, 2Z)
        let mu = both.narrow(1, 0, self.noise_size)?;
        let log_variance = both.narrow(1, self.noise_size, self.noise_size)?;
        let noise = mu.add(&log_variance.affine(0.5, 0.0)?.exp()?.mul(epsilon)?)?;
        let nats = divergence(&mu, &log_variance.exp()?, &log_variance)?;
        Ok(EncodedLatent { images: images.clone(), noise, kl: nats.sum(1)?.mean_all()? })
    }

    /// The generator's and the encoder's loss: `reconstruction`, the weighted mean of `|drawn - images|`,
    /// and `noise`, the weighted divergence.
    ///
    /// # Shapes
    /// `drawn`: `(B, 3, R, R)` or more, of which the first B were drawn from the encoded noise.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn loss(&self, drawn: &Tensor, encoded: &EncodedLatent) -> Result<LossTerms> {
        let drawn = drawn.narrow(0, 0, encoded.images.dim(0)?)?;
        let off = drawn.sub(&encoded.images)?.abs()?.mean_all()?;
        let mut parts = LossTerms::one("reconstruction", off.affine(self.config.weight, 0.0)?);
        parts.push("noise", encoded.kl.affine(self.config.kl_weight, 0.0)?);
        Ok(parts)
    }
}

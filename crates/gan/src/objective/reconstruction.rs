//! Reconstruction of real images from inferred latents: the VAE half of VAE-GAN (arXiv:1512.09300, §3)
//! and of BicycleGAN (arXiv:1711.11586, §3.2).
//!
//! A latent encoder infers the noise of the first half of the real images (an approximate posterior).
//! The generator is asked to reproduce these images, pixel by pixel, from that noise and their texts.
//! A discriminator only says that a beard is wrong; a reconstruction loss says where each pixel of it
//! belongs, from the first step.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use t2f_ops::scheduled::Scheduled;

use super::interface::{GeneratorInputs, Objective, ObjectiveContext};
use crate::error::{Result, check_not_negative, check_scheduled};
use crate::image_encoder::ImageEncoder;
use crate::latent_encoder::{EncodedLatent, LatentEncoder};
use crate::loss::LossTerms;

/// The reconstruction of real images, `[loss.reconstruction]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconstructionConfig {
    /// Weight of the mean absolute difference between a real image, in `[-1, 1]`, and its
    /// reconstruction; it may change over the run. 0 throughout leaves the latent encoder out. Default 0; at
    /// least 0.
    pub weight: Scheduled,
    /// Weight of the divergence of the inferred noise from standard normal noise, in nats an image.
    /// Default 0.01; at least 0.
    pub kl_weight: f64,
    /// Channels of the latent encoder's [`ImageEncoder`]. Default `[48, 64, 64]`, which takes 32x32.
    pub encoder: Vec<usize>,
}

impl Default for ReconstructionConfig {
    fn default() -> Self {
        Self { weight: 0.0.into(), kl_weight: 0.01, encoder: vec![48, 64, 64] }
    }
}

impl ReconstructionConfig {
    /// Whether images are reconstructed at some time of the run.
    pub fn is_on(&self) -> bool {
        self.weight.largest() > 0.0
    }

    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        check_scheduled("loss.reconstruction.weight", self.weight)?;
        check_not_negative("loss.reconstruction.kl_weight", self.kl_weight)?;
        ImageEncoder::check("loss.reconstruction.encoder", &self.encoder)
    }
}

/// The terms `reconstruction`, the weighted mean of `|G(z) - x|`, and `noise`, the weighted divergence.
#[derive(Debug)]
pub struct Reconstruction {
    encoder: LatentEncoder,
    config: ReconstructionConfig,
}

impl Reconstruction {
    /// Takes the parameters `encoder.…` of the generator's side.
    ///
    /// # Errors
    /// If the configuration is not valid, there is no noise, or a parameter is missing.
    pub fn new(config: &ReconstructionConfig, context: &ObjectiveContext<'_>) -> Result<Self> {
        config.check()?;
        let encoder = LatentEncoder::new(&config.encoder, context.noise_size, &context.g.pp("encoder"))?;
        Ok(Self { encoder, config: config.clone() })
    }
}

impl Objective for Reconstruction {
    fn name(&self) -> &str {
        "reconstruction"
    }

    fn infer(&self, real: &Tensor, noise: &Tensor) -> Result<Option<EncodedLatent>> {
        let half = real.dim(0)?.div_ceil(2);
        Ok(Some(self.encoder.encode(&real.narrow(0, 0, half)?, &noise.narrow(0, 0, half)?)?))
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let Some(inferred) = inputs.inferred else { return Ok(LossTerms::default()) };
        let reconstructed = inputs.fake.narrow(0, 0, inferred.images.dim(0)?)?;
        let difference = reconstructed.sub(&inferred.images)?.abs()?.mean_all()?;
        let weight = self.config.weight.at(inputs.progress);
        let mut terms = LossTerms::one("reconstruction", difference.affine(weight, 0.0)?);
        terms.push("noise", inferred.kl.affine(self.config.kl_weight, 0.0)?);
        Ok(terms)
    }
}

//! Penalties on the discriminator's gradient with respect to images.
//!
//! All are per image: the norm runs over every value of one image (T2F's ran over the channels of
//! each pixel). The value holds the graph of a first derivative, so that the training step's gradient of
//! it is a second derivative.

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use t2f_ops::grad::input_gradient;
use t2f_ops::rng;
use t2f_ops::scheduled::Scheduled;

use super::adversarial::{AdversarialLoss, DiscriminatorBatch, Scores};
use super::terms::LossTerms;
use crate::discriminator::Discriminator;
use crate::error::{Result, check, check_not_negative, check_scheduled};

/// `E (‖∇ D(x̂)‖ - 1)²` at images `x̂ = u·real + (1 - u)·fake`, `u` uniform in `[0, 1)` for each,
/// under their own texts: WGAN-GP (arXiv:1704.00028, §4).
///
/// # Shapes
/// The result is a scalar.
///
/// # Errors
/// Those of the discriminator and its differentiation.
pub fn gradient_penalty(d: &dyn Discriminator, batch: &DiscriminatorBatch<'_>) -> Result<Tensor> {
    let (real, fake) = (batch.real, batch.fake);
    let key = batch.key.child("interpolation");
    let u = rng::uniform(key, (real.dim(0)?, 1, 1, 1), real.dtype(), real.device())?;
    let mixed = fake.add(&real.sub(fake)?.broadcast_mul(&u)?)?;
    let squares = squared_gradients(d, &mixed, batch)?;
    // A tiny number under the root keeps its derivative finite where the gradient vanishes.
    let norms = squares.affine(1.0, 1e-12)?.sqrt()?;
    Ok(norms.affine(1.0, -1.0)?.sqr()?.mean_all()?)
}

/// `E ‖∇ D(x)‖²` at images `x` under their own texts, real for R1 (Mescheder et al., arXiv:1801.04406, §4.1) or
/// generated for R2, without their `gamma / 2`.
///
/// # Shapes
/// `images`: `(B, 3, R, R)`; the result is a scalar.
///
/// # Errors
/// Those of the discriminator and its differentiation.
pub fn squared_gradient(
    d: &dyn Discriminator,
    batch: &DiscriminatorBatch<'_>,
    images: &Tensor,
) -> Result<Tensor> {
    Ok(squared_gradients(d, images, batch)?.mean_all()?)
}

/// `E (D(x + sigma·n) - D(x))² / sigma²`, `n` standard normal: the expectation over `n` is
/// [`squared_gradient`] up to order `sigma²`, and no second derivative is needed (approximate R1 and R2,
/// arXiv:2501.08316, §3.3).
///
/// # Shapes
/// `images`: `(B, 3, R, R)`, with their `scores`: `(B)`; the result is a scalar.
///
/// # Errors
/// Those of the discriminator.
pub fn approximate_squared_gradient(
    d: &dyn Discriminator,
    batch: &DiscriminatorBatch<'_>,
    images: &Tensor,
    scores: &Tensor,
    sigma: f64,
) -> Result<Tensor> {
    let key = batch.key.child("perturbation");
    let noise = rng::normal(key, images.shape(), images.dtype(), images.device())?;
    let perturbed = images.add(&noise.affine(sigma, 0.0)?)?;
    let change = d.forward(&perturbed, batch.condition, batch.at)?.sub(scores)?;
    Ok(change.sqr()?.mean_all()?.affine(1.0 / (sigma * sigma), 0.0)?)
}

/// `‖∇ D(x)‖²` for each image, `(B)`.
fn squared_gradients(
    d: &dyn Discriminator,
    images: &Tensor,
    batch: &DiscriminatorBatch<'_>,
) -> Result<Tensor> {
    let images = Var::from_tensor(&images.detach())?;
    let score = d.forward(images.as_tensor(), batch.condition, batch.at)?;
    Ok(input_gradient(&score, &images)?.sqr()?.flatten_from(1)?.sum(1)?)
}

/// The penalty R1 or R2, `[loss.adversarial.r1]` and `[loss.adversarial.r2]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PenaltyConfig {
    /// Weight, which may change over the run; 0 leaves the penalty out. Default 0, but 10 for R1 of
    /// `logistic`; at least 0.
    pub gamma: Scheduled,
    /// Steps from one computation of the penalty to the next; its weight is multiplied by the interval.
    /// Default 16; at least 1.
    pub interval: u64,
    /// Noise (in units of an image's `[-1, 1]`) of the approximate penalty that needs no second derivative;
    /// 0 is the exact one. Default 0; useful 0.01 to 0.1.
    pub sigma: f64,
}

impl Default for PenaltyConfig {
    fn default() -> Self {
        Self { gamma: 0.0.into(), interval: 16, sigma: 0.0 }
    }
}

/// R1 or R2 with weight `gamma / 2`, every `interval` steps with `interval` times the weight: the lazy
/// regularisation of StyleGAN2 (arXiv:1912.04958, §3.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Penalty(PenaltyConfig);

impl Penalty {
    /// Without a penalty where `gamma` is 0; exact where `sigma` is 0, else approximate. `section` is that of
    /// the settings, for errors.
    ///
    /// # Errors
    /// If gamma or sigma is negative or not finite, or the interval is 0.
    pub fn new(section: &str, config: PenaltyConfig) -> Result<Self> {
        check_scheduled(&format!("{section}.gamma"), config.gamma)?;
        check_not_negative(&format!("{section}.sigma"), config.sigma)?;
        check(config.interval > 0, &format!("{section}.interval"), config.interval, "at least 1")?;
        Ok(Self(config))
    }

    /// The weighted penalty at `images` with their `scores`, in the steps that have one.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`; `scores`: `(B)`; the result is a scalar.
    ///
    /// # Errors
    /// Those of the discriminator and its differentiation.
    pub fn at(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        images: &Tensor,
        scores: &Tensor,
    ) -> Result<Option<Tensor>> {
        let PenaltyConfig { gamma, interval, sigma } = self.0;
        let gamma = gamma.at(batch.progress);
        if gamma == 0.0 || !batch.step.is_multiple_of(interval) {
            return Ok(None);
        }
        let value = match sigma > 0.0 {
            true => approximate_squared_gradient(d, batch, images, scores, sigma)?,
            false => squared_gradient(d, batch, images)?,
        };
        Ok(Some(value.affine(0.5 * gamma * interval as f64, 0.0)?))
    }
}

/// A loss with R1 and R2 beside its own penalties: the terms `penalty` for R1, or `r1` where the loss has a
/// `penalty`, and `r2`.
#[derive(Debug)]
pub(super) struct Penalised {
    pub loss: Box<dyn AdversarialLoss>,
    pub r1: Penalty,
    pub r2: Penalty,
}

impl AdversarialLoss for Penalised {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        self.loss.discriminator_terms(scores)
    }

    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms> {
        self.loss.generator_terms(fake, real)
    }

    fn penalties(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        scores: &Scores,
    ) -> Result<LossTerms> {
        let mut terms = self.loss.penalties(d, batch, scores)?;
        if let Some(r1) = self.r1.at(d, batch, batch.real, &scores.real)? {
            let name = if terms.get("penalty").is_some() { "r1" } else { "penalty" };
            terms.push(name, r1);
        }
        if let Some(r2) = self.r2.at(d, batch, batch.fake, &scores.fake)? {
            terms.push("r2", r2);
        }
        Ok(terms)
    }

    fn needs_reals_for_generator(&self) -> bool {
        self.loss.needs_reals_for_generator()
    }

    fn signs(&self, scores: &Scores) -> Result<Tensor> {
        self.loss.signs(scores)
    }
}

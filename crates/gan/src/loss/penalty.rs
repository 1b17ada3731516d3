//! Penalties on the discriminator's gradient with respect to images.
//!
//! All are per image: the norm runs over every value of one image (T2F's ran over the channels of
//! each pixel). The value holds the graph of a first derivative, so that the training step's gradient of
//! it is a second derivative.

use candle_core::{Tensor, Var};
use t2f_ops::grad::input_gradient;
use t2f_ops::rng;

use super::adversarial::{AdversarialLoss, DiscriminatorBatch, Scores};
use super::terms::LossTerms;
use crate::discriminator::Discriminator;
use crate::error::{Result, check, check_not_negative};

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

/// `E ‖∇ D(x)‖²` at the real images: R1 of Mescheder et al. (arXiv:1801.04406, §4.1), without its
/// `gamma / 2`.
///
/// # Shapes
/// The result is a scalar.
///
/// # Errors
/// Those of the discriminator and its differentiation.
pub fn squared_gradient(d: &dyn Discriminator, batch: &DiscriminatorBatch<'_>) -> Result<Tensor> {
    Ok(squared_gradients(d, batch.real, batch)?.mean_all()?)
}

/// `E (D(x + sigma·n) - D(x))² / sigma²`, `n` standard normal: the expectation over `n` is
/// [`squared_gradient`] up to order `sigma²`, and no second derivative is needed (approximate R1,
/// arXiv:2501.08316).
///
/// # Shapes
/// `real_scores`: `(B)`; the result is a scalar.
///
/// # Errors
/// Those of the discriminator.
pub fn approximate_squared_gradient(
    d: &dyn Discriminator,
    batch: &DiscriminatorBatch<'_>,
    real_scores: &Tensor,
    sigma: f64,
) -> Result<Tensor> {
    let real = batch.real;
    let noise = rng::normal(batch.key.child("perturbation"), real.shape(), real.dtype(), real.device())?;
    let perturbed = real.add(&noise.affine(sigma, 0.0)?)?;
    let change = d.forward(&perturbed, batch.condition, batch.at)?.sub(real_scores)?;
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

/// R1 with weight `gamma / 2`, every `interval` steps with `interval` times the weight: the lazy
/// regularisation of StyleGAN2 (arXiv:1912.04958, §3.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct R1 {
    gamma: f64,
    interval: u64,
    sigma: f64,
}

impl R1 {
    /// Without a penalty where `gamma` is 0; exact where `sigma` is 0, else approximate.
    ///
    /// # Errors
    /// If gamma or sigma is negative or not finite, or the interval is 0.
    pub fn new(gamma: f64, interval: u64, sigma: f64) -> Result<Self> {
        check_not_negative("loss.adversarial.r1.gamma", gamma)?;
        check_not_negative("loss.adversarial.r1.sigma", sigma)?;
        check(interval > 0, "loss.adversarial.r1.interval", interval, "at least 1")?;
        Ok(Self { gamma, interval, sigma })
    }

    /// The weighted penalty, in the steps that have one.
    ///
    /// # Shapes
    /// The result is a scalar.
    ///
    /// # Errors
    /// Those of the discriminator and its differentiation.
    pub fn penalty(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        scores: &Scores,
    ) -> Result<Option<Tensor>> {
        if self.gamma == 0.0 || !batch.step.is_multiple_of(self.interval) {
            return Ok(None);
        }
        let value = if self.sigma > 0.0 {
            approximate_squared_gradient(d, batch, &scores.real, self.sigma)?
        } else {
            squared_gradient(d, batch)?
        };
        Ok(Some(value.affine(0.5 * self.gamma * self.interval as f64, 0.0)?))
    }
}

/// A loss with R1 beside its own penalties: the term `penalty`, or `r1` where the loss has a `penalty`.
#[derive(Debug)]
pub(super) struct WithR1 {
    pub loss: Box<dyn AdversarialLoss>,
    pub r1: R1,
}

impl AdversarialLoss for WithR1 {
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
        if let Some(r1) = self.r1.penalty(d, batch, scores)? {
            let name = if terms.get("penalty").is_some() { "r1" } else { "penalty" };
            terms.push(name, r1);
        }
        Ok(terms)
    }

    fn needs_reals_for_generator(&self) -> bool {
        self.loss.needs_reals_for_generator()
    }
}

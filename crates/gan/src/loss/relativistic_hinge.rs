//! Relativistic average hinge loss.

use candle_core::Tensor;

use super::adversarial::{AdversarialLoss, Scores};
use super::terms::LossTerms;
use crate::error::{Error, Result};

/// `D: E relu(1 - (r - E n)) + E relu(1 + (f - E r))`,
/// `G: E relu(1 + (r - E f)) + E relu(1 - (f - E r))`: RaHinge of arXiv:1807.00734.
///
/// `E n` is `E f`; when matching-aware, `½ E f + ½ E m`, the mean of all negative scores, one half of
/// which are the mismatches `m`.
#[derive(Clone, Copy, Debug)]
pub struct RelativisticHinge;

impl AdversarialLoss for RelativisticHinge {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        let real_mean = scores.real.mean_all()?;
        let mut negative_mean = scores.fake.mean_all()?;
        if let Some(mismatched) = &scores.mismatched {
            negative_mean = negative_mean.add(&mismatched.mean_all()?)?.affine(0.5, 0.0)?;
        }
        scores.weighted(|r| hinge(&negative_mean, r), |f| hinge(f, &real_mean))
    }

    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms> {
        let Some(real) = real else {
            return Err(Error::Missing { loss: "relativistic-hinge", needed: "the scores of real images" });
        };
        let above_fakes = hinge(real, &fake.mean_all()?)?.mean_all()?;
        let below_reals = hinge(&real.mean_all()?, fake)?.mean_all()?;
        Ok(LossTerms::one("adversarial", above_fakes.add(&below_reals)?))
    }

    fn needs_reals_for_generator(&self) -> bool {
        true
    }
}

/// `relu(1 + (low - high))`: zero where `high` is above `low` by 1.
fn hinge(low: &Tensor, high: &Tensor) -> candle_core::Result<Tensor> {
    low.broadcast_sub(high)?.affine(1.0, 1.0)?.relu()
}

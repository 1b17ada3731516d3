//! Non-saturating logistic loss.

use candle_core::Tensor;
use t2f_ops::softplus;

use super::adversarial::{AdversarialLoss, Scores};
use super::terms::LossTerms;
use crate::error::Result;

/// `D: E softplus(-r) + E softplus(f)`, `G: E softplus(-f)`: the original GAN's non-saturating
/// form (arXiv:1406.2661, §3) on logits; with R1 it is StyleGAN2's.
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

impl AdversarialLoss for Logistic {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        scores.weighted(|r| softplus(&r.neg()?), softplus)
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", softplus(&fake.neg()?)?.mean_all()?))
    }
}

//! Non-saturating logistic loss.

use candle_core::Tensor;
use t2f_ops::activation::softplus;

use super::penalty::R1;
use super::{AdversarialLoss, DiscriminatorBatch, LossTerms, Scores};
use crate::discriminator::Discriminator;
use crate::error::Result;

/// `D: E softplus(-r) + E softplus(f)`, `G: E softplus(-f)`: the original GAN's non-saturating
/// form (arXiv:1406.2661, §3) on logits, with R1.
#[derive(Clone, Copy, Debug)]
pub struct Logistic {
    /// The penalty beside it.
    pub r1: R1,
    /// Whether wrong texts count as fakes.
    pub matching_aware: bool,
}

impl AdversarialLoss for Logistic {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        LossTerms::weighted(scores, |r| softplus(&r.neg()?), softplus)
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", softplus(&fake.neg()?)?.mean_all()?))
    }

    fn penalties(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        scores: &Scores,
    ) -> Result<LossTerms> {
        self.r1.part(d, batch, scores)
    }

    fn needs_mismatched(&self) -> bool {
        self.matching_aware
    }
}

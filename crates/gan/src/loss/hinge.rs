//! Hinge loss.

use candle_core::Tensor;

use super::penalty::R1;
use super::{AdversarialLoss, DiscriminatorBatch, LossTerms, Scores};
use crate::discriminator::Discriminator;
use crate::error::Result;

/// `D: E relu(1 - r) + E relu(1 + f)`, `G: -E f`: SAGAN (arXiv:1805.08318).
#[derive(Clone, Copy, Debug)]
pub struct Hinge {
    /// The penalty beside it.
    pub r1: R1,
    /// Whether wrong texts count as fakes.
    pub matching_aware: bool,
}

impl AdversarialLoss for Hinge {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        LossTerms::weighted(scores, |r| r.affine(-1.0, 1.0)?.relu(), |f| f.affine(1.0, 1.0)?.relu())
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", fake.mean_all()?.neg()?))
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

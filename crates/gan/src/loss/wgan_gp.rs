//! Wasserstein loss with gradient penalty and drift.

use candle_core::Tensor;

use super::adversarial::{AdversarialLoss, DiscriminatorBatch, Scores};
use super::penalty::gradient_penalty;
use super::terms::LossTerms;
use crate::discriminator::Discriminator;
use crate::error::Result;

/// `D: E f - E r + drift·E r² + lambda·E (‖∇‖ - 1)²`, `G: -E f`: arXiv:1704.00028 with ProGAN's
/// drift (appendix A.1). The penalty is taken under the matching texts.
#[derive(Clone, Copy, Debug)]
pub struct WganGp {
    /// Weight of the gradient penalty.
    pub lambda: f64,
    /// Weight of the squared real scores.
    pub drift: f64,
}

impl AdversarialLoss for WganGp {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        let mut terms = scores.weighted(|r| r.neg(), |f| Ok(f.clone()))?;
        terms.push("drift", scores.real.sqr()?.mean_all()?.affine(self.drift, 0.0)?);
        Ok(terms)
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", fake.mean_all()?.neg()?))
    }

    fn penalties(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        _: &Scores,
    ) -> Result<LossTerms> {
        if self.lambda == 0.0 {
            return Ok(LossTerms::default());
        }
        Ok(LossTerms::one("penalty", gradient_penalty(d, batch)?.affine(self.lambda, 0.0)?))
    }
}

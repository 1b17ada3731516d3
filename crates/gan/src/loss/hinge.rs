//! Hinge loss.

use candle_core::Tensor;

use super::adversarial::{AdversarialLoss, Scores};
use super::terms::LossTerms;
use crate::error::Result;

/// `D: E relu(1 - r) + E relu(1 + f)`, `G: -E f`: SAGAN (arXiv:1805.08318).
#[derive(Clone, Copy, Debug)]
pub struct Hinge;

impl AdversarialLoss for Hinge {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        scores.weighted(|r| r.affine(-1.0, 1.0)?.relu(), |f| f.affine(1.0, 1.0)?.relu())
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", fake.mean_all()?.neg()?))
    }
}

//! Least-squares loss.

use candle_core::Tensor;

use super::adversarial::{AdversarialLoss, Scores};
use super::terms::LossTerms;
use crate::error::Result;

/// `D: ½ E (r - 1)² + ½ E f²`, `G: ½ E (f - 1)²`: arXiv:1611.04076, with targets 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct Lsgan;

impl AdversarialLoss for Lsgan {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        scores.weighted(|r| half_square(&r.affine(1.0, -1.0)?), half_square)
    }

    fn generator_terms(&self, fake: &Tensor, _: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", half_square(&fake.affine(1.0, -1.0)?)?.mean_all()?))
    }
}

fn half_square(x: &Tensor) -> candle_core::Result<Tensor> {
    x.sqr()?.affine(0.5, 0.0)
}

//! Relativistic pairing loss.

use candle_core::Tensor;
use t2f_ops::softplus;

use super::adversarial::{AdversarialLoss, Scores};
use super::terms::LossTerms;
use crate::error::{Error, Result};

/// `D: E softplus(f - r)`, `G: E softplus(r - f)`: RpGAN (Jolicoeur-Martineau, arXiv:1807.00734, §3.3), which
/// R3GAN trains with R1 and R2 (arXiv:2501.05441, §2). The i-th real image is paired with the i-th generated
/// one, of the same caption.
///
/// When matching-aware, `½ E softplus(m - r)` is added, where `m` is the score of the same real image under
/// its false caption. A shift of all scores changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct RpGan;

impl AdversarialLoss for RpGan {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        let above = |negative: &Tensor| softplus(&negative.sub(&scores.real)?)?.mean_all();
        let mut terms = LossTerms::one("adversarial", above(&scores.fake)?);
        if let Some(mismatched) = &scores.mismatched {
            terms.push("mismatch", above(mismatched)?.affine(0.5, 0.0)?);
        }
        Ok(terms)
    }

    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms> {
        let Some(real) = real else {
            return Err(Error::Missing { loss: "rpgan", needed: "the scores of real images" });
        };
        Ok(LossTerms::one("adversarial", softplus(&real.sub(fake)?)?.mean_all()?))
    }

    fn needs_reals_for_generator(&self) -> bool {
        true
    }

    fn signs(&self, scores: &Scores) -> Result<Tensor> {
        Ok(scores.real.sub(&scores.fake)?.detach().sign()?)
    }
}

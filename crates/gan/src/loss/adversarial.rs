//! The trait of adversarial losses, and the batch and scores that they compute from.

use candle_core::Tensor;
use t2f_ops::rng::Key;

use super::terms::LossTerms;
use crate::discriminator::Discriminator;
use crate::error::Result;
use crate::growth::Growth;

/// The input of one discriminator step.
#[derive(Clone, Copy, Debug)]
pub struct DiscriminatorBatch<'a> {
    /// Real images, `(B, 3, R, R)`, as [`Growth::reals`] returned them.
    pub real: &'a Tensor,
    /// Generated images of the same shape, detached.
    pub fake: &'a Tensor,
    /// The condition of both, `(B, E + P)`.
    pub condition: &'a Tensor,
    /// For each real image a condition that is false of it, `(B, E + P)`, where the loss is
    /// matching-aware.
    pub mismatched: Option<&'a Tensor>,
    /// How far the networks have grown.
    pub at: Growth,
    /// The key of a penalty's random numbers; another for each step.
    pub key: Key,
    /// The number of the step, for penalties that are not applied at each.
    pub step: u64,
    /// The progress of the run, 0 to 1, for weights that change over it.
    pub progress: f64,
}

/// The discriminator's scores of one [`DiscriminatorBatch`], `(B)` each.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Real images under their own conditions.
    pub real: Tensor,
    /// Generated images under the conditions they were generated from.
    pub fake: Tensor,
    /// Real images under conditions that are false of them.
    pub mismatched: Option<Tensor>,
}

impl Scores {
    /// Scores a batch, given the features of its real images, so that one pass over them serves both
    /// the true and the false conditions.
    ///
    /// # Errors
    /// Those of the discriminator.
    pub fn of(d: &dyn Discriminator, batch: &DiscriminatorBatch<'_>, real_features: &Tensor) -> Result<Self> {
        Ok(Self {
            real: d.score(real_features, batch.condition)?,
            fake: d.forward(batch.fake, batch.condition, batch.at)?,
            mismatched: batch.mismatched.map(|wrong| d.score(real_features, wrong)).transpose()?,
        })
    }

    /// `E on_real(real) + E on_fake(fake)` as `adversarial`; with mismatches
    /// `E on_real(real) + ½ E on_fake(fake)` and `½ E on_fake(mismatched)` as `mismatch`.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn weighted(
        &self,
        on_real: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
        on_fake: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<LossTerms> {
        let real = on_real(&self.real)?.mean_all()?;
        let fake = on_fake(&self.fake)?.mean_all()?;
        let Some(mismatched) = &self.mismatched else {
            return Ok(LossTerms::one("adversarial", real.add(&fake)?));
        };
        let mut terms = LossTerms::one("adversarial", real.add(&fake.affine(0.5, 0.0)?)?);
        terms.push("mismatch", on_fake(mismatched)?.mean_all()?.affine(0.5, 0.0)?);
        Ok(terms)
    }
}

/// A rule that turns scores into the losses of both networks.
///
/// ```
/// use candle_core::Tensor;
/// use t2f_gan::{AdversarialLoss, LossTerms, Result, Scores};
///
/// /// The minimax loss of Goodfellow et al. (arXiv:1406.2661, §3) on logits.
/// #[derive(Debug)]
/// struct Minimax;
///
/// fn softplus(x: &Tensor) -> candle_core::Result<Tensor> {
///     (x.exp()? + 1.0)?.log()
/// }
///
/// impl AdversarialLoss for Minimax {
///     fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
///         scores.weighted(|real| softplus(&real.neg()?), softplus)
///     }
///     fn generator_terms(&self, fake: &Tensor, _real: Option<&Tensor>) -> Result<LossTerms> {
///         Ok(LossTerms::one("adversarial", softplus(fake)?.mean_all()?.neg()?))
///     }
/// }
/// ```
pub trait AdversarialLoss: Send + Sync + std::fmt::Debug {
    /// The discriminator's loss, less its penalties, from scores.
    ///
    /// # Errors
    /// If shapes do not fit.
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms>;

    /// The generator's loss from the scores of its images and, where
    /// [`needs_reals_for_generator`](Self::needs_reals_for_generator) asks for them, of real ones.
    ///
    /// # Errors
    /// If shapes do not fit, or the scores of real images are needed and missing.
    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms>;

    /// Terms of the discriminator's loss that need more than the scores; none by default.
    ///
    /// # Errors
    /// Those of the discriminator and its differentiation.
    fn penalties(
        &self,
        _d: &dyn Discriminator,
        _batch: &DiscriminatorBatch<'_>,
        _scores: &Scores,
    ) -> Result<LossTerms> {
        Ok(LossTerms::default())
    }

    /// Whether the generator's loss compares with real images.
    fn needs_reals_for_generator(&self) -> bool {
        false
    }

    /// The signs whose mean ADA holds at its target, `(B)`: those of the scores of real images
    /// (arXiv:2006.06676, §3.1). A loss that compares scores has those of differences.
    ///
    /// # Errors
    /// If shapes do not fit.
    fn signs(&self, scores: &Scores) -> Result<Tensor> {
        Ok(scores.real.detach().sign()?)
    }
}

impl<L: AdversarialLoss + ?Sized> AdversarialLoss for std::sync::Arc<L> {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        (**self).discriminator_terms(scores)
    }

    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms> {
        (**self).generator_terms(fake, real)
    }

    fn penalties(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
        scores: &Scores,
    ) -> Result<LossTerms> {
        (**self).penalties(d, batch, scores)
    }

    fn needs_reals_for_generator(&self) -> bool {
        (**self).needs_reals_for_generator()
    }

    fn signs(&self, scores: &Scores) -> Result<Tensor> {
        (**self).signs(scores)
    }
}

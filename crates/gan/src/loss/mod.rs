//! Adversarial losses: from scores to a scalar for the discriminator and one for the generator.
//!
//! One file a loss, each a formula on scores; what they share is here. [`LossConfig`] names them
//! in a configuration. Nothing here differentiates save the penalties, whose value is a gradient.
//!
//! **Matching-aware** (GAN-CLS, Reed et al., arXiv:1605.05396 §4.2): the discriminator is also
//! shown real images under texts of other images. Fakes and mismatches then weigh one half each,
//! so that the loss does not move when all scores are shifted (T2F gives both weight 1, and its
//! scores slide until the drift term holds them).

mod config;
mod hinge;
mod logistic;
mod lsgan;
pub mod penalty;
mod relativistic_hinge;
mod wgan_gp;

use candle_core::Tensor;
use t2f_ops::rng::Key;

use crate::attributes::Labels;
use crate::discriminator::Discriminator;
use crate::error::{Error, Result};
use crate::growth::Growth;

pub use config::LossConfig;
pub use hinge::Hinge;
pub use logistic::Logistic;
pub use lsgan::Lsgan;
pub use relativistic_hinge::RelativisticHinge;
pub use wgan_gp::WganGp;

/// The texts of a batch, detached from whatever is not to learn from them.
#[derive(Clone, Copy)]
pub struct Condition<'a> {
    /// The images' own, `(B, E)`.
    pub embedding: &'a Tensor,
    /// More texts of none of the images, `(M, E)`: a contrast tells them apart, too.
    pub others: Option<&'a Tensor>,
    /// What they claim and the images show, where that is known.
    pub labels: Option<&'a Labels>,
    /// What the images show, `(B, P)`, where the generator is given plans: the discriminator sees them,
    /// too. A text of another image is judged with the plan of this one.
    pub plan: Option<&'a Tensor>,
}

impl<'a> Condition<'a> {
    /// Condition of which nothing else is known.
    pub fn plain(embedding: &'a Tensor) -> Self {
        Self { embedding, others: None, labels: None, plan: None }
    }

    /// What images are scored under: embedding and plan side by side, `(B, E + P)`.
    ///
    /// # Errors
    /// If the plan is of another batch.
    pub fn condition(&self) -> Result<Tensor> {
        self.with_plan(self.embedding)
    }

    /// Other texts `(B, E)` beside the images' plan.
    fn with_plan(&self, embedding: &Tensor) -> Result<Tensor> {
        Ok(match self.plan {
            Some(plan) => Tensor::cat(&[embedding, plan], 1)?,
            None => embedding.clone(),
        })
    }
}

/// What one discriminator step compares.
#[derive(Clone, Copy)]
pub struct DiscriminatorBatch<'a> {
    /// Real images, `(B, 3, R, R)`, as [`Growth::reals`] returned them.
    pub real: &'a Tensor,
    /// Generated images of the same shape, detached.
    pub fake: &'a Tensor,
    /// The texts of both.
    pub texts: Condition<'a>,
    /// For each real image a text that is false of it, `(B, E)`; detached if texts are not to learn
    /// from the discriminator.
    pub mismatched: Option<&'a Tensor>,
    /// How far the networks have grown.
    pub at: Growth,
    /// What the random numbers of a penalty are drawn from; another for each step.
    pub key: Key,
    /// The number of the step, for penalties that are not applied at each.
    pub step: u64,
}

/// The discriminator's scores of one [`DiscriminatorBatch`], `(B)` each.
#[derive(Clone)]
pub struct Scores {
    /// Real images under their own texts.
    pub real: Tensor,
    /// Generated images under the texts they were made from.
    pub fake: Tensor,
    /// Real images under texts that are false of them.
    pub mismatched: Option<Tensor>,
}

/// What a discriminator step found.
pub struct DiscriminatorOutput {
    /// The loss.
    pub parts: LossTerms,
    /// The scores that it was computed from.
    pub scores: Scores,
}

/// The named scalar parts of a loss, in a fixed order; the loss is their sum.
#[derive(Clone, Default)]
pub struct LossTerms(Vec<(&'static str, Tensor)>);

impl LossTerms {
    /// A loss of one part.
    pub fn one(name: &'static str, value: Tensor) -> Self {
        Self(vec![(name, value)])
    }

    /// Adds a part, a scalar.
    pub fn push(&mut self, name: &'static str, value: Tensor) {
        self.0.push((name, value));
    }

    /// Adds all parts of another loss.
    pub fn extend(&mut self, parts: Self) {
        self.0.extend(parts.0);
    }

    /// `E on_real(real) + E on_fake(fake)` as `adversarial`; with mismatches
    /// `E on_real(real) + ½ E on_fake(fake)` and `½ E on_fake(mismatched)` as `mismatch`.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn weighted(
        scores: &Scores,
        on_real: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
        on_fake: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Self> {
        let real = on_real(&scores.real)?.mean_all()?;
        let fake = on_fake(&scores.fake)?.mean_all()?;
        let Some(mismatched) = &scores.mismatched else {
            return Ok(Self::one("adversarial", real.add(&fake)?));
        };
        let mut parts = Self::one("adversarial", real.add(&fake.affine(0.5, 0.0)?)?);
        parts.push("mismatch", on_fake(mismatched)?.mean_all()?.affine(0.5, 0.0)?);
        Ok(parts)
    }

    /// The parts and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The part of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The loss: the sum of the parts.
    ///
    /// # Errors
    /// If there is no part, or one is not a scalar.
    pub fn total(&self) -> Result<Tensor> {
        let mut values = self.0.iter().map(|(_, value)| value);
        let first = values.next().ok_or_else(|| candle_core::Error::Msg("a loss without parts".into()))?;
        Ok(values.try_fold(first.clone(), |sum, value| sum.add(value))?)
    }
}

/// A rule that turns scores into the losses of both players.
///
/// An implementation writes the two formulas, and a penalty if it has one; asking the
/// discriminator for the scores is done here.
pub trait AdversarialLoss: Send + Sync {
    /// The discriminator's loss, less its penalties, from scores.
    ///
    /// # Errors
    /// If shapes do not fit.
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms>;

    /// The generator's loss from the scores of its images and, where
    /// [`needs_reals_for_generator`](Self::needs_reals_for_generator) says so, of real ones.
    ///
    /// # Errors
    /// If shapes do not fit, or the scores of real images are needed and missing.
    fn generator_terms(&self, fake: &Tensor, real: Option<&Tensor>) -> Result<LossTerms>;

    /// Terms of the discriminator's loss that look at more than the scores; none by default.
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

    /// Whether the loss is matching-aware: [`DiscriminatorBatch::mismatched`] must then be given, and is
    /// ignored otherwise.
    fn needs_mismatched(&self) -> bool;

    /// Whether the generator's loss compares with real images.
    fn needs_reals_for_generator(&self) -> bool {
        false
    }

    /// The discriminator's loss, and the scores behind it. The image part of the discriminator sees the
    /// real images once, for both their own and the mismatched texts.
    ///
    /// # Errors
    /// If mismatches are needed and missing; those of the discriminator.
    fn discriminator(
        &self,
        d: &dyn Discriminator,
        batch: &DiscriminatorBatch<'_>,
    ) -> Result<DiscriminatorOutput> {
        let wrong = match (self.needs_mismatched(), batch.mismatched) {
            (false, _) => None,
            (true, Some(texts)) => Some(texts),
            (true, None) => {
                return Err(Error::Missing { loss: "matching-aware", needed: "mismatched texts" });
            }
        };
        let condition = batch.texts.condition()?;
        let real = d.features(batch.real, batch.at)?;
        let scores = Scores {
            real: d.score(&real, &condition)?,
            fake: d.forward(batch.fake, &condition, batch.at)?,
            mismatched: wrong.map(|texts| d.score(&real, &batch.texts.with_plan(texts)?)).transpose()?,
        };
        let mut parts = self.discriminator_terms(&scores)?;
        parts.extend(d.heads_on_real(batch.real, &real, &batch.texts)?);
        parts.extend(self.penalties(d, batch, &scores)?);
        Ok(DiscriminatorOutput { parts, scores })
    }

    /// The generator's loss. `d` should be frozen: its gradients are not wanted.
    ///
    /// # Shapes
    /// `fake`, `real`: `(B, 3, R, R)`.
    ///
    /// # Errors
    /// If `real` is needed and missing; those of the discriminator.
    fn generator(
        &self,
        d: &dyn Discriminator,
        fake: &Tensor,
        real: Option<&Tensor>,
        texts: &Condition<'_>,
        at: Growth,
    ) -> Result<LossTerms> {
        let features = d.features(fake, at)?;
        let condition = texts.condition()?;
        let score = d.score(&features, &condition)?;
        let beside = real.filter(|_| self.needs_reals_for_generator());
        let beside = beside.map(|images| d.forward(images, &condition, at)).transpose()?;
        let mut parts = self.generator_terms(&score, beside.as_ref())?;
        parts.extend(d.heads_on_fake(fake, &features, real, texts)?);
        Ok(parts)
    }
}

//! The drifting loss (arXiv:2602.04770): generated features move to real features and away from each other.
//!
//! The features are those of the attribute classifier's [`ImageEncoder`], which learns on real images in the
//! discriminator's step.
//!
//! Deviations from the paper, which trains without a discriminator on features of a pretrained network at
//! several scales and places, each with a loss of its own: there is one feature vector an image, and the images
//! of a batch have different captions.

use candle_core::{D, Tensor};
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::interface::{GeneratorInputs, Objective, ObjectiveContext};
use crate::error::{Result, check, check_not_negative};
use crate::image_encoder::ImageEncoder;
use crate::loss::LossTerms;

/// The drifting loss, `[loss.drifting]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftingConfig {
    /// Weight in the generator's loss; 0 turns it off, above 0 it needs a `loss.attributes.classifier`.
    /// Default 0; at least 0.
    pub weight: f64,
    /// The τ of the kernels, in units of the mean distance of features. Default `[0.02, 0.05, 0.2]` (the
    /// paper's); each above 0.
    pub radii: Vec<f64>,
}

impl Default for DriftingConfig {
    fn default() -> Self {
        Self { weight: 0.0, radii: vec![0.02, 0.05, 0.2] }
    }
}

impl DriftingConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        check_not_negative("loss.drifting.weight", self.weight)?;
        let positive = self.radii.iter().all(|r| *r > 0.0 && r.is_finite());
        let radii = format_args!("{:?}", self.radii).to_string();
        check(positive && !self.radii.is_empty(), "loss.drifting.radii", radii, "finite numbers above 0")
    }
}

/// The term `drifting`, `weight · mean ‖φ(G) - sg(φ(G) + V)‖²` over images and features, with the gradient of
/// the first `φ(G)` alone.
///
/// The features `φ` of F numbers are divided by `S = E‖φ(a) - φ(b)‖ / √F`, a being generated, b real or another
/// generated image (equation 21), and `V = Σ_τ V_τ / √mean(V_τ²)` (equations 24 and 25), with V_τ of [`drift`].
#[derive(Debug)]
pub struct Drifting {
    encoder: ImageEncoder,
    config: DriftingConfig,
}

impl Drifting {
    /// Shares the frozen parameters `attributes.reader.…` of the attribute classifier, whose channels are
    /// `classifier`.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter is missing.
    pub fn new(
        config: &DriftingConfig,
        classifier: &[usize],
        context: &ObjectiveContext<'_>,
    ) -> Result<Self> {
        config.check()?;
        let encoder = ImageEncoder::new(classifier, &context.d_frozen.pp("attributes").pp("reader"))?;
        Ok(Self { encoder, config: config.clone() })
    }
}

impl Objective for Drifting {
    fn name(&self) -> &str {
        "drifting"
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let fake = self.encoder.features(inputs.augmented)?;
        let real = self.encoder.features(inputs.real)?.detach();
        let loss = drifting_loss(&fake, &real, &self.config.radii)?;
        Ok(LossTerms::one("drifting", loss.affine(self.config.weight, 0.0)?))
    }
}

/// The loss of features, see [`Drifting`]; a scalar.
///
/// # Shapes
/// `fake`: `(B, F)`; `real`: `(M, F)`.
///
/// # Errors
/// If the shapes do not fit.
pub fn drifting_loss(fake: &Tensor, real: &Tensor, radii: &[f64]) -> Result<Tensor> {
    let ((batch, size), (reals, _)) = (fake.dims2()?, real.dims2()?);
    let others = batch.saturating_sub(1) + reals;
    let all = Tensor::cat(&[real, &fake.detach()], 0)?;
    // The distance of an image from itself is 0.
    let mean = distances(&fake.detach(), &all)?.sum_all()?.affine(1.0 / (batch * others) as f64, SMALL)?;
    let scale = mean.recip()?.affine((size as f64).sqrt(), 0.0)?;
    let fake = fake.broadcast_mul(&scale)?;
    let (frozen, real) = (fake.detach(), real.broadcast_mul(&scale)?);
    let mut target = frozen.clone();
    for radius in radii {
        let v = drift(&frozen, &real, radius * (size as f64).sqrt())?;
        let norm = v.sqr()?.mean_all()?.sqrt()?.affine(1.0, SMALL)?;
        target = target.add(&v.broadcast_div(&norm)?)?;
    }
    Ok(fake.sub(&target)?.sqr()?.mean_all()?)
}

/// The drift of each generated feature vector x, algorithm 2 of the paper:
/// `V(x) = Σ_{p,q} a(x, p)·a(x, q)·(p - q)` over real p and other generated q, with
/// `a(x, y) = √(softmax_y · softmax_x)` of `-‖x - y‖ / τ` over both p and q together.
///
/// It is 0 in mean where both distributions are equal.
///
/// # Shapes
/// `fake`: `(B, F)`; `real`: `(M, F)`; result: `(B, F)`.
///
/// # Errors
/// If the shapes do not fit.
pub fn drift(fake: &Tensor, real: &Tensor, radius: f64) -> Result<Tensor> {
    let ((batch, _), (reals, _)) = (fake.dims2()?, real.dims2()?);
    let own = Tensor::eye(batch, fake.dtype(), fake.device())?.affine(-FAR, 0.0)?;
    let own = own.pad_with_zeros(1, reals, 0)?; // (B, M + B)
    let all = Tensor::cat(&[real, fake], 0)?;
    let logits = distances(fake, &all)?.affine(-1.0 / radius, 0.0)?.add(&own)?;
    let weights = softmax(&logits, D::Minus1)?.mul(&softmax(&logits, 0)?)?.sqrt()?;
    let (of_real, of_fake) = (weights.narrow(1, 0, reals)?, weights.narrow(1, reals, batch)?);
    let attraction = of_real.broadcast_mul(&of_fake.sum_keepdim(1)?)?.matmul(real)?;
    let repulsion = of_fake.broadcast_mul(&of_real.sum_keepdim(1)?)?.matmul(fake)?;
    Ok(attraction.sub(&repulsion)?)
}

/// Keeps divisions finite.
const SMALL: f64 = 1e-8;
/// The distance, in units of τ, that excludes an image from its own repulsion.
const FAR: f64 = 1e6;

/// `‖a_i - b_j‖`, `(B, F)` and `(M, F)` → `(B, M)`; without a gradient that is finite at 0.
fn distances(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let squares = |x: &Tensor| x.sqr()?.sum_keepdim(1);
    let products = a.matmul(&b.t()?)?.affine(-2.0, 0.0)?;
    Ok(products.broadcast_add(&squares(a)?)?.broadcast_add(&squares(b)?.t()?)?.relu()?.sqrt()?)
}

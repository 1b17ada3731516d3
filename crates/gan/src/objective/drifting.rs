//! Drifting: generated images move towards real ones and away from one another in a feature space (Deng et al.,
//! arXiv:2602.04770).
//!
//! The features are those of the attribute classifier. The paper trains a generator by this loss alone, with
//! pretrained features; here it is a term beside the adversarial loss, an experiment.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::interface::{GeneratorInputs, Objective, ObjectiveContext};
use crate::error::{Result, check, check_not_negative};
use crate::image_encoder::ImageEncoder;
use crate::loss::LossTerms;

/// The drifting loss, `[loss.drifting]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftingConfig {
    /// Weight in the generator's loss; 0 leaves it out. Default 0; at least 0; needs a
    /// `loss.attributes.classifier`.
    pub weight: f64,
    /// Radii of the kernel, in units of the mean distance of features. Default 0.02, 0.05, 0.2 (the paper's);
    /// each above 0.
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
        let radii = &self.radii;
        let holds = !radii.is_empty() && radii.iter().all(|radius| *radius > 0.0 && radius.is_finite());
        check(holds, "loss.drifting.radii", format_args!("{radii:?}"), "at least one finite number above 0")
    }
}

/// The term `drifting`.
#[derive(Debug)]
pub struct Drifting {
    encoder: ImageEncoder,
    config: DriftingConfig,
}

impl Drifting {
    /// Uses the frozen parameters `attributes.reader` of the attribute classifier, whose stages have these
    /// `channels`.
    ///
    /// # Errors
    /// If the configuration is not valid, or a parameter is missing.
    pub fn new(config: &DriftingConfig, channels: &[usize], context: &ObjectiveContext<'_>) -> Result<Self> {
        config.check()?;
        let encoder = ImageEncoder::new(channels, &context.d_frozen.pp("attributes").pp("reader"))?;
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
        let loss = drifting(&fake, &real, &self.config.radii)?;
        Ok(LossTerms::one("drifting", loss.affine(self.config.weight, 0.0)?))
    }
}

/// `Σ_τ mean ‖x - sg(x + V_τ(x))‖²` over features `x` of generated images, scaled so that the mean distance
/// between features is 1.
///
/// # Shapes
/// `fake`: `(B, F)`; `real`: `(B, F)`; the result is a scalar.
///
/// # Errors
/// If the shapes do not fit.
pub fn drifting(fake: &Tensor, real: &Tensor, radii: &[f64]) -> Result<Tensor> {
    let fixed = fake.detach();
    let mean = distances(&fixed, &Tensor::cat(&[real, &fixed], 0)?)?.mean_all()?;
    let scale = mean.affine(1.0, 1e-8)?.recip()?;
    let (x, y) = (fixed.broadcast_mul(&scale)?, real.broadcast_mul(&scale)?);
    let moving = fake.broadcast_mul(&scale)?;
    let mut total: Option<Tensor> = None;
    for &radius in radii {
        let target = x.add(&drift(&x, &y, radius)?)?;
        let loss = moving.sub(&target)?.sqr()?.sum(1)?.mean_all()?;
        total = Some(total.map_or(Ok(loss.clone()), |sum| sum.add(&loss))?);
    }
    Ok(total.ok_or_else(|| candle_core::Error::Msg("drifting without a radius".into()))?)
}

/// The drift `V(x) = Σ_j a⁻_i a⁺_ij y_j - Σ_k a⁺_i a⁻_ik x_k` (the paper's algorithm 2): `a_ij` is the geometric
/// mean of the softmax of `-‖x_i - y_j‖ / τ` over real and other generated features `j` and over generated features
/// `i`, `a⁺_i` and `a⁻_i` its sums over real and over generated ones. It is 0 where both distributions are equal.
///
/// # Shapes
/// `x`: `(B, F)`; `y`: `(M, F)`; the result is `(B, F)`.
fn drift(x: &Tensor, y: &Tensor, radius: f64) -> Result<Tensor> {
    let (batch, real) = (x.dim(0)?, y.dim(0)?);
    // A feature does not repel itself.
    let itself = Tensor::eye(batch, x.dtype(), x.device())?.affine(1e6, 0.0)?;
    let logits = Tensor::cat(&[distances(x, y)?, distances(x, x)?.add(&itself)?], 1)?;
    let logits = logits.affine(-1.0 / radius, 0.0)?; // (B, M + B)
    let rows = softmax(&logits, 1)?;
    let weights = rows.mul(&softmax(&logits, 0)?)?.sqrt()?;
    let (near_real, near_fake) = (weights.narrow(1, 0, real)?, weights.narrow(1, real, batch)?);
    let attraction = near_real.broadcast_mul(&near_fake.sum_keepdim(1)?)?.matmul(y)?;
    let repulsion = near_fake.broadcast_mul(&near_real.sum_keepdim(1)?)?.matmul(x)?;
    Ok(attraction.sub(&repulsion)?)
}

/// `‖a_i - b_j‖`, `(A, B)`.
fn distances(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let squares = a.sqr()?.sum_keepdim(1)?.broadcast_add(&b.sqr()?.sum_keepdim(1)?.t()?)?;
    let squares = squares.sub(&a.matmul(&b.t()?)?.affine(2.0, 0.0)?)?;
    Ok(squares.relu()?.affine(1.0, 1e-12)?.sqrt()?)
}

fn softmax(logits: &Tensor, over: usize) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(over)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(over)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::rng::{Key, normal};

    fn sample(name: &str, shift: f64) -> Tensor {
        let rows = normal(Key::new(5).child(name), (6, 4), DType::F64, &Device::Cpu).unwrap();
        rows.affine(1.0, shift).unwrap()
    }

    fn value(t: &Tensor) -> f64 {
        t.to_scalar().unwrap()
    }

    /// One generated feature has nothing to be repelled by: with one real feature the sums of the weights over
    /// generated ones are 0, and so is the drift.
    #[test]
    fn a_pair_of_generated_features_moves_towards_the_real_one() -> Result<()> {
        let column = |values: &[f64]| Tensor::new(values, &Device::Cpu)?.reshape((values.len(), 1));
        let (x, y) = (column(&[0.0, 1.0])?, column(&[3.0])?);
        let moved = drift(&x, &y, 1.0)?.flatten_all()?.to_vec1::<f64>()?;
        // By hand: distances to real 3, 2, to the other 1; softmax over each row and each column.
        let row = |real: f64| {
            [(-real).exp() / ((-real).exp() + (-1f64).exp()), (-1f64).exp() / ((-real).exp() + (-1f64).exp())]
        };
        let (first, second) = (row(3.0), row(2.0));
        let of_real = [(-3f64).exp(), (-2f64).exp()].map(|e| e / ((-3f64).exp() + (-2f64).exp()));
        let by_hand = |row: [f64; 2], column: f64, other: f64| {
            let (attracts, repels) = ((row[0] * column).sqrt(), row[1].sqrt());
            attracts * repels * 3.0 - repels * attracts * other
        };
        let expected = [by_hand(first, of_real[0], 1.0), by_hand(second, of_real[1], 0.0)];
        for (got, want) in moved.iter().zip(expected) {
            assert!((got - want).abs() < 1e-5 && *got > 0.0, "{moved:?}, expected {expected:?}");
        }
        Ok(())
    }

    #[test]
    fn the_loss_grows_with_the_distance_of_the_distributions() -> Result<()> {
        let loss = |shift: f64| {
            drifting(&sample("fake", shift), &sample("real", 0.0), &[0.2]).map(|loss| value(&loss))
        };
        assert!(loss(0.0)? < loss(2.0)?, "{} {}", loss(0.0)?, loss(2.0)?);
        Ok(())
    }

    /// The target is fixed, so the gradient is `-2 V / B` times the scale; a small step against it lowers the
    /// distance to the real features.
    #[test]
    fn a_step_against_the_gradient_moves_features_towards_real_ones() -> Result<()> {
        let (fake, real) = (Var::from_tensor(&sample("fake", 2.0))?, sample("real", 0.0));
        let radii = [0.2, 0.5];
        let gradient = gradients(&drifting(&fake, &real, &radii)?)?.remove(&fake).unwrap();
        let scale = value(&distances(&fake, &Tensor::cat(&[&real, fake.as_tensor()], 0)?)?.mean_all()?);
        let (x, y) = (fake.affine(1.0 / scale, 0.0)?, real.affine(1.0 / scale, 0.0)?);
        let drift = drift(&x, &y, 0.2)?.add(&drift(&x, &y, 0.5)?)?;
        let expected = drift.affine(-2.0 / (6.0 * scale), 0.0)?;
        let difference = value(&gradient.sub(&expected)?.abs()?.max(0)?.max(0)?);
        assert!(difference < 1e-6, "{difference}");
        let mean = |x: &Tensor| -> Result<f64> { Ok(value(&distances(x, &real)?.mean_all()?)) };
        let moved = fake.sub(&gradient.affine(5.0, 0.0)?)?;
        assert!(mean(&moved)? < mean(&fake)?);
        Ok(())
    }
}

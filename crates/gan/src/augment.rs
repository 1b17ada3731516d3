//! Differentiable augmentation of the discriminator's images, real and generated, against overfitting to
//! a few hundred images: DiffAugment (arXiv:2006.10738), with ADA's control of the augmentation
//! probability (arXiv:2006.06676).
//!
//! Each augmentation leaves most of an image as it is, so that an augmented image looks real only if the
//! image itself does.

use candle_core::{Device, Result as TensorResult, Tensor};
use serde::{Deserialize, Serialize};
use t2f_ops::rng::{Key, below, normal, unit};
use t2f_ops::scheduled::Scheduled;

use crate::error::{Result, check};

/// The augmentations, `[augment]`; none by default. The paper's policy is 1, 0.125 and 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Strength of changes of brightness (by up to ± half of it), saturation (times 1 ± it) and
    /// contrast (times 1 ± half of it). Unsuitable where captions mention colours. Default 0; 0 to 1.
    pub color: f64,
    /// Largest shift, as a fraction of the side; uncovered pixels are 0. Default 0; 0 to 0.5.
    pub translation: f64,
    /// Side of a square that is set to 0, as a fraction of the image's side. Default 0; 0 to 0.75.
    pub cutout: f64,
    /// Largest standard deviation of Gaussian noise: an image becomes `√(1 - s²)·x + s·ε`, with s uniform in
    /// (0, `noise`], after Diffusion-GAN (arXiv:2206.02262, §3), where a schedule of diffusion steps sets s.
    /// Default 0; 0 to 1.
    pub noise: f64,
    /// Whether images are mirrored, left for right, with probability one half, independently of
    /// `probability`. It doubles the data where captions do not tell left from right. Default no.
    pub mirror: bool,
    /// The augmentation probability p: each augmentation is applied to each image with this probability,
    /// independently. It may change over the run; with `adaptive` it is the initial one. Default 1
    /// (DiffAugment's); 0 to 1.
    pub probability: Scheduled,
    /// The control of the augmentation probability by the discriminator's scores. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveConfig>,
}

/// The control of the augmentation probability, `[augment.adaptive]`: ADA, §3 of arXiv:2006.06676.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveConfig {
    /// The measure of overfitting. Default `sign`.
    pub measure: Overfitting,
    /// The target of the measure: above it the probability grows, below it shrinks. Default 0.6; 0 to 1. The
    /// paper has 0.6 for `sign` and 0.5 for `held-out`.
    pub target: f64,
    /// Thousands of images in which the probability can go from 0 to 1. Default 500; above 0.
    pub ramp_kimg: f64,
    /// Steps between two changes of the probability, over which the mean of `sign` is taken. Default 4; at
    /// least 1. `held-out` is measured, and changes the probability, in each row of statistics.
    pub interval: u64,
}

/// A measure of the overfitting of the discriminator, about 0 to 1 (arXiv:2006.06676, equation 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overfitting {
    /// `r_t = E sign D(train)`, or, for a loss that compares scores,
    /// [`E sign (D(train) - D(generated))`](crate::AdversarialLoss::signs). It also rises where generated images are
    /// worse than any real one.
    #[default]
    Sign,
    /// `r_v = (E D(train) - E D(validation)) / (E D(train) - E D(generated))`. It requires a validation part.
    HeldOut,
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self { measure: Overfitting::Sign, target: 0.6, ramp_kimg: 500.0, interval: 4 }
    }
}

/// The measure [`Overfitting::HeldOut`] of scores: 0 if validation images have the mean score of training images, 1
/// if that of generated ones. 0 where training images score no higher than generated ones.
///
/// No argument may be empty.
pub fn held_out_overfitting(train: &[f32], validation: &[f32], generated: &[f32]) -> f64 {
    let mean =
        |scores: &[f32]| scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64;
    let (train, validation, generated) = (mean(train), mean(validation), mean(generated));
    if train > generated { (train - validation) / (train - generated) } else { 0.0 }
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            color: 0.0,
            translation: 0.0,
            cutout: 0.0,
            noise: 0.0,
            mirror: false,
            probability: 1.0.into(),
            adaptive: None,
        }
    }
}

/// The ADA controller: the present augmentation probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaController {
    /// The augmentation probability, 0 to 1.
    pub probability: f64,
    /// Sum of the measurements since its last change.
    signs: f64,
    /// Measurements since its last change.
    steps: u64,
}

impl AdaController {
    /// The controller at the start of a run.
    pub fn new(config: &AugmentConfig) -> Self {
        Self { probability: config.probability.from, signs: 0.0, steps: 0 }
    }

    /// Observes the measure of overfitting after `images` more images: those of a step, or, for `held-out`, of
    /// a row of statistics. After `interval` measurements, or each of `held-out`, the probability moves by their
    /// number times `images / (1000 · ramp_kimg)`, up if their mean is above the target, else down.
    pub fn observe(&mut self, adaptive: &AdaptiveConfig, measured: f64, images: usize) {
        self.signs += measured;
        self.steps += 1;
        if adaptive.measure == Overfitting::Sign && self.steps < adaptive.interval {
            return;
        }
        let excess = self.signs / self.steps as f64 - adaptive.target;
        let step = self.steps as f64 * images as f64 / (1000.0 * adaptive.ramp_kimg);
        let probability = (self.probability + step * if excess > 0.0 { 1.0 } else { -1.0 }).clamp(0.0, 1.0);
        *self = Self { probability, signs: 0.0, steps: 0 };
    }
}

impl AugmentConfig {
    /// Whether any augmentation but mirroring is on.
    pub fn is_on(&self) -> bool {
        [self.color, self.translation, self.cutout, self.noise].iter().any(|strength| *strength > 0.0)
    }

    /// The control of the augmentation probability, if it is by this measure.
    pub fn adaptive_by(&self, measure: Overfitting) -> Option<AdaptiveConfig> {
        self.adaptive.filter(|adaptive| adaptive.measure == measure)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        for (name, value, most) in [
            ("augment.color", self.color, 1.0),
            ("augment.translation", self.translation, 0.5),
            ("augment.cutout", self.cutout, 0.75),
            ("augment.noise", self.noise, 1.0),
        ] {
            check((0.0..=most).contains(&value), name, value, format_args!("0 to {most}"))?;
        }
        let p = self.probability;
        check(p.all(|p| (0.0..=1.0).contains(&p)), "augment.probability", p, "0 to 1")?;
        if let Some(AdaptiveConfig { target, ramp_kimg, interval, .. }) = self.adaptive {
            check(p.is_constant(), "augment.probability", p, "a constant beside augment.adaptive")?;
            check((0.0..=1.0).contains(&target), "augment.adaptive.target", target, "0 to 1")?;
            let positive = ramp_kimg > 0.0 && ramp_kimg.is_finite();
            check(positive, "augment.adaptive.ramp_kimg", ramp_kimg, "a finite number above 0")?;
            check(interval > 0, "augment.adaptive.interval", interval, "at least 1")?;
        }
        Ok(())
    }

    /// Augments each image at random, independently; every augmentation but mirroring has this
    /// probability. Differentiable to any order.
    ///
    /// # Shapes
    /// `images` and the result: `(B, 3, R, R)`, about `[-1, 1]`.
    ///
    /// # Errors
    /// If `images` is not rank 4.
    pub fn apply(&self, images: &Tensor, probability: f64, key: Key) -> Result<Tensor> {
        let (batch, _, _, side) = images.dims4()?;
        let chosen = |change: &str| {
            let mut rng = key.child("chosen").child(change).rng();
            (0..batch).map(|_| unit(&mut rng) < probability).collect::<Vec<bool>>()
        };
        let mut x = images.clone();
        if self.mirror {
            x = mirrored(&x, key.child("mirror"))?;
        }
        if self.color > 0.0 {
            x = recoloured(&x, self.color, &chosen("color"), key.child("color"))?;
        }
        if probability == 0.0 {
            // The following leave an image that is not chosen as it is, to the last bit.
            return Ok(x);
        }
        let shift = (self.translation * side as f64).round() as usize;
        if shift > 0 {
            x = translated(&x, shift, &chosen("translation"), key.child("translation"))?;
        }
        let hole = (self.cutout * side as f64).round() as usize;
        if hole > 0 {
            x = x.broadcast_mul(&holes(&x, hole, &chosen("cutout"), key.child("cutout"))?)?;
        }
        if self.noise > 0.0 {
            x = noised(&x, self.noise, &chosen("noise"), key.child("noise"))?;
        }
        Ok(x)
    }
}

/// Every image as it is or mirrored, with probability one half.
fn mirrored(x: &Tensor, key: Key) -> TensorResult<Tensor> {
    let mut rng = key.rng();
    let images = (0..x.dim(0)?).map(|image| {
        let image = x.narrow(0, image, 1)?;
        if unit(&mut rng) < 0.5 { image.flip(&[3]) } else { Ok(image) }
    });
    Tensor::cat(&images.collect::<TensorResult<Vec<_>>>()?, 0)
}

fn recoloured(x: &Tensor, strength: f64, chosen: &[bool], key: Key) -> TensorResult<Tensor> {
    let mut rng = key.rng();
    // One number an image, uniform in `middle ± reach`, and `middle` of those that are not chosen.
    let mut drawn = |middle: f64, reach: f64| {
        let of = |&chosen: &bool| {
            let swing = 2.0 * unit(&mut rng) - 1.0;
            if chosen { middle + reach * swing } else { middle }
        };
        let values: Vec<f64> = chosen.iter().map(of).collect();
        let values = Tensor::from_vec(values, (chosen.len(), 1, 1, 1), &Device::Cpu)?;
        values.to_dtype(x.dtype())?.to_device(x.device())
    };
    let (brightness, saturation) = (drawn(0.0, 0.5 * strength)?, drawn(1.0, strength)?);
    let contrast = drawn(1.0, 0.5 * strength)?;
    let stretched = |x: &Tensor, mean: Tensor, factor: Tensor| {
        x.broadcast_sub(&mean)?.broadcast_mul(&factor)?.broadcast_add(&mean)
    };
    let x = x.broadcast_add(&brightness)?;
    let x = stretched(&x, x.mean_keepdim(1)?, saturation)?;
    stretched(&x, x.mean_keepdim((1, 2, 3))?, contrast)
}

fn translated(x: &Tensor, shift: usize, chosen: &[bool], key: Key) -> TensorResult<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let mut rng = key.rng();
    let padded = x.pad_with_zeros(2, shift, shift)?.pad_with_zeros(3, shift, shift)?;
    let moved = chosen.iter().enumerate().map(|(image, &chosen)| {
        let drawn = (below(&mut rng, 2 * shift + 1), below(&mut rng, 2 * shift + 1));
        let (down, right) = if chosen { drawn } else { (shift, shift) };
        padded.narrow(0, image, 1)?.narrow(2, down, height)?.narrow(3, right, width)
    });
    Tensor::cat(&moved.collect::<TensorResult<Vec<_>>>()?, 0)
}

/// `(B, 1, R, R)`: 1, and 0 in a square of `hole` pixels with its centre at any pixel.
fn holes(like: &Tensor, hole: usize, chosen: &[bool], key: Key) -> TensorResult<Tensor> {
    let (batch, _, height, width) = like.dims4()?;
    let mut rng = key.rng();
    let mut mask = vec![1f32; batch * height * width];
    for (mask, &chosen) in mask.chunks_exact_mut(height * width).zip(chosen) {
        let (top, left) = (below(&mut rng, height), below(&mut rng, width));
        if !chosen {
            continue;
        }
        for (at, value) in mask.iter_mut().enumerate() {
            // Shifted by half a hole, so that the square is around the centre.
            let (y, x) = (at / width + hole / 2, at % width + hole / 2);
            if (top..top + hole).contains(&y) && (left..left + hole).contains(&x) {
                *value = 0.0;
            }
        }
    }
    Tensor::from_vec(mask, (batch, 1, height, width), &Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())
}

/// `√(1 - s²)·x + s·ε` with one s an image, uniform in `(0, most]`, and 0 for those that are not chosen.
fn noised(x: &Tensor, most: f64, chosen: &[bool], key: Key) -> TensorResult<Tensor> {
    let mut rng = key.child("deviations").rng();
    let deviation = |&chosen: &bool| {
        let s = most * (1.0 - unit(&mut rng));
        if chosen { s } else { 0.0 }
    };
    let deviations: Vec<f64> = chosen.iter().map(deviation).collect();
    let factors = |values: Vec<f64>| {
        let values = Tensor::from_vec(values, (chosen.len(), 1, 1, 1), &Device::Cpu)?;
        values.to_dtype(x.dtype())?.to_device(x.device())
    };
    let kept = factors(deviations.iter().map(|s| (1.0 - s * s).sqrt()).collect())?;
    let noise = normal(key, x.shape(), x.dtype(), x.device())?.broadcast_mul(&factors(deviations)?)?;
    x.broadcast_mul(&kept)?.add(&noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Var};
    use t2f_ops::grad::gradients;

    const ALL: AugmentConfig = AugmentConfig {
        color: 1.0,
        translation: 0.125,
        cutout: 0.5,
        noise: 0.3,
        mirror: true,
        probability: Scheduled::constant(1.0),
        adaptive: None,
    };

    fn images() -> Tensor {
        normal(Key::new(1), (6, 3, 16, 16), DType::F64, &Device::Cpu).unwrap()
    }

    fn numbers(t: &Tensor) -> Vec<f64> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn no_augmentation_by_default_and_equal_ones_for_equal_keys() -> Result<()> {
        let x = images();
        assert_eq!(numbers(&AugmentConfig::default().apply(&x, 1.0, Key::new(2))?), numbers(&x));
        let [first, again, other] =
            [2, 2, 3].map(|seed| numbers(&ALL.apply(&x, 1.0, Key::new(seed)).unwrap()));
        assert_eq!(first, again);
        assert_ne!(first, other);
        Ok(())
    }

    #[test]
    fn translation_moves_pixels_and_cutout_removes_at_most_a_square() -> Result<()> {
        let x = images();
        let moved = AugmentConfig { translation: 0.125, ..Default::default() }.apply(&x, 1.0, Key::new(4))?;
        for image in 0..6 {
            let (before, after) = (numbers(&x.get(image)?), numbers(&moved.get(image)?));
            let kept = after.iter().filter(|value| **value != 0.0).count();
            assert!(kept >= 3 * 14 * 14 && after.iter().all(|v| *v == 0.0 || before.contains(v)));
        }
        let cut = AugmentConfig { cutout: 0.5, ..Default::default() }.apply(&x, 1.0, Key::new(4))?;
        let difference = numbers(&x.sub(&cut)?);
        for image in difference.chunks_exact(3 * 16 * 16) {
            let removed = image.iter().filter(|value| **value != 0.0).count();
            assert!(removed > 0 && removed <= 3 * 8 * 8, "{removed}");
        }
        Ok(())
    }

    #[test]
    fn half_of_the_images_are_mirrored_at_every_probability() -> Result<()> {
        let x = normal(Key::new(8), (400, 3, 4, 4), DType::F64, &Device::Cpu)?;
        let mirror = AugmentConfig { mirror: true, ..Default::default() };
        for probability in [0.0, 1.0] {
            let y = mirror.apply(&x, probability, Key::new(9))?;
            let mut turned = 0;
            for image in 0..400 {
                let (before, after) = (x.get(image)?.to_vec3::<f64>()?, y.get(image)?.to_vec3::<f64>()?);
                let mut mirrored = before.clone();
                mirrored.iter_mut().flatten().for_each(|row| row.reverse());
                assert!(after == before || after == mirrored);
                turned += usize::from(after == mirrored);
            }
            assert!((160..=240).contains(&turned), "{turned}");
        }
        Ok(())
    }

    /// Of images of one value 2 the mean is 2·√(1 - s²) and the deviation s, with s uniform up to 0.5.
    #[test]
    fn noise_has_deviations_up_to_the_largest_and_keeps_the_variance() -> Result<()> {
        let x = Tensor::full(2f64, (200, 3, 16, 16), &Device::Cpu)?;
        let y = AugmentConfig { noise: 0.5, ..Default::default() }.apply(&x, 1.0, Key::new(3))?;
        let mut sum = 0.0;
        for image in numbers(&y).chunks_exact(3 * 16 * 16) {
            let mean = image.iter().sum::<f64>() / image.len() as f64;
            let variance = image.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / image.len() as f64;
            assert!((mean * mean / 4.0 + variance - 1.0).abs() < 0.1, "{mean} {variance}");
            assert!(variance > 0.0 && variance < 0.36, "{variance}");
            sum += variance.sqrt();
        }
        assert!((sum / 200.0 - 0.25).abs() < 0.04, "{sum}");
        Ok(())
    }

    /// Every augmentation is affine in the image, so that the gradient of `sum(r·T(x))` times a step is exactly
    /// the difference.
    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let x = Var::from_tensor(&images())?;
        let r = normal(Key::new(5), (6, 3, 16, 16), DType::F64, &Device::Cpu)?;
        let f = |x: &Tensor| -> Result<Tensor> { Ok(ALL.apply(x, 0.7, Key::new(6))?.mul(&r)?.sum_all()?) };
        let gradient = gradients(&f(&x)?)?.remove(&x).unwrap();
        let step = normal(Key::new(7), (6, 3, 16, 16), DType::F64, &Device::Cpu)?.affine(1e-3, 0.0)?;
        let change = f(&x.add(&step)?)?.sub(&f(&x.sub(&step)?)?)?.to_scalar::<f64>()? / 2.0;
        let want = gradient.mul(&step)?.sum_all()?.to_scalar::<f64>()?;
        assert!((change - want).abs() < 1e-9, "{change}, expected {want}");
        Ok(())
    }

    #[test]
    fn each_augmentation_has_the_given_probability() -> Result<()> {
        let x = normal(Key::new(8), (400, 3, 8, 8), DType::F64, &Device::Cpu)?;
        for change in [
            AugmentConfig { color: 1.0, ..Default::default() },
            AugmentConfig { translation: 0.5, ..Default::default() },
            AugmentConfig { cutout: 0.5, ..Default::default() },
            AugmentConfig { noise: 1.0, ..Default::default() },
        ] {
            for (probability, least, most) in [(0.0, 0, 0), (0.25, 65, 135), (1.0, 380, 400)] {
                let y = change.apply(&x, probability, Key::new(9))?;
                let moved = numbers(&x.sub(&y)?.abs()?.flatten_from(1)?.max(1)?);
                let changed = moved.iter().filter(|moved| **moved > 1e-9).count();
                assert!((least..=most).contains(&changed), "{change:?} at {probability}: {changed}");
            }
        }
        Ok(())
    }

    /// 16 images a step, 4 steps an interval: 64 of the 1000 images of the ramp.
    #[test]
    fn the_probability_follows_the_scores_of_real_images() {
        let adaptive = AdaptiveConfig { target: 0.6, ramp_kimg: 1.0, interval: 4, ..Default::default() };
        let mut ada = AdaController::new(&AugmentConfig { probability: 0.1.into(), ..Default::default() });
        for sign in [1.0, 1.0, 1.0] {
            ada.observe(&adaptive, sign, 16);
            assert_eq!(ada.probability, 0.1);
        }
        ada.observe(&adaptive, 0.0, 16); // a mean of 0.75
        assert!((ada.probability - 0.164).abs() < 1e-12);
        (0..8).for_each(|_| ada.observe(&adaptive, 0.5, 16));
        assert!((ada.probability - 0.036).abs() < 1e-12);
        (0..400).for_each(|_| ada.observe(&adaptive, -1.0, 16));
        assert_eq!(ada.probability, 0.0);
        (0..400).for_each(|_| ada.observe(&adaptive, 1.0, 16));
        assert_eq!(ada.probability, 1.0);
    }

    #[test]
    fn the_probability_changes_with_each_measurement_of_held_out_images() {
        let adaptive =
            AdaptiveConfig { measure: Overfitting::HeldOut, target: 0.5, ramp_kimg: 1.0, interval: 4 };
        let mut ada = AdaController::new(&AugmentConfig { probability: 0.0.into(), ..Default::default() });
        ada.observe(&adaptive, 0.7, 250);
        assert_eq!(ada.probability, 0.25);
        ada.observe(&adaptive, 0.3, 100);
        assert!((ada.probability - 0.15).abs() < 1e-12);
    }

    #[test]
    fn overfitting_is_0_for_scores_of_training_images_and_1_for_those_of_generated_ones() {
        let (train, fake) = ([3.0, 5.0], [-1.0, 1.0]);
        assert_eq!(held_out_overfitting(&train, &[4.0], &fake), 0.0);
        assert_eq!(held_out_overfitting(&train, &[0.0, 0.0, 0.0], &fake), 1.0);
        assert_eq!(held_out_overfitting(&train, &[2.0], &fake), 0.5);
        let [train, held, fake] = [[103.0, 105.0], [102.0; 2], [99.0, 101.0]];
        assert_eq!(held_out_overfitting(&train, &held, &fake), 0.5, "a constant added to all scores");
        assert_eq!(held_out_overfitting(&fake, &held, &train), 0.0, "a discriminator that learnt nothing");
    }

    #[test]
    fn ranges_are_checked() {
        let wrong = AugmentConfig { cutout: 0.9, ..Default::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("augment.cutout"));
        assert!(ALL.check().is_ok());
        let adaptive = Some(AdaptiveConfig { interval: 0, ..Default::default() });
        let wrong = AugmentConfig { adaptive, ..ALL };
        assert!(wrong.check().unwrap_err().to_string().contains("augment.adaptive.interval"));
    }
}

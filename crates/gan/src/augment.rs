//! Differentiable augmentation: what the discriminator sees, real or generated, is changed at
//! random, so that it cannot learn a few hundred images by heart. DiffAugment (arXiv:2006.10738).
//!
//! The generator is asked for images that look real when changed, and the changes are such that
//! only real-looking images do (each leaves most of an image as it was).

use candle_core::{Device, Result as TensorResult, Tensor};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use t2f_ops::rng::{Key, below, unit};

use crate::error::{Result, check};

/// How much images are changed; nothing by default. The paper's policy is 1, 0.125 and 0.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Strength of changes of brightness (by up to ± half of it), saturation (times 1 ± it) and
    /// contrast (times 1 ± half of it). Captions that tell colours speak against it. Default 0;
    /// 0 to 1.
    pub color: f64,
    /// Largest shift, as a share of the side; what comes in is 0. Default 0; 0 to 0.5.
    pub translation: f64,
    /// Side of a square set to 0, as a share of the side. Default 0; 0 to 0.75.
    pub cutout: f64,
}

impl AugmentConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        for (name, value, most) in [
            ("augment.color", self.color, 1.0),
            ("augment.translation", self.translation, 0.5),
            ("augment.cutout", self.cutout, 0.75),
        ] {
            check((0.0..=most).contains(&value), name, value, format_args!("0 to {most}"))?;
        }
        Ok(())
    }

    /// Images changed at random, each in its own way; differentiable to any order.
    ///
    /// # Shapes
    /// `images` and the result: `(B, 3, R, R)`, about `[-1, 1]`.
    ///
    /// # Errors
    /// If `images` is not rank 4.
    pub fn apply(&self, images: &Tensor, key: Key) -> Result<Tensor> {
        let mut x = images.clone();
        if self.color > 0.0 {
            x = recoloured(&x, self.color, key.child("color"))?;
        }
        let side = images.dims4()?.3;
        let shift = (self.translation * side as f64).round() as usize;
        if shift > 0 {
            x = translated(&x, shift, key.child("translation"))?;
        }
        let hole = (self.cutout * side as f64).round() as usize;
        if hole > 0 {
            x = x.broadcast_mul(&holes(&x, hole, key.child("cutout"))?)?;
        }
        Ok(x)
    }
}

/// Numbers of the images' type, one an image, uniform in `[from, from + width)`.
fn uniform(rng: &mut impl Rng, from: f64, width: f64, like: &Tensor) -> TensorResult<Tensor> {
    let batch = like.dim(0)?;
    let values: Vec<f64> = (0..batch).map(|_| from + width * unit(rng)).collect();
    Tensor::from_vec(values, (batch, 1, 1, 1), &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}

fn recoloured(x: &Tensor, strength: f64, key: Key) -> TensorResult<Tensor> {
    let mut rng = key.rng();
    let x = x.broadcast_add(&uniform(&mut rng, -0.5 * strength, strength, x)?)?;
    let stretched = |x: &Tensor, mean: Tensor, factor: Tensor| {
        x.broadcast_sub(&mean)?.broadcast_mul(&factor)?.broadcast_add(&mean)
    };
    let saturation = uniform(&mut rng, 1.0 - strength, 2.0 * strength, &x)?;
    let x = stretched(&x, x.mean_keepdim(1)?, saturation)?;
    let contrast = uniform(&mut rng, 1.0 - 0.5 * strength, strength, &x)?;
    stretched(&x, x.mean_keepdim((1, 2, 3))?, contrast)
}

fn translated(x: &Tensor, shift: usize, key: Key) -> TensorResult<Tensor> {
    let (batch, _, height, width) = x.dims4()?;
    let mut rng = key.rng();
    let padded = x.pad_with_zeros(2, shift, shift)?.pad_with_zeros(3, shift, shift)?;
    let moved = (0..batch).map(|image| {
        let (down, right) = (below(&mut rng, 2 * shift + 1), below(&mut rng, 2 * shift + 1));
        padded.narrow(0, image, 1)?.narrow(2, down, height)?.narrow(3, right, width)
    });
    Tensor::cat(&moved.collect::<TensorResult<Vec<_>>>()?, 0)
}

/// `(B, 1, R, R)`: 1, and 0 in a square of `hole` pixels whose centre may be anywhere.
fn holes(like: &Tensor, hole: usize, key: Key) -> TensorResult<Tensor> {
    let (batch, _, height, width) = like.dims4()?;
    let mut rng = key.rng();
    let mut mask = vec![1f32; batch * height * width];
    for mask in mask.chunks_exact_mut(height * width) {
        let (top, left) = (below(&mut rng, height), below(&mut rng, width));
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::rng::normal;

    const ALL: AugmentConfig = AugmentConfig { color: 1.0, translation: 0.125, cutout: 0.5 };

    fn images() -> Tensor {
        normal(Key::new(1), (6, 3, 16, 16), DType::F64, &Device::Cpu).unwrap()
    }

    fn numbers(t: &Tensor) -> Vec<f64> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn nothing_by_default_and_the_same_for_the_same_key() -> Result<()> {
        let x = images();
        assert_eq!(numbers(&AugmentConfig::default().apply(&x, Key::new(2))?), numbers(&x));
        let [first, again, other] = [2, 2, 3].map(|seed| numbers(&ALL.apply(&x, Key::new(seed)).unwrap()));
        assert_eq!(first, again);
        assert_ne!(first, other);
        Ok(())
    }

    #[test]
    fn translation_moves_pixels_and_cutout_removes_at_most_a_square() -> Result<()> {
        let x = images();
        let moved = AugmentConfig { translation: 0.125, ..Default::default() }.apply(&x, Key::new(4))?;
        for image in 0..6 {
            let (before, after) = (numbers(&x.get(image)?), numbers(&moved.get(image)?));
            let kept = after.iter().filter(|value| **value != 0.0).count();
            assert!(kept >= 3 * 14 * 14 && after.iter().all(|v| *v == 0.0 || before.contains(v)));
        }
        let cut = AugmentConfig { cutout: 0.5, ..Default::default() }.apply(&x, Key::new(4))?;
        let difference = numbers(&x.sub(&cut)?);
        for image in difference.chunks_exact(3 * 16 * 16) {
            let removed = image.iter().filter(|value| **value != 0.0).count();
            assert!(removed > 0 && removed <= 3 * 8 * 8, "{removed}");
        }
        Ok(())
    }

    /// Every change is linear in the image: the gradient of `sum(r·T(x))` times a step is the change.
    #[test]
    fn gradients_agree_with_finite_differences() -> Result<()> {
        let x = Var::from_tensor(&images())?;
        let r = normal(Key::new(5), (6, 3, 16, 16), DType::F64, &Device::Cpu)?;
        let f = |x: &Tensor| -> Result<Tensor> { Ok(ALL.apply(x, Key::new(6))?.mul(&r)?.sum_all()?) };
        let gradient = gradients(&f(&x)?)?.remove(&x).unwrap();
        let step = normal(Key::new(7), (6, 3, 16, 16), DType::F64, &Device::Cpu)?.affine(1e-3, 0.0)?;
        let change = f(&x.add(&step)?)?.sub(&f(&x.sub(&step)?)?)?.to_scalar::<f64>()? / 2.0;
        let want = gradient.mul(&step)?.sum_all()?.to_scalar::<f64>()?;
        assert!((change - want).abs() < 1e-9, "{change}, expected {want}");
        Ok(())
    }

    #[test]
    fn ranges_are_checked() {
        let wrong = AugmentConfig { cutout: 0.9, ..Default::default() };
        assert!(wrong.check().unwrap_err().to_string().contains("augment.cutout"));
        assert!(ALL.check().is_ok());
    }
}

//! Fade-in: the state of growth, and the blend of a new level with the level below.
//!
//! ProGAN §2 (arXiv:1710.10196). The networks start at 4x4 pixels; each level doubles both sides.
//! While a level fades in, its path has weight `alpha` and the path of the level below, resized,
//! has `1 - alpha`. Generator, discriminator and the real images all blend by
//! these functions.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use t2f_ops::{avg_pool2, fade, to_nchw, to_nhwc, upsample2};

use crate::error::{Result, check_argument};

/// The level that is trained or shown, and the weight of its newest layers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Doublings of 4x4: level 0 is 4x4, level 4 is 64x64 (T2F's `depth`, counted from 0).
    pub level: usize,
    /// Weight of this level's own layers, in `(0, 1]`; 1 when they have faded in. Level 0, which
    /// has nothing below it, ignores it.
    pub alpha: f64,
}

impl Growth {
    /// A level that has faded in.
    pub const fn stable(level: usize) -> Self {
        Self { level, alpha: 1.0 }
    }

    /// The side of an image at this level, in pixels; 0 at a level beyond the range of the type.
    pub const fn resolution(self) -> usize {
        match 4usize.checked_shl(self.level as u32) {
            Some(side) => side,
            None => 0,
        }
    }

    /// Whether two paths are blended.
    pub fn fades(self) -> bool {
        self.level > 0 && self.alpha < 1.0
    }

    /// Checks both ranges.
    ///
    /// # Errors
    /// If the level is above `max_level` or alpha is outside `(0, 1]`.
    pub fn check(self, max_level: usize) -> Result<()> {
        check_argument(self.level <= max_level, "level", self.level, format_args!("at most {max_level}"))?;
        check_argument(
            self.alpha > 0.0 && self.alpha <= 1.0,
            "alpha",
            self.alpha,
            "more than 0 and at most 1",
        )
    }

    /// `alpha·new + (1 - alpha)·old`, where `old` is computed only while it counts.
    ///
    /// # Errors
    /// Those of the two paths; if their shapes differ.
    pub fn blend(self, new: Tensor, old: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        Ok(if self.fades() { fade(&new, &old()?, self.alpha)? } else { new })
    }

    /// Real images at this level: halved to its resolution and, while it fades in, blended with
    /// themselves at the level below.
    ///
    /// # Shapes
    /// `(B, 3, S, S)` → `(B, 3, R, R)`, where S is R times a power of two.
    ///
    /// # Errors
    /// If the images are not square, or cannot be halved to R.
    pub fn reals(self, images: &Tensor) -> Result<Tensor> {
        let (_, _, height, side) = images.dims4()?;
        let r = self.resolution();
        let halvings = side.checked_div(r).and_then(usize::checked_ilog2).unwrap_or(0);
        check_argument(
            height == side && r << halvings == side,
            "image size",
            format_args!("{height}x{side}"),
            format_args!("a square of {r} pixels or a power of two times that"),
        )?;
        if halvings == 0 && !self.fades() {
            return Ok(images.clone());
        }
        let mut x = to_nhwc(images)?;
        for _ in 0..halvings {
            x = avg_pool2(&x)?;
        }
        let x = self.blend(x.clone(), || Ok(upsample2(&avg_pool2(&x)?)?))?;
        Ok(to_nchw(&x)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn reals_are_halved_and_blended_with_the_level_below() -> Result<()> {
        // 16x16, each pixel the number of its column: at 8x8 columns hold 0.5, 2.5, …; at 4x4 1.5, 5.5, …
        let row = Tensor::arange(0f64, 16., &Device::Cpu)?;
        let images = row.broadcast_as((2, 3, 16, 16))?.contiguous()?;
        let real = Growth { level: 1, alpha: 0.25 }.reals(&images)?;
        assert_eq!(real.dims(), [2, 3, 8, 8]);
        let row = real.get(1)?.get(2)?.get(5)?.to_vec1::<f64>()?;
        assert_eq!(
            row[..4],
            [0.25 * 0.5 + 0.75 * 1.5, 0.25 * 2.5 + 0.75 * 1.5, 0.25 * 4.5 + 0.75 * 5.5, 5.75]
        );
        let same = Growth::stable(2).reals(&images)?;
        assert_eq!(same.flatten_all()?.to_vec1::<f64>()?, images.flatten_all()?.to_vec1::<f64>()?);
        Ok(())
    }

    #[test]
    fn sizes_that_cannot_be_halved_are_refused() -> Result<()> {
        let images = |h, w| Tensor::zeros((1, 3, h, w), candle_core::DType::F32, &Device::Cpu);
        for (h, w) in [(12, 12), (4, 4), (8, 16)] {
            let error = Growth::stable(1).reals(&images(h, w)?).unwrap_err().to_string();
            assert!(error.contains("image size"), "{error}");
        }
        assert!(Growth::stable(3).check(2).is_err());
        assert!(Growth { level: 1, alpha: 0.0 }.check(2).is_err());
        Ok(())
    }
}

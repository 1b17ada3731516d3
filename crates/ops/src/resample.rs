//! Halving and doubling a picture, and crossing between NCHW and NHWC.
//!
//! `f32` on the CPU has operators of its own; all else is made of reshapes, broadcasts and means,
//! whose gradients candle computes rightly for tensors with several consumers. Its own
//! `upsample_nearest2d` is not used: its backward overwrites the gradient of its input instead of
//! adding to it.

use candle_core::{Result, Tensor, bail};

use crate::fused;

/// Nearest-neighbour doubling: every pixel becomes 2x2 equal ones.
///
/// # Shapes
/// `(B, H, W, C)` → `(B, 2H, 2W, C)`
///
/// # Errors
/// If `x` is not rank 4.
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if fused::takes(x) {
        return fused::upsample2(x);
    }
    x.reshape((b, h, 1, w, 1, c))?.broadcast_as((b, h, 2, w, 2, c))?.reshape((b, 2 * h, 2 * w, c))
}

/// Average pooling over 2x2 pixels.
///
/// # Shapes
/// `(B, 2H, 2W, C)` → `(B, H, W, C)`
///
/// # Errors
/// If `x` is not rank 4 or a side is odd.
pub fn avg_pool2(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if h % 2 != 0 || w % 2 != 0 {
        bail!("average pooling halves both sides, and {h}x{w} has an odd one");
    }
    if fused::takes(x) {
        return fused::avg_pool2(x);
    }
    x.reshape((b, h / 2, 2, w / 2, 2, c))?.sum((2, 4))?.affine(0.25, 0.0)
}

/// Linear blend `alpha·new + (1 - alpha)·old`, the fade-in of ProGAN (arXiv:1710.10196, §2).
///
/// # Shapes
/// `new`, `old` and the result: equal, any.
///
/// # Errors
/// If the shapes differ.
pub fn fade(new: &Tensor, old: &Tensor, alpha: f64) -> Result<Tensor> {
    if new.dims() == old.dims() && fused::takes(new) && fused::takes(old) {
        return fused::fade(new, old, alpha);
    }
    new.affine(alpha, 0.0)?.add(&old.affine(1.0 - alpha, 0.0)?)
}

/// `(B, C, H, W)` → `(B, H, W, C)`.
///
/// # Errors
/// If `x` is not rank 4.
pub fn to_nhwc(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// `(B, H, W, C)` → `(B, C, H, W)`.
///
/// # Errors
/// If `x` is not rank 4.
pub fn to_nchw(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::gradients;
    use candle_core::{DType, Device, Var};

    #[test]
    fn doubling_then_halving_is_the_identity() -> Result<()> {
        let x = Tensor::arange(0f32, 24., &Device::Cpu)?.reshape((1, 2, 4, 3))?;
        let y = avg_pool2(&upsample2(&x)?)?;
        assert_eq!(x.flatten_all()?.to_vec1::<f32>()?, y.flatten_all()?.to_vec1::<f32>()?);
        assert!(avg_pool2(&Tensor::zeros((1, 3, 2, 1), DType::F32, &Device::Cpu)?).is_err());
        Ok(())
    }

    /// `d/dx of sum(upsample(x)) + sum(3x)` is 7, whichever term comes first.
    #[test]
    fn upsampled_tensor_with_two_consumers_gets_both_gradients() -> Result<()> {
        for upsampled_first in [true, false] {
            let x = Var::ones((1, 2, 2, 1), DType::F32, &Device::Cpu)?;
            let up = upsample2(&x)?.sum_all()?;
            let other = x.affine(3.0, 0.0)?.sum_all()?;
            let loss = if upsampled_first { up.add(&other)? } else { other.add(&up)? };
            let gradient = gradients(&loss)?.remove(&x).unwrap();
            assert_eq!(gradient.flatten_all()?.to_vec1::<f32>()?, [7.0; 4]);
        }
        Ok(())
    }
}

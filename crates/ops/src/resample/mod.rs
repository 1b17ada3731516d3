//! Upsampling and average pooling by 2, and conversion between NCHW and NHWC.
//!
//! For `f32` and `bf16`, on the CPU and on NVIDIA GPUs, `upsample2` and `avg_pool2` are operators with kernels.
//! Otherwise they, and always `upsample2_smooth`, are composed of reshapes, broadcasts and sums. candle's `upsample_nearest2d` is not used: its backward
//! overwrites the gradient of its input instead of adding to it.

pub(crate) mod kernel;
mod operator;

use candle_core::{Result, Tensor, bail};

use crate::cuda;
use crate::graph::accepts;

/// Nearest-neighbour upsampling by 2: `y[b, i, j, c] = x[b, ⌊i/2⌋, ⌊j/2⌋, c]`.
///
/// The generator of ProGAN doubles its feature maps so (Appendix A, arXiv:1710.10196).
///
/// # Shapes
/// `(B, H, W, C)` → `(B, 2H, 2W, C)`
///
/// # Errors
/// If `x` is not rank 4.
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if accepts(x) || cuda::accepts(x) {
        return operator::upsample2(x);
    }
    x.reshape((b, h, 1, w, 1, c))?.broadcast_as((b, h, 2, w, 2, c))?.reshape((b, 2 * h, 2 * w, c))
}

/// Bilinear upsampling by 2, the filter `[1, 3, 3, 1] / 4` along each axis:
/// `y[2i] = ¾ x[i] + ¼ x[i - 1]` and `y[2i + 1] = ¾ x[i] + ¼ x[i + 1]`, with the border repeated.
///
/// StyleGAN2 upsamples with this filter (arXiv:1912.04958, §4 and its code). Composed of candle's operators:
/// differentiable to every order.
///
/// # Shapes
/// `(B, H, W, C)` → `(B, 2H, 2W, C)`, both sides at least 2
///
/// # Errors
/// If `x` is not rank 4 or a side is below 2.
pub fn upsample2_smooth(x: &Tensor) -> Result<Tensor> {
    let (_, h, w, _) = x.dims4()?;
    if h < 2 || w < 2 {
        bail!("bilinear upsampling by 2 needs sides of at least 2, and the image is {h}x{w}");
    }
    let mut x = x.clone();
    for axis in [1, 2] {
        let mut shape = x.dims().to_vec();
        let last = shape[axis] - 1;
        let (first, inner) = (x.narrow(axis, 0, 1)?, x.narrow(axis, 0, last)?);
        let before = Tensor::cat(&[first, inner], axis)?;
        let after = Tensor::cat(&[x.narrow(axis, 1, last)?, x.narrow(axis, last, 1)?], axis)?;
        let near = x.affine(0.75, 0.0)?;
        let [even, odd] = [before, after].map(|other| near.add(&other.affine(0.25, 0.0)?));
        shape[axis] *= 2;
        x = Tensor::stack(&[even?, odd?], axis + 1)?.reshape(shape)?;
    }
    Ok(x)
}

/// Average pooling over 2x2 pixels: `y[b, i, j, c] = ¼ Σ_{k,l ∈ {0,1}} x[b, 2i + k, 2j + l, c]`.
///
/// The discriminator of ProGAN halves its feature maps so (Appendix A, arXiv:1710.10196).
///
/// # Shapes
/// `(B, 2H, 2W, C)` → `(B, H, W, C)`
///
/// # Errors
/// If `x` is not rank 4 or a side is odd.
pub fn avg_pool2(x: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if h % 2 != 0 || w % 2 != 0 {
        bail!("average pooling by 2 needs even sides, and the image is {h}x{w}");
    }
    if accepts(x) || cuda::accepts(x) {
        return operator::avg_pool2(x);
    }
    x.reshape((b, h / 2, 2, w / 2, 2, c))?.sum((2, 4))?.affine(0.25, 0.0)
}

/// Images with channels last: `(B, C, H, W)` → `(B, H, W, C)`.
///
/// # Errors
/// If `x` is not rank 4.
pub fn to_nhwc(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// Images with channels first: `(B, H, W, C)` → `(B, C, H, W)`.
///
/// # Errors
/// If `x` is not rank 4.
pub fn to_nchw(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}

//! Minibatch standard deviation.

mod kernel;
mod operator;

use candle_core::{Result, Tensor, bail};

use crate::graph::{accepts, widened};

/// Appends one channel with the mean standard deviation of a group of images.
///
/// In each group of `group` images, the biased standard deviation `sqrt(var + 1e-8)` of every
/// feature at every pixel is averaged over features and pixels to one scalar, which fills the new
/// channel: ProGAN §3 (arXiv:1710.10196). T2F averages over channels only and keeps a map; this is
/// the scalar of the paper.
///
/// # Shapes
/// `(B, H, W, C)` → `(B, H, W, C + 1)`; `B` is a multiple of `group`.
///
/// # Errors
/// If `x` is not rank 4 or `group` does not divide `B`.
pub fn minibatch_stddev(x: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if group == 0 || b % group != 0 {
        bail!(
            "minibatch stddev needs groups of equal size, and {b} images do not divide into groups of {group}"
        );
    }
    if accepts(x) {
        return operator::minibatch_stddev(x, group);
    }
    let y = widened(x)?.reshape((b / group, group, h * w * c))?; // (B / G, G, H·W·C)
    let y = y.broadcast_sub(&y.mean_keepdim(1)?)?;
    let deviation = y.sqr()?.mean(1)?.affine(1.0, 1e-8)?.sqrt()?.mean_keepdim(1)?; // (B / G, 1)
    let map =
        deviation.broadcast_as((b / group, group))?.reshape((b, 1, 1, 1))?.broadcast_as((b, h, w, 1))?;
    Tensor::cat(&[x, &map.contiguous()?.to_dtype(x.dtype())?], 3)
}

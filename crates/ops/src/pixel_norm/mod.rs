//! Pixelwise feature normalization, alone and with a condition's scale and shift.

mod kernel;
mod operator;

use candle_core::{D, DType, Result, Tensor, bail};

use crate::cuda;
use crate::graph::{accepts, widened};

/// Pixelwise feature normalization: `y = x / sqrt(mean_c(x²) + 1e-8)`.
///
/// ProGAN §4.2 (arXiv:1710.10196). The mean is over the channels of each pixel.
///
/// # Shapes
/// `x` and result: `(…, C)`, channels last.
///
/// # Errors
/// If `x` is a scalar.
pub fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    if (accepts(x) || cuda::accepts(x)) && x.rank() > 0 {
        return operator::pixel_norm(x);
    }
    let wide = widened(x)?;
    let mean_square = wide.sqr()?.mean_keepdim(D::Minus1)?;
    wide.broadcast_div(&mean_square.affine(1.0, 1e-8)?.sqrt()?)?.to_dtype(x.dtype())
}

/// Pixel norm with a scale and a shift of each channel: `(1 + gamma) · pixel_norm(x) + beta`.
///
/// With gamma and beta from a condition this is the affine modulation of DF-GAN §3.4
/// (arXiv:2008.05865).
///
/// # Shapes
/// `x` and result: `(B, H, W, C)`; `affine`: `(B, 2C)`, gamma then beta.
///
/// # Errors
/// If a shape does not fit.
pub fn modulated_pixel_norm(x: &Tensor, affine: &Tensor) -> Result<Tensor> {
    let (b, _, _, c) = x.dims4()?;
    if affine.dims() != [b, 2 * c] {
        bail!("modulation of {:?} (B, H, W, C) by {:?}, expected (B, 2C)", x.dims(), affine.dims());
    }
    let both = |accepts: fn(&Tensor) -> bool| accepts(x) && accepts(affine);
    if (both(accepts) || both(cuda::accepts)) && affine.dtype() == DType::F32 {
        return operator::modulated_pixel_norm(x, affine);
    }
    let wide = widened(x)?;
    let (gamma, beta) = operator::gamma_beta(&affine.to_dtype(wide.dtype())?)?;
    let y = pixel_norm(&wide)?.broadcast_mul(&gamma.affine(1.0, 1.0)?)?.broadcast_add(&beta)?;
    y.to_dtype(x.dtype())
}

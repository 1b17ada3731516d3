//! Pixel norm and modulated pixel norm in candle's graph.

use candle_core::{D, Result, Tensor};

use super::kernel;
use crate::cpu::Level;
use crate::graph::{Operator, apply, records, with_values};

/// [`super::pixel_norm`] of a tensor of rank 1 or more that [`crate::graph::accepts`].
pub(crate) fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    apply(PixelNorm(x.dim(D::Minus1)?), x.shape(), [x])
}

/// [`super::modulated_pixel_norm`] of tensors that [`crate::graph::accepts`] and whose shapes fit.
pub(crate) fn modulated_pixel_norm(x: &Tensor, affine: &Tensor) -> Result<Tensor> {
    let (batch, _, _, channels) = x.dims4()?;
    apply(ModulatedPixelNorm { batch, channels }, x.shape(), [x, affine])
}

/// `x / rms(x)` over the given number of channels.
struct PixelNorm(usize);

impl Operator<1> for PixelNorm {
    const NAME: &'static str = "pixel-norm";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(kernel::pixel_norm(Level::detect(), x, None, self.0))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if records() {
            return Ok([Some(pixel_norm_gradient(x, &reciprocal_rms(x)?, g)?)]);
        }
        let dx = with_values([x, g], |[x, g]| kernel::pixel_norm(Level::detect(), x, Some(g), self.0))?;
        Ok([Some(Tensor::from_vec(dx, x.shape(), x.device())?)])
    }
}

/// `1 / sqrt(mean(x²) + 1e-8)` over the last dimension, composed of candle's operators.
fn reciprocal_rms(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.mean_keepdim(D::Minus1)?.affine(1.0, 1e-8)?.sqrt()?.recip()
}

/// The gradient `r·g - r³·mean(x·g)·x`, composed of candle's operators.
fn pixel_norm_gradient(x: &Tensor, r: &Tensor, g: &Tensor) -> Result<Tensor> {
    let along = x.mul(g)?.mean_keepdim(D::Minus1)?.mul(&r.sqr()?.mul(r)?)?;
    g.broadcast_mul(r)?.sub(&x.broadcast_mul(&along)?)
}

/// `(1 + gamma) · x / rms(x) + beta`, as a function of `x` and of gamma and beta in one `(B, 2C)`.
struct ModulatedPixelNorm {
    batch: usize,
    channels: usize,
}

impl Operator<2> for ModulatedPixelNorm {
    const NAME: &'static str = "modulated-pixel-norm";

    fn forward(&self, [x, affine]: [&[f32]; 2]) -> Result<Vec<f32>> {
        Ok(kernel::modulated_pixel_norm(Level::detect(), x, affine, self.batch, self.channels))
    }

    fn backward(
        &self,
        [x, affine]: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if records() {
            let (r, (gamma, _)) = (reciprocal_rms(x)?, gamma_beta(affine)?);
            let dx = pixel_norm_gradient(x, &r, &g.broadcast_mul(&gamma.affine(1.0, 1.0)?)?)?;
            let dgamma = g.mul(&x.broadcast_mul(&r)?)?.sum((1, 2))?;
            return Ok([Some(dx), Some(Tensor::cat(&[dgamma, g.sum((1, 2))?], 1)?)]);
        }
        let (dx, d_affine) = with_values([x, affine, g], |[x, affine, g]| {
            kernel::modulated_pixel_norm_gradient(Level::detect(), x, affine, g, self.batch, self.channels)
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok([Some(dx), Some(Tensor::from_vec(d_affine, affine.shape(), x.device())?)])
    }
}

/// The two halves of `(B, 2C)`, each as `(B, 1, 1, C)`.
pub(crate) fn gamma_beta(affine: &Tensor) -> Result<(Tensor, Tensor)> {
    let (b, both) = affine.dims2()?;
    let affine = affine.reshape((b, 1, 1, both))?;
    Ok((affine.narrow(3, 0, both / 2)?, affine.narrow(3, both / 2, both / 2)?))
}

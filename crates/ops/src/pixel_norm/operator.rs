//! Pixel norm and modulated pixel norm in candle's graph.

use candle_core::{CpuStorage, D, Result, Tensor, bail};

use super::kernel;
use crate::cpu::Level;
use crate::cuda::{self, Launch};
use crate::graph::{
    Elements, Operator, apply, from_storage, of_one_type, records, values, widened, with_elements,
};

/// [`super::pixel_norm`] of a tensor of rank 1 or more that [`crate::graph::accepts`].
pub(crate) fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    apply(PixelNorm(x.dim(D::Minus1)?), x.shape(), [x])
}

/// [`super::modulated_pixel_norm`] of tensors that [`crate::graph::accepts`] and whose shapes fit.
pub(crate) fn modulated_pixel_norm(x: &Tensor, affine: &Tensor) -> Result<Tensor> {
    let (batch, height, width, channels) = x.dims4()?;
    apply(ModulatedPixelNorm { batch, pixels: height * width, channels }, x.shape(), [x, affine])
}

/// `x / rms(x)` over the given number of channels.
struct PixelNorm(usize);

impl Operator<1> for PixelNorm {
    const NAME: &'static str = "pixel-norm";

    fn forward(&self, [x]: [Elements; 1]) -> Result<CpuStorage> {
        of_one_type!(x => kernel::pixel_norm(Level::detect(), x, None, self.0))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::of_pixels("pixel_norm", [self.0]))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        if records() {
            let dtype = x.dtype();
            let (x, g) = (widened(x)?, widened(g)?);
            let dx = pixel_norm_gradient(&x, &reciprocal_rms(&x)?, &g)?;
            return Ok([Some(dx.to_dtype(dtype)?)]);
        }
        Ok([Some(apply(PixelNormGradient(self.0), x.shape(), [x, g])?)])
    }
}

/// The gradient of [`PixelNorm`] where none of a higher order is recorded.
struct PixelNormGradient(usize);

impl Operator<2> for PixelNormGradient {
    const NAME: &'static str = "pixel-norm-gradient";

    fn forward(&self, [x, g]: [Elements; 2]) -> Result<CpuStorage> {
        of_one_type!(x, g => kernel::pixel_norm(Level::detect(), x, Some(g), self.0))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::of_pixels("pixel_norm_gradient", [self.0]))
    }

    fn backward(&self, _: [&Tensor; 2], _: &Tensor, _: &Tensor, _: [bool; 2]) -> Result<[Option<Tensor>; 2]> {
        bail!("a gradient that was not recorded")
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
    /// Of an image.
    pixels: usize,
    channels: usize,
}

impl Operator<2> for ModulatedPixelNorm {
    const NAME: &'static str = "modulated-pixel-norm";

    fn forward(&self, [x, affine]: [Elements; 2]) -> Result<CpuStorage> {
        let [affine] = values([affine])?;
        of_one_type!(x => kernel::modulated_pixel_norm(Level::detect(), x, affine, self.batch, self.channels))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::of_pixels("modulated_pixel_norm", [self.channels, self.pixels]))
    }

    fn backward(
        &self,
        [x, affine]: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if records() {
            let dtype = x.dtype();
            let (x, g) = (widened(x)?, widened(g)?);
            let (r, (gamma, _)) = (reciprocal_rms(&x)?, gamma_beta(affine)?);
            let dx = pixel_norm_gradient(&x, &r, &g.broadcast_mul(&gamma.affine(1.0, 1.0)?)?)?;
            let dgamma = g.mul(&x.broadcast_mul(&r)?)?.sum((1, 2))?;
            let d_affine = Tensor::cat(&[dgamma, g.sum((1, 2))?], 1)?;
            return Ok([Some(dx.to_dtype(dtype)?), Some(d_affine)]);
        }
        if cuda::has_kernels(x.device()) {
            let dx = ModulatedPixelNormGradient { pixels: self.pixels, channels: self.channels };
            let dx = apply(dx, x.shape(), [x, affine, g])?;
            let (normal, g) = (widened(&pixel_norm(x)?)?, widened(g)?);
            let d_affine = Tensor::cat(&[normal.mul(&g)?.sum((1, 2))?, g.sum((1, 2))?], 1)?;
            return Ok([Some(dx), Some(d_affine)]);
        }
        let mut d_affine = vec![0.0; affine.elem_count()];
        let dx = with_elements([x, affine, g], |[x, affine, g]| {
            let ([affine], sizes, d_affine) = (values([affine])?, (self.batch, self.channels), &mut d_affine);
            of_one_type!(x, g => {
                kernel::modulated_pixel_norm_gradient(Level::detect(), x, affine, g, sizes, d_affine)
            })
        })??;
        let d_affine = Tensor::from_vec(d_affine, affine.shape(), affine.device())?;
        Ok([Some(from_storage(dx, x.shape())?), Some(d_affine)])
    }
}

/// The gradient of the images of [`ModulatedPixelNorm`] on a GPU, where none of a higher order is recorded.
struct ModulatedPixelNormGradient {
    /// Of an image.
    pixels: usize,
    channels: usize,
}

impl Operator<3> for ModulatedPixelNormGradient {
    const NAME: &'static str = "modulated-pixel-norm-gradient";

    fn forward(&self, _: [Elements; 3]) -> Result<CpuStorage> {
        bail!("the CPU computes both gradients at once")
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::of_pixels("modulated_pixel_norm_gradient", [self.channels, self.pixels]))
    }

    fn backward(&self, _: [&Tensor; 3], _: &Tensor, _: &Tensor, _: [bool; 3]) -> Result<[Option<Tensor>; 3]> {
        bail!("a gradient that was not recorded")
    }
}

/// The two halves of `(B, 2C)`, each as `(B, 1, 1, C)`.
pub(crate) fn gamma_beta(affine: &Tensor) -> Result<(Tensor, Tensor)> {
    let (b, both) = affine.dims2()?;
    let affine = affine.reshape((b, 1, 1, both))?;
    Ok((affine.narrow(3, 0, both / 2)?, affine.narrow(3, both / 2, both / 2)?))
}

//! Pixelwise feature normalisation and minibatch standard deviation.

use candle_core::{DType, Result, Tensor, bail};

use crate::fused;

/// Pixelwise feature normalisation.
///
/// `b = a / sqrt(mean_c(a²) + 1e-8)`, ProGAN §4.2 (arXiv:1710.10196).
///
/// # Shapes
/// `x` and result: `(…, C)`, channels last.
///
/// # Errors
/// If `x` is a scalar.
pub fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    if fused::takes(x) && x.rank() > 0 {
        return fused::pixel_norm(x);
    }
    let mean_square = x.sqr()?.mean_keepdim(candle_core::D::Minus1)?;
    x.broadcast_div(&mean_square.affine(1.0, 1e-8)?.sqrt()?)
}

/// [`pixel_norm`], then a scale and a shift of each channel: `(1 + gamma) · pixel_norm(x) + beta`,
/// the affine by which a condition reaches a feature map (DF-GAN, arXiv:2008.05865, §3.4).
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
    if fused::takes(x) && fused::takes(affine) {
        return fused::modulated_pixel_norm(x, affine);
    }
    let (gamma, beta) = gamma_beta(affine)?;
    pixel_norm(x)?.broadcast_mul(&gamma.affine(1.0, 1.0)?)?.broadcast_add(&beta)
}

/// Both halves of `(B, 2C)` as `(B, 1, 1, C)`.
pub(crate) fn gamma_beta(affine: &Tensor) -> Result<(Tensor, Tensor)> {
    let (b, both) = affine.dims2()?;
    let affine = affine.reshape((b, 1, 1, both))?;
    Ok((affine.narrow(3, 0, both / 2)?, affine.narrow(3, both / 2, both / 2)?))
}

/// Appends one channel that holds how much the images of a group differ.
///
/// In each group of `group` images the biased standard deviation `sqrt(var + 1e-8)` of every
/// feature at every pixel is averaged over features and pixels into one scalar, which becomes a
/// constant map: ProGAN §3 (arXiv:1710.10196). T2F averages over channels only and keeps a map;
/// the paper's scalar is used here.
///
/// # Shapes
/// `(B, H, W, C)` → `(B, H, W, C + 1)`; `B` is a multiple of `group`.
///
/// # Errors
/// If `x` is not rank 4 or `group` does not divide `B`.
pub fn minibatch_stddev(x: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    if group == 0 || b % group != 0 {
        bail!("minibatch stddev needs groups of equal size: {b} images, groups of {group}");
    }
    if fused::takes(x) {
        return fused::minibatch_stddev(x, group);
    }
    let y = x.reshape((b / group, group, h * w * c))?; // (B / G, G, H·W·C)
    let y = y.broadcast_sub(&y.mean_keepdim(1)?)?;
    let deviation = y.sqr()?.mean(1)?.affine(1.0, 1e-8)?.sqrt()?.mean_keepdim(1)?; // (B / G, 1)
    let map =
        deviation.broadcast_as((b / group, group))?.reshape((b, 1, 1, 1))?.broadcast_as((b, h, w, 1))?;
    Tensor::cat(&[x, &map.contiguous()?], 3)
}

/// `Σ x²`: not finite if a number of `x` is not, or if one is so large that its square is not.
///
/// # Errors
/// If the device fails.
pub fn sum_of_squares(x: &Tensor) -> Result<f32> {
    match fused::takes(x) {
        true => fused::sum_of_squares(x),
        false => x.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn sum_of_squares_adds_all_and_shows_what_is_not_finite() -> Result<()> {
        for dtype in [DType::F32, DType::F64] {
            let x = Tensor::arange(0f32, 100_000., &Device::Cpu)?.affine(1e-3, 0.0)?.to_dtype(dtype)?;
            let want = (0..100_000).map(|i| (f64::from(i) * 1e-3).powi(2)).sum::<f64>();
            let got = f64::from(sum_of_squares(&x.reshape((1000, 100))?.t()?)?);
            assert!((got / want - 1.0).abs() < 1e-4, "{got}, expected {want}");
            for bad in [f64::NAN, f64::INFINITY] {
                let hole = Tensor::new(&[bad], &Device::Cpu)?.to_dtype(dtype)?;
                assert!(!sum_of_squares(&Tensor::cat(&[&x, &hole, &x], 0)?)?.is_finite());
            }
        }
        Ok(())
    }

    #[test]
    fn pixel_norm_gives_unit_mean_square() -> Result<()> {
        let x = Tensor::new(&[3f32, 4.], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
        let y = pixel_norm(&x)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
        assert!((y - 1.0).abs() < 1e-6, "{y}");
        Ok(())
    }

    /// Two images, one pixel, two channels: values differ by 2 and by 4, so the deviations are 1
    /// and 2 and their mean is 1.5.
    #[test]
    fn minibatch_stddev_appends_the_mean_deviation_of_each_group() -> Result<()> {
        let x = Tensor::new(&[0f32, 0., 2., 4., 7., 7., 7., 7.], &Device::Cpu)?.reshape((4, 1, 1, 2))?;
        let y = minibatch_stddev(&x, 2)?;
        assert_eq!(y.dims(), [4, 1, 1, 3]);
        let last = y.narrow(3, 2, 1)?.flatten_all()?.to_vec1::<f32>()?;
        for (got, want) in last.iter().zip([1.5, 1.5, 1e-4, 1e-4]) {
            assert!((got - want).abs() < 1e-6, "{last:?}");
        }
        assert!(minibatch_stddev(&x, 3).is_err());
        Ok(())
    }
}

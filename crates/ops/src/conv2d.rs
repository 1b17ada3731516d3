//! Two-dimensional convolution, NHWC, stride 1, with the forms that ProGAN's layers are made of.

use candle_core::{Result, Tensor, bail};

use crate::activation::leaky_relu;
use crate::fused;
use crate::resample::upsample2;

/// What a convolution does besides its sum of products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvOptions {
    /// Zeros on each side of the picture: 1 keeps the size for 3x3, 0 for 1x1.
    pub padding: usize,
    /// Weights are used as `scale · w`: the equalized learning rate of ProGAN §4.1.
    pub scale: f64,
    /// Whether the input is doubled (nearest neighbour) first.
    pub upsample: bool,
    /// Slope of the leaky rectifier after the bias; none leaves the result linear.
    pub slope: Option<f64>,
}

impl Default for ConvOptions {
    /// No padding, no scaling, no upsampling, linear.
    fn default() -> Self {
        Self { padding: 0, scale: 1.0, upsample: false, slope: None }
    }
}

/// `lrelu(conv(up(x), scale·w) + bias)`, each part as the options say.
///
/// Closed under differentiation: gradients of gradients are exact, to any order.
///
/// # Shapes
/// `x`: `(B, H, W, I)`, `w`: `(K, K, I, O)`, `bias`: `(O)`; result:
/// `(B, H + 2·padding - K + 1, W + 2·padding - K + 1, O)`, after upsampling.
///
/// # Errors
/// If a shape does not fit.
pub fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
    let fits = match (x.dims(), w.dims()) {
        ([_, h, wd, i], [k, k2, wi, o]) => {
            let smallest = (*h).min(*wd) << usize::from(options.upsample);
            k == k2
                && i == wi
                && smallest + 2 * options.padding >= *k
                && bias.is_none_or(|b| b.dims() == [*o])
        }
        _ => false,
    };
    let slope = options.slope.is_none_or(|slope| (0.0..1.0).contains(&slope));
    if fits && slope && fused::takes(x) && fused::takes(w) && bias.is_none_or(fused::takes) {
        return fused::conv2d(x, w, bias, options);
    }
    portable(x, w, bias, options) // which also says what does not fit
}

/// [`conv2d`] made of candle's own operators, for any device and floating type: the patches of the
/// padded picture as rows of a matrix, times the weights.
///
/// # Shapes
/// As [`conv2d`].
///
/// # Errors
/// If a shape does not fit.
pub fn portable(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
    let x = if options.upsample { upsample2(x)? } else { x.clone() };
    let (b, height, width, i) = x.dims4()?;
    let (k, k2, wi, o) = w.dims4()?;
    if k != k2 || wi != i {
        bail!("convolution of {:?} (B, H, W, I) with weights {:?} (K, K, I, O)", x.dims(), w.dims());
    }
    let p = options.padding;
    if height + 2 * p < k || width + 2 * p < k {
        bail!("a {k}x{k} kernel does not fit a {height}x{width} picture with padding {p}");
    }
    let (h, wd) = (height + 2 * p + 1 - k, width + 2 * p + 1 - k);
    let x = if p > 0 { x.pad_with_zeros(1, p, p)?.pad_with_zeros(2, p, p)? } else { x };
    let patches = if k == 1 {
        x
    } else {
        let shifted =
            (0..k * k).map(|at| x.narrow(1, at / k, h)?.narrow(2, at % k, wd)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&shifted, 3)? // (B, H', W', K·K·I)
    };
    let weights = w.reshape((k * k * i, o))?.affine(options.scale, 0.0)?;
    let mut y = patches.reshape((b * h * wd, k * k * i))?.matmul(&weights)?;
    if let Some(bias) = bias {
        if bias.dims() != [o] {
            bail!("bias {:?} of a convolution to {o} channels, expected ({o})", bias.dims());
        }
        y = y.broadcast_add(bias)?;
    }
    if let Some(slope) = options.slope {
        y = leaky_relu(&y, slope)?;
    }
    y.reshape((b, h, wd, o))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// A 2x2 picture of 1 2 / 3 4 under a 3x3 kernel of ones sums to 10 everywhere; scale 0.5,
    /// bias -6 and slope 0.2 make it 0.2·(5 - 6).
    #[test]
    fn hand_computed_value() -> Result<()> {
        let x = Tensor::new(&[1f32, 2., 3., 4.], &Device::Cpu)?.reshape((1, 2, 2, 1))?;
        let w = Tensor::ones((3, 3, 1, 1), candle_core::DType::F32, &Device::Cpu)?;
        let bias = Tensor::new(&[-6f32], &Device::Cpu)?;
        let options = ConvOptions { padding: 1, scale: 0.5, upsample: false, slope: Some(0.2) };
        let y = conv2d(&x, &w, Some(&bias), options)?;
        assert_eq!(y.dims(), [1, 2, 2, 1]);
        for value in y.flatten_all()?.to_vec1::<f32>()? {
            assert!((value + 0.2).abs() < 1e-6, "{value}");
        }
        Ok(())
    }
}

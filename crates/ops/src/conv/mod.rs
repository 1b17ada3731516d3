//! Two-dimensional convolution of NHWC images with stride 1, in the forms that the layers of ProGAN
//! use: scaled weights, upsampling before, bias and leaky rectifier after.

#[cfg(any(feature = "cudnn", test))]
mod cudnn;
mod direct;
mod kernel;
mod operator;
mod options;
mod patches;
mod shapes;
mod tile;
mod winograd;

use candle_core::{DType, Result, Tensor, bail};

use crate::activation::leaky_relu;
use crate::graph::accepts;
use crate::resample::upsample2;

pub use options::ConvOptions;

/// Convolution with optional upsampling, bias and leaky rectifier: `lrelu(conv(up(x), scale·w) + b)`.
///
/// `y[b, i, j, o] = lrelu(Σ_{k,l,c} scale · w[k, l, c, o] · u[b, i + k - p, j + l - p, c] + b[o])`, where
/// `u` is `x`, upsampled if the options say so and zero outside the image, and `p` the padding. As in
/// all deep-learning libraries this is cross-correlation. Gradients of every order are exact.
///
/// `x` and the result are `f32` or `bf16`, the weights and the bias `f32`. Where both `x` and the result are
/// `bf16`, the operands of all products are rounded to `bf16`, those of the gradients as well. Sums are of
/// `f32` in any case, and gradients of the weights and the bias are `f32`. With AMX a 3x3 convolution of
/// `bf16` runs on its tiles, without it as one of `f32` of the rounded operands; the two differ by the
/// rounding of sums of K products, `K·2⁻²⁴·Σ|a·b|`, before the result is rounded.
///
/// ```
/// use t2f_ops::{ConvOptions, DType, Device, Tensor, conv2d};
///
/// let x = Tensor::ones((1, 4, 4, 3), DType::F32, &Device::Cpu)?;
/// let w = Tensor::ones((3, 3, 3, 8), DType::F32, &Device::Cpu)?;
/// let y = conv2d(&x, &w, None, ConvOptions { padding: 1, ..ConvOptions::default() })?;
/// assert_eq!(y.dims(), [1, 4, 4, 8]);
/// # Ok::<(), t2f_ops::Error>(())
/// ```
///
/// # Shapes
/// `x`: `(B, H, W, I)`, `w`: `(K, K, I, O)`, `bias`: `(O)`; result:
/// `(B, H' + 2·padding - K + 1, W' + 2·padding - K + 1, O)`, where `H'` and `W'` are the sides after
/// upsampling.
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
    let result = options.dtype.is_none_or(|dtype| matches!(dtype, DType::F32 | DType::BF16));
    let parameter = |t: &Tensor| accepts(t) && t.dtype() == DType::F32;
    if fits && slope && result && accepts(x) && parameter(w) && bias.is_none_or(parameter) {
        return operator::conv2d(x, w, bias, options);
    }
    conv2d_portable(x, w, bias, options) // its errors name the shape that does not fit
}

/// The reference form of [`conv2d`], composed of candle's operators, for any device and floating
/// type: a matrix of the padded image's patches times the weights.
///
/// With the feature `cudnn` the convolution alone is cuDNN's on an NVIDIA GPU, in `f32` and `bf16`.
///
/// # Shapes
/// As [`conv2d`].
///
/// # Errors
/// If a shape does not fit.
pub fn conv2d_portable(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    options: ConvOptions,
) -> Result<Tensor> {
    #[cfg(feature = "cudnn")]
    if x.device().is_cuda() && matches!(x.dtype(), DType::F32 | DType::BF16) {
        return composed(x, w, bias, options, cudnn::convolve);
    }
    composed(x, w, bias, options, by_patches)
}

/// The convolution of images and weights of one type, with a padding.
type Convolve = fn(&Tensor, &Tensor, usize) -> Result<Tensor>;

/// What precedes and follows the convolution alone, of candle's operators.
fn composed(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    options: ConvOptions,
    convolve: Convolve,
) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = if options.upsample { upsample2(x)? } else { x.clone() };
    let (_, height, width, i) = x.dims4()?;
    let (k, k2, wi, o) = w.dims4()?;
    if k != k2 || wi != i {
        bail!("convolution of {:?} (B, H, W, I) with weights {:?} (K, K, I, O)", x.dims(), w.dims());
    }
    let p = options.padding;
    if height + 2 * p < k || width + 2 * p < k {
        bail!("a {k}x{k} kernel does not fit a {height}x{width} image with padding {p}");
    }
    let weights = w.affine(options.scale, 0.0)?.to_dtype(dtype)?;
    let mut y = convolve(&x, &weights, p)?.to_dtype(options.dtype.unwrap_or(dtype))?;
    if let Some(bias) = bias {
        if bias.dims() != [o] {
            bail!("bias {:?} of a convolution to {o} channels, expected ({o})", bias.dims());
        }
        #[cfg(feature = "cuda")]
        if let (Some(slope), true) = (options.slope, crate::cuda::accepts(&y)) {
            return crate::activation::bias_lrelu(&y, &bias.to_dtype(y.dtype())?, slope as f32);
        }
        y = y.broadcast_add(&bias.to_dtype(y.dtype())?)?;
    }
    if let Some(slope) = options.slope {
        y = leaky_relu(&y, slope)?;
    }
    Ok(y)
}

/// As a product of the matrix of patches and the weights.
fn by_patches(x: &Tensor, w: &Tensor, padding: usize) -> Result<Tensor> {
    let (b, height, width, i) = x.dims4()?;
    let (k, _, _, o) = w.dims4()?;
    let (p, h, wd) = (padding, height + 2 * padding + 1 - k, width + 2 * padding + 1 - k);
    let x = if p > 0 { x.pad_with_zeros(1, p, p)?.pad_with_zeros(2, p, p)? } else { x.clone() };
    let patches = if k == 1 {
        x
    } else {
        let shifted =
            (0..k * k).map(|at| x.narrow(1, at / k, h)?.narrow(2, at % k, wd)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&shifted, 3)? // (B, H', W', K·K·I)
    };
    let y = patches.reshape((b * h * wd, k * k * i))?.matmul(&w.reshape((k * k * i, o))?)?;
    y.reshape((b, h, wd, o))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::grad::{gradients, input_gradient};
    use crate::rng::{Key, normal};

    /// Values, gradients, and gradients of the input's gradient by the operators for cuDNN against those of
    /// [`conv2d`], where the result has two consumers.
    #[test]
    fn derivatives_of_every_order_are_those_of_the_kernels() -> Result<()> {
        type Conv = fn(&Tensor, &Tensor, &Tensor, ConvOptions) -> Result<Tensor>;
        let by_kernels: Conv = |x, w, bias, options| conv2d(x, w, Some(bias), options);
        let by_cudnn: Conv = |x, w, bias, options| composed(x, w, Some(bias), options, cudnn::convolve);
        for (kernel, padding, upsample) in [(3, 1, false), (3, 1, true), (1, 0, false), (4, 0, false)] {
            let options =
                ConvOptions { padding, upsample, scale: 0.3, slope: Some(0.2), ..ConvOptions::default() };
            let draw = |name: &str, shape: &[usize]| -> Result<Var> {
                Var::from_tensor(&normal(Key::new(1).child(name), shape, DType::F32, &Device::Cpu)?)
            };
            let (x, w) = (draw("x", &[2, 5, 6, 3])?, draw("w", &[kernel, kernel, 3, 4])?);
            let bias = draw("bias", &[4])?;
            let derivatives = |conv: Conv| -> Result<Vec<Vec<f32>>> {
                let y = conv(&x, &w, &bias, options)?;
                let loss = y.mul(&y)?.add(&y)?.sum_all()?;
                let mut all = vec![y.clone()];
                let first = gradients(&loss)?;
                let penalty = gradients(&input_gradient(&loss, &x)?.sqr()?.sum_all()?)?;
                for found in [first, penalty] {
                    all.extend([&x, &w, &bias].into_iter().filter_map(|var| found.get(var)).cloned());
                }
                all.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
            };
            let (want, got) = (derivatives(by_kernels)?, derivatives(by_cudnn)?);
            assert_eq!(got.len(), want.len());
            assert!(got.len() >= 6, "{} tensors", got.len());
            for (which, (got, want)) in got.iter().zip(&want).enumerate() {
                let largest = want.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
                for (got, want) in got.iter().zip(want) {
                    assert!(
                        (got - want).abs() <= 1e-4 * largest,
                        "{options:?}, tensor {which}: {got}, not {want}"
                    );
                }
            }
        }
        Ok(())
    }
}

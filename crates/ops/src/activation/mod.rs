//! Activation functions, composed of candle's operators: differentiable to every order.

#[cfg(any(feature = "cuda", test))]
mod operator;

use candle_core::{Result, Tensor};

#[cfg(any(feature = "cuda", test))]
pub(crate) use operator::bias_lrelu;

/// Leaky rectifier `max(x, slope·x)` for `0 < slope < 1`; its derivative at 0 is `slope`.
///
/// Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
///
/// # Shapes
/// `x` and result: any.
///
/// # Errors
/// If the device fails.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    let mask = x.detach().gt(0.0)?.to_dtype(x.dtype())?.affine(1.0 - slope, slope)?;
    x.mul(&mask)
}

/// Softplus `log(1 + exp(x))`, computed as `max(x, 0) + log(1 + exp(-|x|))`, which is finite for every
/// finite `x`.
///
/// The logistic GAN losses use it: `-log σ(x) = softplus(-x)` (Goodfellow et al., §3,
/// arXiv:1406.2661).
///
/// # Shapes
/// `x` and result: any.
///
/// # Errors
/// If the device fails.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()?.add(&x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?)
}

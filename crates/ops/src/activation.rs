//! Leaky rectifier and the numerically safe logistic functions.

use candle_core::{Result, Tensor};

/// `max(x, slope·x)` for `0 < slope < 1`; the gradient at 0 is `slope`.
///
/// # Errors
/// If the device fails.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    let mask = x.detach().gt(0.0)?.to_dtype(x.dtype())?.affine(1.0 - slope, slope)?;
    x.mul(&mask)
}

/// `log(1 + exp(x))`, as `max(x, 0) + log(1 + exp(-|x|))`: finite for every finite `x`.
///
/// # Errors
/// If the device fails.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()?.add(&x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn softplus_is_finite_at_large_logits() -> Result<()> {
        let x = Tensor::new(&[-200f32, -20., 0., 20., 200.], &Device::Cpu)?;
        let y = softplus(&x)?.to_vec1::<f32>()?;
        assert_eq!((y[0], y[3], y[4]), (0.0, 20.0, 200.0));
        assert!((0.0..1e-8).contains(&y[1]), "{}", y[1]);
        assert!((y[2] - std::f32::consts::LN_2).abs() < 1e-7);
        Ok(())
    }

    #[test]
    fn leaky_relu_keeps_the_positive_and_scales_the_rest() -> Result<()> {
        let x = Tensor::new(&[-2f32, 0., 3.], &Device::Cpu)?;
        assert_eq!(leaky_relu(&x, 0.2)?.to_vec1::<f32>()?, [-0.4, 0., 3.]);
        Ok(())
    }
}

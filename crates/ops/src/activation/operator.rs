//! Bias and leaky rectifier in one kernel for GPUs, and their gradient in another. On the CPU the convolution adds both.

use candle_core::{CpuStorage, Result, Tensor, bail};

use crate::cuda::Launch;
use crate::graph::{Elements, Operator, apply};

/// `lrelu(x + bias)`, with a number of the bias for each channel.
///
/// # Shapes
/// `x`: `(…, C)`, `bias`: `(C)`, of one type; result: that of `x`.
///
/// # Errors
/// If the shapes or types do not fit, or the device fails.
pub(crate) fn bias_lrelu(x: &Tensor, bias: &Tensor, slope: f32) -> Result<Tensor> {
    if x.dims().last() != Some(&bias.elem_count()) || x.dtype() != bias.dtype() {
        bail!("bias {:?} {:?} of {:?} {:?}", bias.dims(), bias.dtype(), x.dims(), x.dtype());
    }
    apply(BiasLrelu { slope, channels: bias.elem_count() }, x.shape(), [x, bias])
}

struct BiasLrelu {
    slope: f32,
    channels: usize,
}

impl Operator<2> for BiasLrelu {
    const NAME: &'static str = "bias-lrelu";

    fn forward(&self, _: [Elements; 2]) -> Result<CpuStorage> {
        bail!("the CPU adds the bias in the convolution")
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("bias_lrelu", [self.slope], [self.channels]))
    }

    fn backward(
        &self,
        _: [&Tensor; 2],
        y: &Tensor,
        g: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let dx = apply(Masked { slope: self.slope }, g.shape(), [g, y])?;
        let db = wanted[1].then(|| dx.reshape(((), self.channels))?.sum(0)).transpose()?;
        Ok([Some(dx), db])
    }
}

/// `g` where `y` is positive, `slope·g` elsewhere. `y` is a constant.
struct Masked {
    slope: f32,
}

impl Operator<2> for Masked {
    const NAME: &'static str = "lrelu-gradient";

    fn forward(&self, _: [Elements; 2]) -> Result<CpuStorage> {
        bail!("the CPU masks gradients in the convolution")
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("masked", [self.slope], []))
    }

    fn backward(
        &self,
        [_, y]: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        Ok([Some(apply(Self { slope: self.slope }, g.shape(), [g, y])?), None])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn a_bias_of_another_size_is_refused() -> Result<()> {
        let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
        let bias = Tensor::zeros(2, DType::F32, &Device::Cpu)?;
        assert!(bias_lrelu(&x, &bias, 0.2).unwrap_err().to_string().contains("bias [2]"));
        Ok(())
    }
}

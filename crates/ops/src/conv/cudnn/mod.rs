//! Convolution on NVIDIA GPUs by cuDNN, in candle's graph.
//!
//! cuDNN has the convolution and its two gradients. They are the three partial derivatives of one trilinear
//! form, so that the backward of each consists of the other two, and gradients of every order are exact. Images
//! are NHWC, as in all of this crate; cuDNN reads weights as `(O, K, K, I)`.

mod form;
#[cfg(feature = "cudnn")]
mod gpu;
#[cfg(test)]
mod host;

#[cfg(feature = "cudnn")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use form::{Convolution, Term};

use crate::conv::shapes::Shapes;
use crate::graph::asked;

/// `conv(x, w)` of images and weights of one type.
///
/// # Shapes
/// `x`: `(B, H, W, I)`, `w`: `(K, K, I, O)`; result: `(B, H', W', O)`.
pub(super) fn convolve(x: &Tensor, w: &Tensor, padding: usize) -> Result<Tensor> {
    let (batch, height, width, inputs) = x.dims4()?;
    let (kernel, _, _, outputs) = w.dims4()?;
    let shapes = Shapes { batch, height, width, inputs, outputs, kernel, padding, up: false };
    let w = w.permute((3, 0, 1, 2))?.contiguous()?;
    x.contiguous()?.apply_op2(&w, Convolution { result: Term::Output, shapes })
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "cudnn-convolution"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        #[cfg(test)]
        return host::compute(self, (a, a_layout), (b, b_layout));
        #[cfg(not(test))]
        {
            let _ = (a, a_layout, b, b_layout);
            candle_core::bail!("{} runs on NVIDIA GPUs alone", self.name())
        }
    }

    #[cfg(feature = "cudnn")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        gpu::compute(self, (a, a_layout), (b, b_layout))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let terms = self.operands();
        // The derivative with respect to one operand is of the other and of the gradient of the result.
        let with_respect_to = |operand: usize| -> Result<Option<Tensor>> {
            if !asked([a, b][operand]) {
                return Ok(None);
            }
            let derivative = Self { result: terms[operand], shapes: self.shapes };
            let tensor = |term: Term| if term == self.result { &gradient } else { [b, a][operand] };
            let [first, second] = derivative.operands().map(tensor);
            first.apply_op2(second, derivative).map(Some)
        };
        Ok((with_respect_to(0)?, with_respect_to(1)?))
    }
}

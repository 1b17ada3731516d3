//! Operators on NVIDIA GPUs, in candle's graph as one node each.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::mode::records;
use super::operator::Operator;
use crate::cuda::{self, Launch};

/// Applies an operator by its kernel.
///
/// # Errors
/// If the device fails.
pub(super) fn apply<const N: usize>(
    op: impl Operator<N>,
    launch: Launch,
    shape: Shape,
    operands: [Tensor; N],
) -> Result<Tensor> {
    // candle's operators have one number of operands: the first stands in for those that are not there.
    let [a, b, c] = [0, 1, 2].map(|at| operands.get(at).unwrap_or(&operands[0]));
    a.apply_op3(b, c, OnGpu { op, launch, shape })
}

struct OnGpu<O, const N: usize>
where
    O: Operator<N>,
{
    op: O,
    launch: Launch,
    /// Of the result.
    shape: Shape,
}

impl<O: Operator<N>, const N: usize> CustomOp3 for OnGpu<O, N> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
        c: &CpuStorage,
        c_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let operands = [(a, a_layout), (b, b_layout), (c, c_layout)];
        Ok((cuda::on_cpu(&self.launch, &operands[..N], &self.shape)?, self.shape.clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
        c: &CudaStorage,
        c_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let operands = [(a, a_layout), (b, b_layout), (c, c_layout)];
        // SAFETY: the launch of an operator states the arguments of its kernel, and operators are applied to operands
        // whose shapes fit.
        #[allow(unsafe_code)]
        let result = unsafe { cuda::run(&self.launch, &operands[..N], &self.shape)? };
        Ok((result, self.shape.clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let operands = [a, b, c];
        let wanted: [bool; N] = std::array::from_fn(|at| operands[at].track_op());
        let kept: [Tensor; N] = std::array::from_fn(|at| match records() {
            true => operands[at].clone(),
            false => operands[at].detach(),
        });
        let gradient = gradient.contiguous()?;
        let gradients =
            cuda::as_here(|| self.op.backward(kept.each_ref(), &result.detach(), &gradient, wanted))?;
        let mut gradients =
            gradients.into_iter().zip(wanted).map(|(gradient, wanted)| gradient.filter(|_| wanted));
        let mut next = || gradients.next().flatten();
        Ok((next(), next(), next()))
    }
}

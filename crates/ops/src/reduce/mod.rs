//! Reductions of tensors to numbers.

mod kernel;

use candle_core::{DType, Result, Tensor};

use crate::cpu::Level;
use crate::graph::{accepts, with_elements};

/// The sum of squares `Σ x²`, a scalar of `f32` on the device of `x`. It is not differentiable.
///
/// The sum is not finite if an element of `x`, or the square of an element, is not finite.
///
/// # Shapes
/// `x`: any; result: `()`.
///
/// # Errors
/// If the device fails.
pub fn sum_of_squares(x: &Tensor) -> Result<Tensor> {
    if accepts(x) {
        let sum = |x: &[f32]| kernel::sum_of_squares(Level::detect(), x);
        let sum = with_elements([&x.contiguous()?], |[x]| x.with_wide(sum))?;
        return Tensor::new(sum, x.device());
    }
    x.detach().to_dtype(DType::F32)?.sqr()?.sum_all()
}

/// The values of scalars. Those of one device are read at once: each read of an accelerator waits until all work
/// before it is done.
///
/// # Errors
/// If a tensor is not a scalar, they are on several devices, or the device fails.
pub fn scalars(tensors: &[Tensor]) -> Result<Vec<f32>> {
    let Some(first) = tensors.first() else { return Ok(Vec::new()) };
    if first.device().is_cpu() {
        return tensors.iter().map(|scalar| scalar.to_dtype(DType::F32)?.to_scalar()).collect();
    }
    let all = tensors.iter().map(|scalar| scalar.detach().to_dtype(DType::F32)?.reshape(1));
    Tensor::cat(&all.collect::<Result<Vec<_>>>()?, 0)?.to_vec1()
}

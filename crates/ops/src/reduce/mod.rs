//! Reductions of a tensor to a number.

mod kernel;

use candle_core::{DType, Result, Tensor};

use crate::cpu::Level;
use crate::graph::{accepts, with_elements};

/// The sum of squares `Σ x²`, as a number. It is not differentiable.
///
/// The sum is not finite if an element of `x`, or the square of an element, is not finite.
///
/// # Shapes
/// `x`: any.
///
/// # Errors
/// If the device fails.
pub fn sum_of_squares(x: &Tensor) -> Result<f32> {
    if accepts(x) {
        let sum = |x: &[f32]| kernel::sum_of_squares(Level::detect(), x);
        return with_elements([&x.contiguous()?], |[x]| x.with_wide(sum));
    }
    x.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()
}

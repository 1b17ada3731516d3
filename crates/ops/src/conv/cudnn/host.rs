//! The kernels of the CPU in place of cuDNN, for the tests of the derivatives.

use candle_core::{CpuStorage, Layout, Result, Shape};

use super::form::{Convolution, Term};
use crate::conv::kernel;
use crate::cpu::Level;

/// In place of cuDNN: the kernels of the CPU, of weights in cuDNN's order.
pub(super) fn compute(
    op: &Convolution,
    (a, a_layout): (&CpuStorage, &Layout),
    (b, b_layout): (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let slice = |storage: &CpuStorage, layout: &Layout| {
        let (start, end) = layout.contiguous_offsets().expect("contiguous operands");
        storage.as_slice::<f32>().map(|values| values[start..end].to_vec())
    };
    let (a, b, s) = (slice(a, a_layout)?, slice(b, b_layout)?, &op.shapes);
    let (taps, level) = (s.kernel * s.kernel * s.inputs, Level::detect());
    // (O, K·K·I) to (K·K·I, O), and back.
    let transposed = |w: &[f32], rows: usize| -> Vec<f32> {
        let columns = w.len() / rows;
        (0..w.len()).map(|at| w[at % rows * columns + at / rows]).collect()
    };
    let result = match op.result {
        Term::Output => {
            let w = transposed(&b, s.outputs);
            kernel::forward(level, s, &a, (&w, 1.0), None, None, None)
        }
        Term::Input => kernel::input_gradient(level, s, (&b, None), (&transposed(&a, s.outputs), 1.0)),
        Term::Weights => transposed(&kernel::weight_gradient(level, s, &a, (&b, None), 1.0), taps),
    };
    Ok((CpuStorage::F32(result), op.shape()))
}

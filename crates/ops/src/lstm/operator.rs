//! The recurrence in candle's graph.

use std::sync::OnceLock;

use candle_core::{CpuStorage, Result, Tensor, bail};

use super::kernel::{self, SavedSequences, Sequences};
use crate::cpu::Level;
use crate::graph::{Elements, Operator, apply, records, values, with_values};

/// [`super::lstm`] of `f32` tensors on the CPU whose shapes fit.
pub(crate) fn lstm(x: &Tensor, w: &Tensor, lengths: &[usize], reverse: bool) -> Result<Tensor> {
    let (batch, steps, width) = x.dims3()?;
    let hidden = width / 4;
    let op = Lstm { lengths: lengths.into(), steps, hidden, reverse, saved: OnceLock::new() };
    apply(op, (batch, steps, hidden), [x, w])
}

/// All steps of the recurrence, as a function of `(x, w)`.
struct Lstm {
    lengths: Box<[usize]>,
    steps: usize,
    hidden: usize,
    reverse: bool,
    saved: OnceLock<SavedSequences>,
}

impl Lstm {
    fn sequences(&self) -> Sequences<'_> {
        let &Self { ref lengths, steps, hidden, reverse, .. } = self;
        Sequences { lengths, steps, hidden, reverse }
    }
}

impl Operator<2> for Lstm {
    const NAME: &'static str = "lstm";

    fn forward(&self, operands: [Elements; 2]) -> Result<CpuStorage> {
        let [x, w] = values(operands)?;
        let (states, saved) = kernel::forward(Level::detect(), &self.sequences(), x, w);
        // A second forward of this operator would save equal values.
        let _ = self.saved.set(saved);
        Ok(CpuStorage::F32(states))
    }

    fn backward(
        &self,
        [x, w]: [&Tensor; 2],
        states: &Tensor,
        g: &Tensor,
        _: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let Some(saved) = self.saved.get() else { bail!("lstm: backward before forward") };
        let (dx, dw) = with_values([states, w, g], |[states, w, g]| {
            kernel::gradient(Level::detect(), &self.sequences(), saved, states, w, g)
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        let dw = Tensor::from_vec(dw, w.shape(), w.device())?;
        if !records() {
            return Ok([Some(dx), Some(dw)]);
        }
        let dx = apply(OnceDifferentiable, x.shape(), [&dx, x])?;
        let dw = apply(OnceDifferentiable, w.shape(), [&dw, w])?;
        Ok([Some(dx), Some(dw)])
    }
}

/// A gradient, as a function of the gradient and its operand: its backward is an error.
struct OnceDifferentiable;

impl Operator<2> for OnceDifferentiable {
    const NAME: &'static str = "lstm-gradient";

    fn forward(&self, operands: [Elements; 2]) -> Result<CpuStorage> {
        let [gradient, _] = values(operands)?;
        Ok(CpuStorage::F32(gradient.to_vec()))
    }

    fn backward(&self, _: [&Tensor; 2], _: &Tensor, _: &Tensor, _: [bool; 2]) -> Result<[Option<Tensor>; 2]> {
        bail!("lstm has no second derivative: a penalty on gradients must not pass through the recurrence")
    }
}

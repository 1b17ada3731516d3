//! A linear layer of which the weights are not equalized.

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use crate::error::Result;

/// `y = x·W + b`, at the learning rate of its optimiser: the weights are not equalized.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor, // (I, O)
    bias: Tensor,   // (O)
}

impl Linear {
    pub fn new(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 1.0 / (inputs as f64).sqrt() };
        Ok(Self {
            weight: vb.get_with_hints((inputs, outputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.weight)?.broadcast_add(&self.bias)?)
    }
}

//! A long short-term memory over padded sequences; padding does not affect the states.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use t2f_ops::{ConvOptions, conv2d, lstm};

/// One or more layers, in one direction or both.
///
/// The gates of a step are `W_ih x + b_ih + W_hh h + b_hh`, see [`lstm`]; `W_ih x` is one product over all
/// steps. There are two biases, as in PyTorch.
#[derive(Debug)]
pub struct Lstm {
    layers: Vec<Vec<Direction>>,
}

#[derive(Debug)]
struct Direction {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    reverse: bool,
}

impl Lstm {
    /// Builds the layers on parameters with the names of PyTorch: `weight_ih_l0`, `weight_hh_l0`,
    /// `bias_ih_l0`, `bias_hh_l0`, with `_reverse` for the backward direction. Initial values are uniform in
    /// `±1/√hidden`.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn new(
        inputs: usize,
        hidden: usize,
        layers: usize,
        bidirectional: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let directions = if bidirectional { &[false, true][..] } else { &[false] };
        let direction = |layer: usize, reverse: bool| -> Result<Direction> {
            let width = if layer == 0 { inputs } else { hidden * directions.len() };
            let suffix = if reverse { "_reverse" } else { "" };
            let get = |kind: &str, shape: &[usize]| {
                vb.get_with_hints(shape, &format!("{kind}_l{layer}{suffix}"), init)
            };
            Ok(Direction {
                weight_ih: get("weight_ih", &[4 * hidden, width])?,
                weight_hh: get("weight_hh", &[4 * hidden, hidden])?,
                bias_ih: get("bias_ih", &[4 * hidden])?,
                bias_hh: get("bias_hh", &[4 * hidden])?,
                reverse,
            })
        };
        let layer =
            |layer| directions.iter().map(|&reverse| direction(layer, reverse)).collect::<Result<_>>();
        Ok(Self { layers: (0..layers).map(layer).collect::<Result<_>>()? })
    }

    /// The hidden states of the last layer at every step; 0 after the end of a sequence.
    ///
    /// # Shapes
    /// `x`: `(B, T, I)`; `lengths`: B numbers of at most T; `mask`: `(B, T, 1)`, 1 before the end of a
    /// sequence and 0 at padding; the result: `(B, T, D·H)` with `D` directions.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn forward(&self, x: &Tensor, lengths: &[usize], mask: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            let states = layer.iter().map(|direction| direction.forward(&x, lengths));
            x = Tensor::cat(&states.collect::<Result<Vec<_>>>()?, 2)?; // (B, T, D·H)
        }
        x.broadcast_mul(mask)
    }
}

impl Direction {
    fn forward(&self, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let (batch, steps, width) = x.dims3()?;
        let gates = self.weight_hh.dim(0)?;
        let weight = self.weight_ih.t()?.reshape((1, 1, width, gates))?;
        let bias = self.bias_ih.add(&self.bias_hh)?;
        let x = x.reshape((batch, steps, 1, width))?;
        let inputs = conv2d(&x, &weight, Some(&bias), ConvOptions::default())?;
        lstm(&inputs.reshape((batch, steps, gates))?, &self.weight_hh, lengths, self.reverse)
    }
}

//! A long short-term memory over padded sequences that padding does not reach.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

/// One or more layers, in one direction or both.
///
/// Per step, with gates in PyTorch's order,
/// `i, f, g, o = split(W_ih x + b_ih + W_hh h + b_hh)`,
/// `c ← σ(f) c + σ(i) tanh(g)`, `h ← σ(o) tanh(c)` (Hochreiter and Schmidhuber, 1997).
///
/// The inputs of all steps go through `W_ih` in one product. At a padded step the state stays what
/// it was, so the backward direction starts at each sequence's last real step.
pub struct Lstm {
    layers: Vec<Vec<Direction>>,
    hidden: usize,
}

struct Direction {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    reverse: bool,
}

impl Lstm {
    /// Parameters named as PyTorch's: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`,
    /// with `_reverse` for the backward direction, uniform in `±1/√hidden`.
    ///
    /// # Errors
    /// If a parameter cannot be had.
    pub fn new(inputs: usize, hidden: usize, layers: usize, bidirectional: bool, vb: VarBuilder) -> Result<Self> {
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let directions = if bidirectional { &[false, true][..] } else { &[false] };
        let direction = |layer: usize, reverse: bool| -> Result<Direction> {
            let width = if layer == 0 { inputs } else { hidden * directions.len() };
            let suffix = if reverse { "_reverse" } else { "" };
            let get = |kind: &str, shape: &[usize]| vb.get_with_hints(shape, &format!("{kind}_l{layer}{suffix}"), init);
            let bias = get("bias_ih", &[4 * hidden])?.add(&get("bias_hh", &[4 * hidden])?)?;
            Ok(Direction {
                weight_ih: get("weight_ih", &[4 * hidden, width])?,
                weight_hh: get("weight_hh", &[4 * hidden, hidden])?,
                bias,
                reverse,
            })
        };
        let layer = |layer| directions.iter().map(|&reverse| direction(layer, reverse)).collect::<Result<_>>();
        Ok(Self { layers: (0..layers).map(layer).collect::<Result<_>>()?, hidden })
    }

    /// The hidden states of the last layer at every step; 0 where a sequence has ended.
    ///
    /// # Shapes
    /// `x`: `(B, T, I)`; `mask`: `(B, T, 1)`, 1 at real steps and 0 at padding; the result:
    /// `(B, T, D·H)` with `D` directions.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            let states = layer.iter().map(|direction| direction.forward(&x, mask, self.hidden));
            x = Tensor::cat(&states.collect::<Result<Vec<_>>>()?, 2)?; // (B, T, D·H)
        }
        x.broadcast_mul(mask)
    }
}

impl Direction {
    fn forward(&self, x: &Tensor, mask: &Tensor, hidden: usize) -> Result<Tensor> {
        let (batch, steps, width) = x.dims3()?;
        let inputs = x.reshape((batch * steps, width))?.matmul(&self.weight_ih.t()?)?;
        let inputs = inputs.broadcast_add(&self.bias)?.reshape((batch, steps, 4 * hidden))?;
        let recurrent = self.weight_hh.t()?;
        let mut h = Tensor::zeros((batch, hidden), x.dtype(), x.device())?;
        let mut c = h.clone();
        let mut states = vec![h.clone(); steps];
        for at in 0..steps {
            let t = if self.reverse { steps - 1 - at } else { at };
            let gates = inputs.narrow(1, t, 1)?.squeeze(1)?;
            let gates = if at == 0 { gates } else { gates.add(&h.matmul(&recurrent)?)? }; // (B, 4H)
            let gate = |index: usize| gates.narrow(1, index * hidden, hidden);
            let (i, f) = (sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?);
            let (g, o) = (gate(2)?.tanh()?, sigmoid(&gate(3)?)?);
            let next_c = f.mul(&c)?.add(&i.mul(&g)?)?;
            let next_h = o.mul(&next_c.tanh()?)?;
            let live = mask.narrow(1, t, 1)?.squeeze(1)?; // (B, 1)
            h = keep(&h, &next_h, &live)?;
            c = keep(&c, &next_c, &live)?;
            states[t] = h.clone();
        }
        Tensor::stack(&states, 1)
    }
}

/// `next` where `live` is 1, `old` where it is 0.
fn keep(old: &Tensor, next: &Tensor, live: &Tensor) -> Result<Tensor> {
    old.add(&next.sub(old)?.broadcast_mul(live)?)
}

/// `1 / (1 + exp(-x))`, as `(1 + tanh(x / 2)) / 2`, which does not overflow.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

//! The recurrence of a long short-term memory over padded sequences.
//!
//! Composed of candle's operators, a sequence of T steps takes hundreds of small operators, and the
//! gradient of each step's slice of the inputs has the size of all inputs. On the CPU the whole
//! recurrence is therefore one operator with a hand-written gradient.

mod kernel;
mod operator;

use candle_core::{DType, Result, Tensor, bail};

/// The hidden states of one layer in one direction.
///
/// Per step, with gates in PyTorch's order, `i, f, g, o = split(x + W h)`,
/// `c ← σ(f) c + σ(i) tanh(g)` and `h ← σ(o) tanh(c)`, from `h = c = 0` (Hochreiter and Schmidhuber,
/// 1997, doi:10.1162/neco.1997.9.8.1735; forget gate: Gers et al., 2000,
/// doi:10.1162/089976600300015015). At a padded step the state does not change. With `reverse` the
/// recurrence thus starts at the last real step of each sequence.
///
/// On the CPU the gradient is of first order only; a second derivative is an error.
///
/// # Shapes
/// `x`: `(B, T, 4H)`, the inputs times their weights plus the biases; `w`: `(4H, H)`; `lengths`: B
/// numbers in `0..=T`; result: `(B, T, H)`. T and H are at least 1.
///
/// # Errors
/// If a shape does not fit.
pub fn lstm(x: &Tensor, w: &Tensor, lengths: &[usize], reverse: bool) -> Result<Tensor> {
    let (batch, steps, width) = x.dims3()?;
    let sizes = steps > 0 && width > 0 && width.is_multiple_of(4);
    if !sizes
        || w.dims() != [width, width / 4]
        || lengths.len() != batch
        || lengths.iter().any(|&n| n > steps)
    {
        bail!(
            "lstm of inputs {:?} (B, T, 4H), weights {:?} (4H, H) and {} lengths of at most T; T and H at least 1",
            x.dims(),
            w.dims(),
            lengths.len()
        );
    }
    if x.device().is_cpu() && x.dtype() == DType::F32 {
        return operator::lstm(x, w, lengths, reverse);
    }
    portable(x, w, lengths, reverse)
}

/// The form of [`lstm`] that is composed of candle's operators, for any device and floating type.
/// Gradients of every order are exact.
fn portable(x: &Tensor, w: &Tensor, lengths: &[usize], reverse: bool) -> Result<Tensor> {
    let (batch, steps, width) = x.dims3()?;
    let hidden = width / 4;
    let recurrent = w.t()?;
    let mut h = Tensor::zeros((batch, hidden), x.dtype(), x.device())?;
    let mut c = h.clone();
    let mut states = vec![h.clone(); steps];
    for t in order(steps, reverse) {
        let gates = x.narrow(1, t, 1)?.squeeze(1)?.add(&h.matmul(&recurrent)?)?; // (B, 4H)
        let gate = |index: usize| gates.narrow(1, index * hidden, hidden);
        let (i, f) = (portable_sigmoid(&gate(0)?)?, portable_sigmoid(&gate(1)?)?);
        let (g, o) = (gate(2)?.tanh()?, portable_sigmoid(&gate(3)?)?);
        let next_c = f.mul(&c)?.add(&i.mul(&g)?)?;
        let next_h = o.mul(&next_c.tanh()?)?;
        let live: Vec<f32> = lengths.iter().map(|&n| if t < n { 1.0 } else { 0.0 }).collect();
        let live = Tensor::from_vec(live, (batch, 1), x.device())?.to_dtype(x.dtype())?;
        h = h.add(&next_h.sub(&h)?.broadcast_mul(&live)?)?;
        c = c.add(&next_c.sub(&c)?.broadcast_mul(&live)?)?;
        states[t] = h.clone();
    }
    Tensor::stack(&states, 1)
}

/// The order of the steps.
fn order(steps: usize, reverse: bool) -> impl Iterator<Item = usize> {
    (0..steps).map(move |at| if reverse { steps - 1 - at } else { at })
}

/// `1 / (1 + exp(-x))`, computed as `(1 + tanh(x / 2)) / 2`, which does not overflow.
fn portable_sigmoid(x: &Tensor) -> Result<Tensor> {
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

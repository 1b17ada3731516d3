//! The recurrence of a long short-term memory over padded sequences.
//!
//! Made of candle's operators a sequence of T steps costs hundreds of small ones, and the gradient
//! of each step's slice of the inputs is as large as all of them. On the CPU the whole recurrence
//! is one operator whose gradient is written out; elsewhere it is made of candle's operators.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Storage, Tensor, bail};

use crate::cpu::{self, Level, SavedSequences, Sequences};

/// The hidden states of one layer in one direction.
///
/// Per step, with gates in PyTorch's order, `i, f, g, o = split(x + W h)`,
/// `c ← σ(f) c + σ(i) tanh(g)`, `h ← σ(o) tanh(c)` (Hochreiter and Schmidhuber, 1997; Gers et al.,
/// 2000), from `h = c = 0`. At a padded step the state stays what it was, so that with `reverse`
/// the recurrence starts at each sequence's last real step.
///
/// Differentiable once: asking for a second derivative is an error, not a wrong answer.
///
/// # Shapes
/// `x`: `(B, T, 4H)`, inputs through their weights, biases added; `w`: `(4H, H)`; `lengths`: B
/// numbers of at most T; the result: `(B, T, H)`; T and H at least 1.
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
        let op = Recurrence { lengths: lengths.into(), reverse, saved: OnceLock::new() };
        return x.contiguous()?.apply_op2(&w.contiguous()?, op);
    }
    portable(x, w, lengths, reverse)
}

/// [`lstm`] made of candle's operators, for any device and floating type; differentiable at will.
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

fn order(steps: usize, reverse: bool) -> impl Iterator<Item = usize> {
    (0..steps).map(move |at| if reverse { steps - 1 - at } else { at })
}

/// `1 / (1 + exp(-x))`, as `(1 + tanh(x / 2)) / 2`, which does not overflow.
fn portable_sigmoid(x: &Tensor) -> Result<Tensor> {
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

struct Recurrence {
    lengths: Box<[usize]>,
    reverse: bool,
    saved: OnceLock<SavedSequences>,
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("the recurrence needs contiguous tensors"),
    }
}

impl CustomOp2 for Recurrence {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, steps, width) = lx.shape().dims3()?;
        let sequences = Sequences { lengths: &self.lengths, steps, hidden: width / 4, reverse: self.reverse };
        let (x, w) = (contiguous(x, lx)?, contiguous(w, lw)?);
        let (states, saved) = cpu::lstm(Level::detect(), &sequences, x, w);
        // A second forward of the same operator would compute the same.
        let _ = self.saved.set(saved);
        Ok((CpuStorage::F32(states), (self.lengths.len(), steps, width / 4).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        states: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, steps, width) = x.dims3()?;
        let Some(saved) = self.saved.get() else { bail!("lstm: backward before forward") };
        let sequences = Sequences { lengths: &self.lengths, steps, hidden: width / 4, reverse: self.reverse };
        let grad = grad.contiguous()?;
        let (storages, w_storage) =
            ([states.storage_and_layout(), grad.storage_and_layout()], w.storage_and_layout());
        let [states, grad] = storages.each_ref().map(|(storage, layout)| on_cpu(storage, layout));
        let (dx, dw) = cpu::lstm_gradient(
            Level::detect(),
            &sequences,
            saved,
            states?,
            on_cpu(&w_storage.0, w_storage.1)?,
            grad?,
        );
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        let dw = Tensor::from_vec(dw, w.shape(), w.device())?;
        Ok((Some(dx.apply_op2(x, Once)?), Some(dw.apply_op2(w, Once)?)))
    }
}

fn on_cpu<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => contiguous(storage, layout),
        _ => bail!("the recurrence needs tensors on the CPU"),
    }
}

/// A gradient, tied to what it is the gradient of: differentiating it again is an error.
struct Once;

impl CustomOp2 for Once {
    fn name(&self) -> &'static str {
        "second derivative of lstm"
    }

    fn cpu_fwd(
        &self,
        value: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(contiguous(value, layout)?.to_vec()), layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::gradients;
    use crate::rng::{Key, normal};
    use candle_core::{Device, Var};

    fn setup(seed: u64) -> Result<(Var, Var, Tensor)> {
        let draw =
            |name: &str, shape: &[usize]| normal(Key::new(seed).child(name), shape, DType::F32, &Device::Cpu);
        let (x, w) = (draw("x", &[3, 5, 12])?, draw("w", &[12, 3])?);
        Ok((Var::from_tensor(&x)?, Var::from_tensor(&w)?, draw("weights", &[3, 5, 3])?))
    }

    fn close(a: &Tensor, b: &Tensor) -> Result<()> {
        let (a, b) = (a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?);
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "differ by {worst}");
        Ok(())
    }

    #[test]
    fn value_and_gradients_equal_those_of_the_portable_form() -> Result<()> {
        for reverse in [false, true] {
            let lengths = [5, 1, 3];
            let (x, w, weights) = setup(1)?;
            let fast = lstm(&x, &w, &lengths, reverse)?;
            let slow = portable(&x, &w, &lengths, reverse)?;
            close(&fast, &slow)?;
            let fast = gradients(&fast.mul(&weights)?.sum_all()?)?;
            let slow = gradients(&slow.mul(&weights)?.sum_all()?)?;
            for var in [&x, &w] {
                close(fast.get(var).unwrap(), slow.get(var).unwrap())?;
            }
        }
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
        for (x, w, length) in [([1, 1, 5], [5, 1], 1), ([1, 0, 8], [8, 2], 0), ([1, 2, 0], [0, 0], 2)] {
            let message = lstm(&zeros(&x)?, &zeros(&w)?, &[length], false).unwrap_err().to_string();
            assert!(message.contains("lstm of inputs"), "{message}");
        }
        Ok(())
    }

    #[test]
    fn what_lies_behind_the_end_has_no_influence() -> Result<()> {
        let (x, w, weights) = setup(2)?;
        for reverse in [false, true] {
            let states = lstm(&x, &w, &[5, 2, 2], reverse)?;
            let first = states.narrow(1, 0, 2)?.mul(&weights.narrow(1, 0, 2)?)?.sum_all()?;
            let gradient = gradients(&first)?.remove(&x).unwrap();
            let behind = gradient.narrow(0, 1, 2)?.narrow(1, 2, 3)?.abs()?.sum_all()?.to_scalar::<f32>()?;
            assert_eq!(behind, 0.0);
        }
        Ok(())
    }

    #[test]
    fn a_second_derivative_is_refused() -> Result<()> {
        let (x, w, weights) = setup(3)?;
        let states = lstm(&x, &w, &[5, 5, 5], false)?;
        let first = crate::grad::input_gradient(&states.mul(&weights)?, &x)?;
        let message = gradients(&first.sqr()?.sum_all()?).unwrap_err().to_string();
        assert!(message.contains("lstm"), "{message}");
        Ok(())
    }
}

//! The recurrence of a long short-term memory over padded sequences.
//!
//! Made of candle's operators a sequence of T steps costs hundreds of small ones, and the gradient
//! of each step's slice of the inputs is as large as all of them. On the CPU the whole recurrence
//! is one operator whose gradient is written out; elsewhere it is made of candle's operators.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, bail};

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
/// numbers of at most T; the result: `(B, T, H)`.
///
/// # Errors
/// If a shape does not fit.
pub fn lstm(x: &Tensor, w: &Tensor, lengths: &[usize], reverse: bool) -> Result<Tensor> {
    let (batch, steps, width) = x.dims3()?;
    if w.dims() != [width, width / 4] || lengths.len() != batch || lengths.iter().any(|&n| n > steps) {
        bail!(
            "lstm of inputs {:?} (B, T, 4H), weights {:?} (4H, H) and {} lengths of at most T",
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
///
/// # Shapes
/// As [`lstm`].
///
/// # Errors
/// If a shape does not fit.
pub fn portable(x: &Tensor, w: &Tensor, lengths: &[usize], reverse: bool) -> Result<Tensor> {
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

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `tanh(x) = 2σ(2x) - 1`: one exponential instead of the library's slower function.
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

struct Recurrence {
    lengths: Box<[usize]>,
    reverse: bool,
    saved: OnceLock<Saved>,
}

/// What the backward needs of the forward.
struct Saved {
    /// `(B, T, 4H)`: the gates after their nonlinearities.
    gates: Vec<f32>,
    /// `(B, T, H)`: the cells after each step.
    cells: Vec<f32>,
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
        let (batch, steps, width) = lx.shape().dims3()?;
        let hidden = width / 4;
        let (x, w) = (contiguous(x, lx)?, contiguous(w, lw)?);
        let recurrent = Tensor::from_slice(w, (width, hidden), &Device::Cpu)?.t()?.contiguous()?;
        let mut gates = vec![0f32; batch * steps * width];
        let mut cells = vec![0f32; batch * steps * hidden];
        let mut states = vec![0f32; batch * steps * hidden];
        let mut h = vec![0f32; batch * hidden];
        let mut c = vec![0f32; batch * hidden];
        for (at, t) in order(steps, self.reverse).enumerate() {
            let through = match at {
                0 => vec![0f32; batch * width],
                _ => product(&h, (batch, hidden), &recurrent)?,
            };
            for b in 0..batch {
                let (h, c) = (&mut h[b * hidden..][..hidden], &mut c[b * hidden..][..hidden]);
                let row = b * steps + t;
                if t < self.lengths[b] {
                    let gates = &mut gates[row * width..][..width];
                    let sums = x[row * width..][..width].iter().zip(&through[b * width..]);
                    gates.iter_mut().zip(sums).for_each(|(gate, (x, y))| *gate = x + y);
                    let (sigmoids, rest) = gates.split_at_mut(2 * hidden);
                    let (candidates, outputs) = rest.split_at_mut(hidden);
                    sigmoids.iter_mut().chain(outputs.iter_mut()).for_each(|gate| *gate = sigmoid(*gate));
                    candidates.iter_mut().for_each(|gate| *gate = tanh(*gate));
                    for k in 0..hidden {
                        c[k] = sigmoids[hidden + k] * c[k] + sigmoids[k] * candidates[k];
                        h[k] = outputs[k] * tanh(c[k]);
                    }
                }
                cells[row * hidden..][..hidden].copy_from_slice(c);
                states[row * hidden..][..hidden].copy_from_slice(h);
            }
        }
        // A second forward of the same operator would compute the same.
        let _ = self.saved.set(Saved { gates, cells });
        Ok((CpuStorage::F32(states), (batch, steps, hidden).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        states: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch, steps, width) = x.dims3()?;
        let hidden = width / 4;
        let Some(Saved { gates, cells }) = self.saved.get() else { bail!("lstm: backward before forward") };
        let grad = grad.flatten_all()?.to_vec1::<f32>()?;
        let recurrent = w.detach();
        let mut through = vec![0f32; batch * steps * width]; // the gradient of x
        let mut dh = vec![0f32; batch * hidden];
        let mut dc = vec![0f32; batch * hidden];
        let mut now = vec![0f32; batch * width];
        // Against the order of the forward.
        for t in order(steps, !self.reverse) {
            now.fill(0.0);
            let before = if self.reverse { (t + 1 < steps).then(|| t + 1) } else { t.checked_sub(1) };
            for b in 0..batch {
                let row = b * steps + t;
                let dh = &mut dh[b * hidden..][..hidden];
                let dc = &mut dc[b * hidden..][..hidden];
                dh.iter_mut().zip(&grad[row * hidden..]).for_each(|(dh, g)| *dh += g);
                if t >= self.lengths[b] {
                    continue;
                }
                let (gates, cells_now) = (&gates[row * width..][..width], &cells[row * hidden..][..hidden]);
                let cells_before = before.map(|s| &cells[(b * steps + s) * hidden..][..hidden]);
                let now = &mut now[b * width..][..width];
                for k in 0..hidden {
                    let (i, f, g, o) =
                        (gates[k], gates[hidden + k], gates[2 * hidden + k], gates[3 * hidden + k]);
                    let tc = tanh(cells_now[k]);
                    let d = dc[k] + dh[k] * o * (1.0 - tc * tc);
                    now[k] = d * g * i * (1.0 - i);
                    now[hidden + k] = d * cells_before.map_or(0.0, |c| c[k]) * f * (1.0 - f);
                    now[2 * hidden + k] = d * i * (1.0 - g * g);
                    now[3 * hidden + k] = dh[k] * tc * o * (1.0 - o);
                    dc[k] = d * f;
                }
                through[row * width..][..width].copy_from_slice(now);
            }
            let back = product(&now, (batch, width), &recurrent)?;
            for b in (0..batch).filter(|&b| t < self.lengths[b]) {
                dh[b * hidden..][..hidden].copy_from_slice(&back[b * hidden..][..hidden]);
            }
        }
        let through = Tensor::from_vec(through, (batch * steps, width), x.device())?;
        // The gradient of W h is taken at the state before each step.
        let zero = Tensor::zeros((batch, 1, hidden), DType::F32, x.device())?;
        let states = states.detach();
        let previous = match self.reverse {
            false => Tensor::cat(&[&zero, &states.narrow(1, 0, steps - 1)?], 1)?,
            true => Tensor::cat(&[&states.narrow(1, 1, steps - 1)?, &zero], 1)?,
        };
        let dw = through.t()?.matmul(&previous.reshape((batch * steps, hidden))?)?;
        let dx = through.reshape((batch, steps, width))?;
        Ok((Some(dx.apply_op2(x, Once)?), Some(dw.apply_op2(w, Once)?)))
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

/// `rows · matrix` for a few rows.
fn product(rows: &[f32], shape: (usize, usize), matrix: &Tensor) -> Result<Vec<f32>> {
    Tensor::from_slice(rows, shape, matrix.device())?.matmul(matrix)?.flatten_all()?.to_vec1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad::gradients;
    use crate::rng::{Key, normal};
    use candle_core::Var;

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

//! The kernels of the recurrence and its gradient: each task computes all steps of a few sequences.
//!
//! Sequences are independent, so the number of threads does not change the result.

use rayon::prelude::*;

use crate::cpu::matmul::{self, Right};
use crate::cpu::{Kernel, Level, PANEL, Product, Simd, Strides, padded, scratch};

/// Sequences of one task.
const TOGETHER: usize = 8;

/// The padded sequences of a batch.
#[derive(Debug)]
pub(crate) struct Sequences<'a> {
    /// The length of each sequence, at most `steps`.
    pub(crate) lengths: &'a [usize],
    pub(crate) steps: usize,
    pub(crate) hidden: usize,
    /// Whether the recurrence runs from the last step to the first.
    pub(crate) reverse: bool,
}

/// Values of the forward that the backward needs.
pub(crate) struct SavedSequences {
    /// `(B, T, 4H)`: the gates after their activations.
    gates: Vec<f32>,
    /// `(B, T, H)`: the cell states after each step.
    cells: Vec<f32>,
}

/// `exp(x)` with a relative error of at most 3e-7, for `x` clamped to ±87. Made of additions, products
/// and shifts, which the compiler turns into vectors.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// 1.5·2²³. Added to a number below 2²², it rounds the number to an integer.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts. The first has few bits, so that its product with n is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let series = 1.0 / 120.0 + r * (1.0 / 720.0);
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * series))));
    series * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh(x) = 2σ(2x) - 1`.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// `rows` rows of `k` elements times a packed matrix of `n` columns.
#[inline(always)]
fn multiply<S: Simd>(s: S, a: &[f32], rows: usize, k: usize, b: &[f32], n: usize, c: &mut [f32]) {
    let mut first = 0;
    while first < n {
        let width = PANEL.min(padded(n) - first);
        Product {
            a,
            strides: Strides { row: k, depth: 1, chunk: 0 },
            rows,
            k,
            chunks: 1,
            b: &b[first * k..][..k * width],
            b_row: width,
            b_chunk: 0,
            width,
            c: &mut c[first..],
            c_row: n,
            columns: width.min(n - first),
            add: false,
        }
        .compute(s);
        first += width;
    }
}

/// The forward of a few sequences.
struct Forward<'a> {
    lengths: &'a [usize],
    steps: usize,
    hidden: usize,
    reverse: bool,
    x: &'a [f32],
    /// `(H, 4H)`, packed.
    recurrent: &'a [f32],
    gates: &'a mut [f32],
    cells: &'a mut [f32],
    states: &'a mut [f32],
    /// `h`, `c` and the products of one step.
    buffer: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { lengths, steps, hidden, reverse, x, recurrent, gates, cells, states, buffer } = self;
        let (rows, width) = (lengths.len(), 4 * hidden);
        buffer.fill(0.0);
        let (h, rest) = buffer.split_at_mut(rows * hidden);
        let (c, sums) = rest.split_at_mut(rows * hidden);
        for at in 0..steps {
            let t = if reverse { steps - 1 - at } else { at };
            if at > 0 {
                multiply(s, h, rows, hidden, recurrent, width, sums);
            }
            for b in 0..rows {
                let row = b * steps + t;
                let (h, c) = (&mut h[b * hidden..][..hidden], &mut c[b * hidden..][..hidden]);
                if t < lengths[b] {
                    let gates = &mut gates[row * width..][..width];
                    let (x, sums) = (&x[row * width..][..width], &sums[b * width..][..width]);
                    for quarter in 0..4 {
                        // The third quarter, the candidates, has tanh(x) = 2σ(2x) - 1.
                        let two = if quarter == 2 { 2.0 } else { 1.0 };
                        let part = quarter * hidden..(quarter + 1) * hidden;
                        let (gates, x) = (&mut gates[part.clone()], &x[part.clone()]);
                        let sums = &sums[part];
                        for k in 0..hidden {
                            gates[k] = two * sigmoid(two * (x[k] + sums[k])) - (two - 1.0);
                        }
                    }
                    let (i, rest) = gates.split_at(hidden);
                    let (f, rest) = rest.split_at(hidden);
                    let (g, o) = rest.split_at(hidden);
                    for k in 0..hidden {
                        c[k] = f[k] * c[k] + i[k] * g[k];
                        h[k] = o[k] * tanh(c[k]);
                    }
                }
                cells[row * hidden..][..hidden].copy_from_slice(c);
                states[row * hidden..][..hidden].copy_from_slice(h);
            }
        }
    }
}

/// The hidden states `(B, T, H)`, given `x` `(B, T, 4H)` and `w` `(4H, H)`, as in [`super::lstm`].
pub(crate) fn forward(level: Level, on: &Sequences, x: &[f32], w: &[f32]) -> (Vec<f32>, SavedSequences) {
    let &Sequences { lengths, steps, hidden, reverse } = on;
    let (batch, width) = (lengths.len(), 4 * hidden);
    assert!(x.len() == batch * steps * width && w.len() == width * hidden);
    let mut gates = vec![0.0; x.len()];
    let mut cells = vec![0.0; batch * steps * hidden];
    let mut states = vec![0.0; cells.len()];
    matmul::with_panels(&Right { data: w, k: hidden, n: width, transposed: true, scale: 1.0 }, |recurrent| {
        let task = TOGETHER * steps * hidden;
        lengths
            .par_chunks(TOGETHER)
            .zip(x.par_chunks(4 * task))
            .zip(gates.par_chunks_mut(4 * task))
            .zip(cells.par_chunks_mut(task).zip(states.par_chunks_mut(task)))
            .for_each(|(((lengths, x), gates), (cells, states))| {
                scratch::with(lengths.len() * 6 * hidden, |buffer| {
                    level.run(Forward {
                        lengths,
                        steps,
                        hidden,
                        reverse,
                        x,
                        recurrent,
                        gates,
                        cells,
                        states,
                        buffer,
                    });
                });
            });
    });
    (states, SavedSequences { gates, cells })
}

/// The backward of a few sequences.
struct Backward<'a> {
    lengths: &'a [usize],
    steps: usize,
    hidden: usize,
    reverse: bool,
    /// `(4H, H)`, packed.
    recurrent: &'a [f32],
    gates: &'a [f32],
    cells: &'a [f32],
    grad: &'a [f32],
    dx: &'a mut [f32],
    /// `dh`, `dc`, the gradients of the gates at one step, and their products with the weights.
    buffer: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { lengths, steps, hidden, reverse, recurrent, gates, cells, grad, dx, buffer } = self;
        let (rows, width) = (lengths.len(), 4 * hidden);
        buffer.fill(0.0);
        let (dh, rest) = buffer.split_at_mut(rows * hidden);
        let (dc, rest) = rest.split_at_mut(rows * hidden);
        let (now, back) = rest.split_at_mut(rows * width);
        for at in 0..steps {
            // Against the order of the forward, in which step `before` precedes step `t`.
            let t = if reverse { at } else { steps - 1 - at };
            let first = at + 1 == steps;
            let before = if reverse { t + 1 } else { t.wrapping_sub(1) };
            for b in 0..rows {
                let row = b * steps + t;
                let (dh, dc) = (&mut dh[b * hidden..][..hidden], &mut dc[b * hidden..][..hidden]);
                let now = &mut now[b * width..][..width];
                let grad = &grad[row * hidden..][..hidden];
                for k in 0..hidden {
                    dh[k] += grad[k];
                }
                if t >= lengths[b] {
                    now.fill(0.0);
                    continue;
                }
                let gates = &gates[row * width..][..width];
                let cells_now = &cells[row * hidden..][..hidden];
                // Before the first step the cells are 0: any elements, times 0.
                let (cells_before, keep) = match first {
                    true => (cells_now, 0.0),
                    false => (&cells[(b * steps + before) * hidden..][..hidden], 1.0),
                };
                let (di, rest) = now.split_at_mut(hidden);
                let (df, rest) = rest.split_at_mut(hidden);
                let (dg, d_o) = rest.split_at_mut(hidden);
                for k in 0..hidden {
                    let (i, f) = (gates[k], gates[hidden + k]);
                    let (g, o) = (gates[2 * hidden + k], gates[3 * hidden + k]);
                    let tc = tanh(cells_now[k]);
                    let d = dc[k] + dh[k] * o * (1.0 - tc * tc);
                    di[k] = d * g * i * (1.0 - i);
                    df[k] = d * keep * cells_before[k] * f * (1.0 - f);
                    dg[k] = d * i * (1.0 - g * g);
                    d_o[k] = dh[k] * tc * o * (1.0 - o);
                    dc[k] = d * f;
                }
                dx[row * width..][..width].copy_from_slice(now);
            }
            multiply(s, now, rows, width, recurrent, hidden, back);
            for b in 0..rows {
                if t < lengths[b] {
                    dh[b * hidden..][..hidden].copy_from_slice(&back[b * hidden..][..hidden]);
                }
            }
        }
    }
}

/// The gradients of `x` and `w`, given that of the states.
pub(crate) fn gradient(
    level: Level,
    on: &Sequences,
    saved: &SavedSequences,
    states: &[f32],
    w: &[f32],
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let &Sequences { lengths, steps, hidden, reverse } = on;
    let (batch, width) = (lengths.len(), 4 * hidden);
    assert!(states.len() == batch * steps * hidden && grad.len() == states.len());
    let mut dx = vec![0.0; batch * steps * width];
    matmul::with_panels(
        &Right { data: w, k: width, n: hidden, transposed: false, scale: 1.0 },
        |recurrent| {
            let task = TOGETHER * steps * hidden;
            lengths
                .par_chunks(TOGETHER)
                .zip(dx.par_chunks_mut(4 * task).zip(saved.gates.par_chunks(4 * task)))
                .zip(saved.cells.par_chunks(task).zip(grad.par_chunks(task)))
                .for_each(|((lengths, (dx, gates)), (cells, grad))| {
                    scratch::with(lengths.len() * 7 * hidden, |buffer| {
                        level.run(Backward {
                            lengths,
                            steps,
                            hidden,
                            reverse,
                            recurrent,
                            gates,
                            cells,
                            grad,
                            dx,
                            buffer,
                        });
                    });
                });
        },
    );
    // The gradient of W is dxᵀ · h, with the state h before each step.
    let mut previous = vec![0.0; states.len()];
    let row = steps * hidden;
    for (previous, states) in previous.chunks_exact_mut(row).zip(states.chunks_exact(row)) {
        match reverse {
            false => previous[hidden..].copy_from_slice(&states[..row - hidden]),
            true => previous[..row - hidden].copy_from_slice(&states[hidden..]),
        }
    }
    let dw =
        matmul::multiply_transposed(level, (&dx[..], width), (&previous[..], hidden), batch * steps, 1.0);
    (dx, dw)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cpu::testing::{assert_levels_agree, numbers};

    #[test]
    fn levels_agree() {
        for hidden in [3, 8, 21, 48] {
            let (batch, steps) = (4, 3);
            let x = numbers(batch * steps * 4 * hidden, 1);
            let (w, g) = (numbers(4 * hidden * hidden, 2), numbers(batch * steps * hidden, 3));
            let sequences = Sequences { lengths: &[3, 1, 2, 3], steps, hidden, reverse: true };
            assert_levels_agree("lstm", |level| {
                let (states, saved) = forward(level, &sequences, &x, &w);
                let (dx, dw) = gradient(level, &sequences, &saved, &states, &w, &g);
                [states, dx, dw]
            });
        }
    }

    #[test]
    fn exp_is_right_to_a_few_units_in_the_last_place() {
        for at in -870..=870 {
            let x = at as f32 * 0.1 + 0.003;
            let (got, want) = (f64::from(exp(x)), f64::from(x.clamp(-87.0, 87.0)).exp());
            assert!((got / want - 1.0).abs() < 3e-7, "exp({x}) = {got}, expected {want}");
        }
        assert!((0.0..1e-37).contains(&sigmoid(-1e30)) && sigmoid(1e30) == 1.0);
    }
}

//! Convolution on the CPU for `f32`: three operators on slices that are each other's gradients.
//!
//! 3x3 kernels with padding 1 go through [`winograd`], all others through [`patches`]. Results do
//! not depend on the number of threads: work is divided by shapes alone, and every sum has one
//! order. Unsafe code is confined to this module, and in it to vector instructions on slices whose
//! lengths were checked.

#![allow(unsafe_code)]

mod deviation;
mod elementwise;
mod gemm;
#[cfg(any(target_arch = "aarch64", test))]
mod neon;
mod patches;
mod pixel_norm;
mod scratch;
mod sequence;
mod simd;
mod tile;
mod winograd;

use std::mem::MaybeUninit;

pub(crate) use deviation::{minibatch_stddev, minibatch_stddev_gradient};
pub(crate) use elementwise::{bias_gradient, blend, double, halve, scaled, spread, sum_of_squares};
pub(crate) use pixel_norm::{modulated_pixel_norm, modulated_pixel_norm_gradient, pixel_norm};
pub(crate) use sequence::{SavedSequences, Sequences, lstm, lstm_gradient};
pub(crate) use simd::Level;
use tile::{Epilogue, Pictures};
use winograd::Weights;

/// The shapes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shapes {
    pub(crate) batch: usize,
    /// The input's sides, before doubling.
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    pub(crate) padding: usize,
    pub(crate) up: bool,
}

/// Numbers multiplied by a slope where another tensor, of the same shape, is not positive.
pub(crate) type Mask<'a> = Option<(&'a [f32], f32)>;

impl Shapes {
    pub(crate) fn seen_height(&self) -> usize {
        self.height << usize::from(self.up)
    }

    pub(crate) fn seen_width(&self) -> usize {
        self.width << usize::from(self.up)
    }

    pub(crate) fn out_height(&self) -> usize {
        self.seen_height() + 2 * self.padding + 1 - self.kernel
    }

    pub(crate) fn out_width(&self) -> usize {
        self.seen_width() + 2 * self.padding + 1 - self.kernel
    }

    pub(crate) fn x_len(&self) -> usize {
        self.batch * self.height * self.width * self.inputs
    }

    pub(crate) fn w_len(&self) -> usize {
        self.kernel * self.kernel * self.inputs * self.outputs
    }

    pub(crate) fn y_len(&self) -> usize {
        self.batch * self.out_height() * self.out_width() * self.outputs
    }

    fn winograd(&self) -> bool {
        self.kernel == 3 && self.padding == 1
    }

    fn x<'a>(&self, x: &'a [f32]) -> Pictures<'a> {
        Pictures {
            data: x,
            mask: None,
            batch: self.batch,
            height: self.seen_height(),
            width: self.seen_width(),
            channels: self.inputs,
            up: self.up,
        }
    }

    fn g<'a>(&self, g: &'a [f32], mask: Mask<'a>) -> Pictures<'a> {
        Pictures {
            data: g,
            mask,
            batch: self.batch,
            height: self.out_height(),
            width: self.out_width(),
            channels: self.outputs,
            up: false,
        }
    }
}

/// `mask ⊙ lrelu(scale · conv(up(x), w) + bias)`
#[allow(clippy::too_many_arguments)]
pub(crate) fn forward(
    level: Level,
    shapes: &Shapes,
    x: &[f32],
    w: &[f32],
    scale: f32,
    bias: Option<&[f32]>,
    slope: Option<f32>,
    mask: Mask,
) -> Vec<f32> {
    assert!(x.len() == shapes.x_len() && w.len() == shapes.w_len());
    let epilogue = Epilogue { bias, slope, mask, down: false };
    if shapes.winograd() {
        let Shapes { inputs, outputs, .. } = *shapes;
        let weights = Weights { data: w, inputs, outputs, turned: false, scale };
        winograd::convolve(level, &shapes.x(x), &weights, &epilogue)
    } else {
        patches::forward(level, shapes, x, w, scale, &epilogue)
    }
}

/// The gradient of the input, of `mask ⊙ g`: `scale · down(conv'(mask ⊙ g, w))`.
pub(crate) fn input_gradient(
    level: Level,
    shapes: &Shapes,
    g: &[f32],
    mask: Mask,
    w: &[f32],
    scale: f32,
) -> Vec<f32> {
    assert!(g.len() == shapes.y_len() && w.len() == shapes.w_len());
    if shapes.winograd() {
        let epilogue = Epilogue { down: shapes.up, ..Epilogue::default() };
        let (inputs, outputs) = (shapes.outputs, shapes.inputs);
        let weights = Weights { data: w, inputs, outputs, turned: true, scale };
        winograd::convolve(level, &shapes.g(g, mask), &weights, &epilogue)
    } else {
        patches::input_gradient(level, shapes, g, mask, w, scale)
    }
}

/// The gradient of the weights, of `mask ⊙ g`.
pub(crate) fn weight_gradient(
    level: Level,
    shapes: &Shapes,
    x: &[f32],
    g: &[f32],
    mask: Mask,
    scale: f32,
) -> Vec<f32> {
    assert!(x.len() == shapes.x_len() && g.len() == shapes.y_len());
    if shapes.winograd() {
        winograd::weight_gradient(level, &shapes.x(x), &shapes.g(g, mask), scale)
    } else {
        patches::weight_gradient(level, shapes, x, g, mask, scale)
    }
}

/// A vector of `len` numbers that `fill` writes, every one of them.
fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is there, and `fill`, a function of this module, has written every
    // number: the rows of tiles cover the output, and each tile writes all its pixels; blocks of
    // channels cover the taps of a weight gradient, and blocks of numbers, pixels or images all else,
    // of lengths that were compared.
    unsafe { out.set_len(len) };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = crate::rng::Key::new(seed).rng();
        (0..len).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    fn assert_close(got: &[f32], want: &[f32], what: &str) {
        let largest = want.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
        let worst = got.iter().zip(want).fold(0f32, |m, (g, w)| m.max((g - w).abs()));
        assert!(got.len() == want.len() && worst < 1e-5 * largest, "{what}: {worst} of {largest}");
    }

    /// Every level computes what the plainest does: those of this processor, and NEON.
    #[test]
    fn levels_agree() {
        for (height, inputs, outputs, kernel, padding, up) in [
            (9, 33, 17, 3, 1, false),
            (20, 16, 65, 3, 1, false),
            (3, 7, 40, 3, 1, true),
            (12, 3, 33, 1, 0, false),
            (6, 17, 5, 4, 1, false),
        ] {
            let s = Shapes { batch: 3, height, width: 9, inputs, outputs, kernel, padding, up };
            let (x, w) = (numbers(s.x_len(), 1), numbers(s.w_len(), 2));
            let (g, y, bias) = (numbers(s.y_len(), 3), numbers(s.y_len(), 4), numbers(outputs, 5));
            let mask = Some((&y[..], 0.2));
            let all = |level| {
                [
                    forward(level, &s, &x, &w, 0.5, Some(&bias), Some(0.2), mask),
                    input_gradient(level, &s, &g, mask, &w, 0.5),
                    weight_gradient(level, &s, &x, &g, mask, 0.5),
                    bias_gradient(level, &g, mask, outputs),
                ]
            };
            let want = all(Level::available()[Level::available().len() - 1]);
            for &level in Level::available() {
                for (got, want) in all(level).iter().zip(&want) {
                    assert_close(got, want, &format!("{level:?} {s:?}"));
                }
            }
        }
    }

    #[test]
    fn levels_agree_on_norms_and_recurrence() {
        for channels in [3, 8, 21, 48] {
            let (batch, pixels) = (4, 6);
            let count = batch * pixels * channels;
            let (x, g, affine) = (numbers(count, 1), numbers(count, 2), numbers(2 * batch * channels, 3));
            let wider = numbers(count + batch * pixels, 4);
            let (w, steps) = (numbers(4 * channels * channels, 5), 3);
            let gates = numbers(batch * steps * 4 * channels, 6);
            let by_state = numbers(batch * steps * channels, 7);
            let sequences = Sequences { lengths: &[3, 1, 2, 3], steps, hidden: channels, reverse: true };
            let all = |level| {
                let modulated = modulated_pixel_norm_gradient(level, &x, &affine, &g, batch, channels);
                let (states, saved) = lstm(level, &sequences, &gates, &w);
                let back = lstm_gradient(level, &sequences, &saved, &states, &w, &by_state);
                [
                    pixel_norm(level, &x, None, channels),
                    pixel_norm(level, &x, Some(&g), channels),
                    modulated_pixel_norm(level, &x, &affine, batch, channels),
                    modulated.0,
                    modulated.1,
                    minibatch_stddev(level, &x, 2, pixels, channels),
                    minibatch_stddev_gradient(level, &x, &wider, 2, pixels, channels),
                    blend(level, (0.3, &x), (0.7, &g)),
                    halve(level, &x, 2, channels, 0.25),
                    vec![sum_of_squares(level, &x)],
                    states,
                    back.0,
                    back.1,
                ]
            };
            let want = all(Level::Plain);
            for &level in Level::available() {
                for (which, (got, want)) in all(level).iter().zip(&want).enumerate() {
                    assert_close(got, want, &format!("{level:?}, {channels} channels, operator {which}"));
                }
            }
        }
    }
}

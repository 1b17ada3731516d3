//! The kernels of a convolution: its forward, the gradient of its input, of its weights and of its
//! bias.
//!
//! 3x3 kernels with padding 1 use [`winograd`], all others [`patches`].

use rayon::prelude::*;

use super::patches;
use super::shapes::{Epilogue, Mask, Scaled, Shapes, Weights};
use super::winograd;
use crate::cpu::elementwise::PIXELS;
use crate::cpu::{Element, Kernel, Level, Simd};

/// `mask ⊙ lrelu(scale · conv(up(x), w) + bias)`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn forward<E: Element>(
    level: Level,
    shapes: &Shapes,
    x: &[E],
    (w, scale): Scaled,
    bias: Option<&[f32]>,
    slope: Option<f32>,
    mask: Mask<E>,
) -> Vec<E> {
    assert!(x.len() == shapes.x_len() && w.len() == shapes.w_len());
    let epilogue = Epilogue { bias, slope, mask, down: false };
    if !shapes.is_padded_3x3() {
        return patches::forward(level, shapes, x, (w, scale), &epilogue);
    }
    let Shapes { inputs, outputs, .. } = *shapes;
    let weights = Weights { data: w, inputs, outputs, rotated: false, scale };
    winograd::convolve(level, &shapes.x(x), &weights, &epilogue)
}

/// The gradient of the input, given `mask ⊙ g`: `scale · down(conv'(mask ⊙ g, w))`, where `conv'` is
/// the convolution with the rotated kernel and `down` sums 2x2 pixels after upsampling.
pub(crate) fn input_gradient<E: Element>(
    level: Level,
    shapes: &Shapes,
    (g, mask): (&[E], Mask<E>),
    (w, scale): Scaled,
) -> Vec<E> {
    assert!(g.len() == shapes.y_len() && w.len() == shapes.w_len());
    if !shapes.is_padded_3x3() {
        return patches::input_gradient(level, shapes, (g, mask), (w, scale));
    }
    let epilogue = Epilogue { down: shapes.up, ..Epilogue::default() };
    let (inputs, outputs) = (shapes.outputs, shapes.inputs);
    let weights = Weights { data: w, inputs, outputs, rotated: true, scale };
    winograd::convolve(level, &shapes.g(g, mask), &weights, &epilogue)
}

/// The gradient of the weights, given `mask ⊙ g`.
pub(crate) fn weight_gradient<E: Element>(
    level: Level,
    shapes: &Shapes,
    x: &[E],
    (g, mask): (&[E], Mask<E>),
    scale: f32,
) -> Vec<f32> {
    assert!(x.len() == shapes.x_len() && g.len() == shapes.y_len());
    if !shapes.is_padded_3x3() {
        return patches::weight_gradient(level, shapes, x, (g, mask), scale);
    }
    winograd::weight_gradient(level, &shapes.x(x), &shapes.g(g, mask), scale)
}

struct SumPixels<'a, E> {
    g: &'a [E],
    mask: Mask<'a, E>,
    sum: &'a mut [f32],
}

impl<E: Element> Kernel for SumPixels<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.sum.len();
        match self.mask {
            None => {
                for row in self.g.chunks_exact(channels) {
                    for (sum, g) in self.sum.iter_mut().zip(row) {
                        *sum += g.to_f32();
                    }
                }
            }
            Some((mask, slope)) => {
                for (row, mask) in self.g.chunks_exact(channels).zip(mask.chunks_exact(channels)) {
                    for ((sum, g), y) in self.sum.iter_mut().zip(row).zip(mask) {
                        *sum += if y.to_f32() > 0.0 { g.to_f32() } else { slope * g.to_f32() };
                    }
                }
            }
        }
    }
}

/// The gradient of the bias: the sum of `mask ⊙ g` over all pixels.
pub(crate) fn bias_gradient<E: Element>(level: Level, g: &[E], mask: Mask<E>, channels: usize) -> Vec<f32> {
    let block = PIXELS * channels;
    let mut partial = vec![0.0; g.len().div_ceil(block).max(1) * channels];
    partial.par_chunks_mut(channels).enumerate().for_each(|(i, sum)| {
        let range = i * block..((i + 1) * block).min(g.len());
        let mask = mask.map(|(mask, slope)| (&mask[range.clone()], slope));
        level.run(SumPixels { g: &g[range], mask, sum });
    });
    let mut sum = partial[..channels].to_vec();
    for partial in partial.chunks_exact(channels).skip(1) {
        for (sum, value) in sum.iter_mut().zip(partial) {
            *sum += value;
        }
    }
    sum
}

/// The adjoint of [`bias_gradient`]: `row` at every pixel, times the mask.
pub(crate) fn bias_broadcast(row: &[f32], mask: Mask<f32>, pixels: usize) -> Vec<f32> {
    let mut out = row.repeat(pixels);
    if let Some((mask, slope)) = mask {
        for (out, y) in out.iter_mut().zip(mask) {
            if *y <= 0.0 || y.is_nan() {
                *out *= slope;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{assert_levels_agree, numbers};

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
            assert_levels_agree(&format!("{s:?}"), |level| {
                [
                    forward(level, &s, &x, (&w, 0.5), Some(&bias), Some(0.2), mask),
                    input_gradient(level, &s, (&g, mask), (&w, 0.5)),
                    weight_gradient(level, &s, &x, (&g, mask), 0.5),
                    bias_gradient(level, &g, mask, outputs),
                ]
            });
        }
    }
}

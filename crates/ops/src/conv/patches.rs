//! Convolution of any kernel size as a matrix product of patches and weights (im2col).
//!
//! The patches of a 1x1 convolution, and of one whose kernel covers the whole image, are the input
//! itself. Others are copied, a block of rows at a time.

use rayon::prelude::*;

use super::shapes::{Epilogue, Mask, Scaled, Shapes};
use crate::cpu::matmul::{self, BlockProduct, LeftFactor, ROWS, Right};
use crate::cpu::{Element, Level, scratch};

/// The left factor of a product, by rows.
#[derive(Clone, Copy)]
enum Left<'a, E> {
    /// As it is in memory.
    Matrix(&'a [E]),
    /// The patches of an input.
    Patches(&'a Shapes, &'a [E]),
    /// A gradient times a mask and its slope.
    Masked { g: &'a [E], mask: &'a [E], slope: f32, rounded: bool },
}

impl<'a, E: Element> Left<'a, E> {
    fn patches(shapes: &'a Shapes, x: &'a [E]) -> Self {
        if is_matrix(shapes) { Self::Matrix(x) } else { Self::Patches(shapes, x) }
    }

    /// `mask ⊙ g` for a convolution of inputs of type `X`. The product is rounded if both types are
    /// `bf16`.
    fn gradient<X: Element>(g: &'a [E], mask: Mask<'a, E>) -> Self {
        match mask {
            None => Self::Matrix(g),
            Some((mask, slope)) => Self::Masked { g, mask, slope, rounded: X::ROUNDS },
        }
    }
}

impl<E: Element> LeftFactor for Left<'_, E> {
    fn scratch(&self, count: usize, k: usize) -> usize {
        match self {
            Self::Matrix(_) => E::widened_len(count * k),
            _ => count * k,
        }
    }

    fn rows<'b>(&'b self, first: usize, count: usize, k: usize, buffer: &'b mut [f32]) -> &'b [f32] {
        let range = first * k..(first + count) * k;
        match *self {
            Self::Matrix(data) => E::widened(&data[range], &mut buffer[..E::widened_len(count * k)]),
            Self::Patches(shapes, x) => {
                let buffer = &mut buffer[..count * k];
                for (i, row) in buffer.chunks_exact_mut(k).enumerate() {
                    patch(shapes, x, first + i, row);
                }
                buffer
            }
            Self::Masked { g, mask, slope, rounded } => {
                let buffer = &mut buffer[..count * k];
                E::write_masked(&g[range.clone()], (&mask[range], slope), rounded, buffer);
                buffer
            }
        }
    }

    fn rows_in_parallel<'b>(
        &'b self,
        first: usize,
        count: usize,
        k: usize,
        buffer: &'b mut [f32],
    ) -> &'b [f32] {
        let Self::Patches(shapes, x) = *self else { return self.rows(first, count, k, buffer) };
        let buffer = &mut buffer[..count * k];
        buffer.par_chunks_mut(16 * k).enumerate().for_each(|(block, rows)| {
            for (i, row) in rows.chunks_exact_mut(k).enumerate() {
                patch(shapes, x, first + 16 * block + i, row);
            }
        });
        buffer
    }
}

/// Whether the input, as it is in memory, is the matrix of patches.
fn is_matrix(shapes: &Shapes) -> bool {
    let whole = shapes.kernel == shapes.height && shapes.kernel == shapes.width;
    !shapes.up && shapes.padding == 0 && (shapes.kernel == 1 || whole)
}

/// The offset in the input of the pixel under position `tap` of the kernel at output pixel `row`, or
/// none if it is in the padding.
fn pixel(shapes: &Shapes, row: usize, tap: usize) -> Option<usize> {
    let (oh, ow) = (shapes.out_height(), shapes.out_width());
    let (b, oy, ox) = (row / (oh * ow), row / ow % oh, row % ow);
    let y = (oy + tap / shapes.kernel).wrapping_sub(shapes.padding);
    let x = (ox + tap % shapes.kernel).wrapping_sub(shapes.padding);
    let shift = usize::from(shapes.up);
    (y < shapes.seen_height() && x < shapes.seen_width())
        .then(|| ((b * shapes.height + (y >> shift)) * shapes.width + (x >> shift)) * shapes.inputs)
}

fn patch<E: Element>(shapes: &Shapes, x: &[E], row: usize, out: &mut [f32]) {
    for (tap, out) in out.chunks_exact_mut(shapes.inputs).enumerate() {
        match pixel(shapes, row, tap) {
            Some(at) => {
                for (out, x) in out.iter_mut().zip(&x[at..at + shapes.inputs]) {
                    *out = x.to_f32();
                }
            }
            None => out.fill(0.0),
        }
    }
}

/// Adds the bias, and applies the leaky rectifier and the mask, to whole rows that begin at element
/// `start` of the output.
fn finish<E: Element>(epilogue: &Epilogue<E>, start: usize, n: usize, c: &mut [f32]) {
    if let Some(bias) = epilogue.bias {
        for row in c.chunks_exact_mut(n) {
            for (c, bias) in row.iter_mut().zip(bias) {
                *c += bias;
            }
        }
    }
    if let Some(slope) = epilogue.slope {
        for c in c.iter_mut() {
            *c = if *c > 0.0 { *c } else { slope * *c };
        }
    }
    if let Some((mask, slope)) = epilogue.mask {
        for (c, y) in c.iter_mut().zip(&mask[start..]) {
            *c = if y.to_f32() > 0.0 { *c } else { slope * *c };
        }
    }
}

/// `mask ⊙ lrelu(scale · conv(up(x), w) + bias)`.
pub(crate) fn forward<X: Element, Y: Element>(
    level: Level,
    shapes: &Shapes,
    x: &[X],
    (w, scale): Scaled,
    epilogue: &Epilogue<Y>,
) -> Vec<Y> {
    let (k, n) = (shapes.w_len() / shapes.outputs, shapes.outputs);
    let right = Right { data: w, k, n, transposed: false, scale };
    matmul::multiply(level, &Left::patches(shapes, x), shapes.y_len() / n, &right, |start, c| {
        finish(epilogue, start, n, c);
    })
}

/// The gradient of the input, given `mask ⊙ g`.
pub(crate) fn input_gradient<X: Element, Y: Element>(
    level: Level,
    shapes: &Shapes,
    (g, mask): (&[Y], Mask<Y>),
    (w, scale): Scaled,
) -> Vec<X> {
    let (k, n) = (shapes.outputs, shapes.w_len() / shapes.outputs);
    let right = Right { data: w, k, n, transposed: true, scale };
    let left = Left::gradient::<X>(g, mask);
    if is_matrix(shapes) {
        return matmul::multiply(level, &left, shapes.y_len() / k, &right, |_, _| {});
    }
    let mut out = vec![0.0; shapes.x_len()];
    let rows = shapes.out_height() * shapes.out_width();
    matmul::with_panels(&right, |b| {
        out.par_chunks_mut(shapes.x_len() / shapes.batch).enumerate().for_each(|(image, out)| {
            let a_len = left.scratch(ROWS, k);
            scratch::with(a_len + ROWS * n, |buffer| {
                let (buffer, c) = buffer.split_at_mut(a_len);
                for first in (0..rows).step_by(ROWS) {
                    let count = ROWS.min(rows - first);
                    let a = left.rows(image * rows + first, count, k, buffer);
                    let c = &mut c[..count * n];
                    level.run(BlockProduct { a, rows: count, k, b, n, c, c_row: n });
                    for (i, row) in c.chunks_exact(n).enumerate() {
                        for (tap, values) in row.chunks_exact(shapes.inputs).enumerate() {
                            let Some(at) = pixel(shapes, first + i, tap) else { continue };
                            for (out, value) in out[at..].iter_mut().zip(values) {
                                *out += value;
                            }
                        }
                    }
                }
            });
        });
    });
    X::from_wide(out)
}

/// The gradient of the weights, given `mask ⊙ g`.
pub(crate) fn weight_gradient<X: Element, Y: Element>(
    level: Level,
    shapes: &Shapes,
    x: &[X],
    (g, mask): (&[Y], Mask<Y>),
    scale: f32,
) -> Vec<f32> {
    let n = shapes.outputs;
    let (m, rows) = (shapes.w_len() / n, shapes.y_len() / n);
    let (patches, gradient) = (Left::patches(shapes, x), Left::gradient::<X>(g, mask));
    matmul::multiply_transposed(level, (&patches, m), (&gradient, n), rows, scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::scalar;
    use crate::cpu::testing::{rounded, wide};

    #[test]
    fn masked_gradients_are_rounded_only_between_two_bf16_maps() {
        let shapes =
            Shapes { batch: 2, height: 5, width: 7, inputs: 3, outputs: 8, kernel: 1, padding: 0, up: false };
        let level = Level::detect();
        let (g, y, x) = (rounded(shapes.y_len(), 1), rounded(shapes.y_len(), 2), rounded(shapes.x_len(), 3));
        let masked: Vec<f32> =
            g.iter().zip(&y).map(|(g, y)| g.to_f32() * if y.to_f32() > 0.0 { 1.0 } else { 0.2 }).collect();
        let masked_rounded: Vec<f32> = masked.iter().map(|x| scalar::round_f32(*x)).collect();
        assert_ne!(masked, masked_rounded);
        let mask = Some((&y[..], 0.2));

        let of_f32 = weight_gradient(level, &shapes, &wide(&x), (&g, mask), 1.0);
        assert_eq!(of_f32, weight_gradient(level, &shapes, &wide(&x), (&masked, None), 1.0));
        let of_bf16 = weight_gradient(level, &shapes, &x, (&g, mask), 1.0);
        assert_eq!(of_bf16, weight_gradient(level, &shapes, &wide(&x), (&masked_rounded, None), 1.0));
    }
}

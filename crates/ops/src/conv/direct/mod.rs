//! Direct 3x3 convolution, with padding 1, of `bf16` images by tile instructions.
//!
//! Images are copied to a [grid](grid::Grid), in which every tap of every pixel is at a distance that depends
//! on the tap alone. A block of 32 positions of the grid in succession is convolved by one product for each
//! tap and each 32 channels:
//!
//! `y[q] = Σ_{k,l} grid[q + (k - 1)·(W + 1) + l - 1] · w[k, l]`.
//!
//! Positions that are no pixels are computed as well, and not used: one in W + 1.

#![allow(unsafe_code)]

mod grid;
mod pack;
mod write;

use std::mem::MaybeUninit;

use half::bf16;
use rayon::prelude::*;

use self::grid::{Grid, NO_PIXEL};
use self::write::Write;
use super::shapes::{Epilogue, Images, Mask, Scaled, Shapes, Weights};
use crate::cpu::tiles::{Block, SIDE, STEP, Steps, Tiles};
use crate::cpu::{Element, Level, filled, scratch};
use crate::resample::kernel as resample;

/// Positions whose products are summed before the next ones are read: both factors of a block stay in the first
/// cache for all taps.
const PIECE: usize = 256;

/// Pieces that are in working memory at once, or one for each thread if there are more: they stay in the second
/// cache.
const GROUP: usize = 8;

/// Panels that a task of a weight gradient multiplies with one part of the input.
const PANELS: usize = 4;

/// Positions that a task convolves: several tasks for each thread at small sizes, and at large ones as many
/// positions as a near cache holds, in whole blocks.
fn task(grid: &Grid, parts: usize) -> usize {
    const CACHED: usize = 1 << 18;
    let cached = (CACHED / (parts * SIDE)).saturating_sub(grid.reach(0)) / SIDE;
    let shared = grid.positions() / SIDE / 8;
    SIDE * cached.min(shared).max(1)
}

/// Convolves images with weights. With [`Epilogue::down`] the result has half the images' sides, and there is no
/// other operation.
fn convolve(tiles: Tiles, images: &Images<bf16>, weights: &Weights, epilogue: &Epilogue<bf16>) -> Vec<bf16> {
    if !epilogue.down {
        return convolve_to(tiles, images, weights, epilogue);
    }
    let full: Vec<f32> = convolve_to(tiles, images, weights, epilogue);
    resample::sum2(Level::detect(), &full, images.width, weights.outputs, 1.0)
}

/// The same with all pixels, in either type.
fn convolve_to<T: Element>(
    tiles: Tiles,
    images: &Images<bf16>,
    weights: &Weights,
    epilogue: &Epilogue<bf16>,
) -> Vec<T> {
    images.check();
    let (grid, outputs) = (images.grid(), weights.outputs);
    assert!(images.channels == weights.inputs && weights.data.len() == 9 * weights.inputs * outputs);
    let task = task(&grid, images.parts());
    let part = grid.reach(task) * SIDE;
    let steps = (0..images.parts()).flat_map(|p| (0..9).map(move |tap| p * part + grid.tap(tap) * SIDE));
    let steps = Steps::new(steps.collect());
    let (read, written) = (grid.pixels(images.up), grid.pixels(false));
    let written = &written[grid.lead()..][..grid.positions()];
    let write = |mut out: &mut [MaybeUninit<T>]| {
        let (mut tasks, mut first_pixel) = (Vec::new(), 0);
        for (at, pixels) in written.chunks(task).enumerate() {
            let count = pixels.iter().filter(|pixel| **pixel != NO_PIXEL).count();
            let (part, rest) = out.split_at_mut(count * outputs);
            out = rest;
            tasks.push((&read[at * task..][..grid.reach(pixels.len())], pixels, first_pixel, part));
            first_pixel += count;
        }
        assert!(out.is_empty());
        weights.with_packed(|right| {
            tasks.into_par_iter().for_each(|(read, pixels, first_pixel, out)| {
                scratch::with_bf16(images.parts() * part, |left| {
                    images.write_rows(read, part, left);
                    let mut sums = Block([0.0; STEP]);
                    for (panel, right) in right.chunks_exact(weights.steps() * STEP).enumerate() {
                        for (block, pixels) in pixels.chunks_exact(SIDE).enumerate() {
                            let columns = outputs - panel * SIDE;
                            let left = &left[block * STEP..];
                            tiles.multiply((left, &steps), right, columns, &mut sums, false);
                            Level::detect().run(Write {
                                sums: &sums,
                                pixels,
                                first_pixel,
                                channel: panel * SIDE,
                                channels: outputs,
                                epilogue,
                                out,
                            });
                        }
                    }
                });
            });
        });
    };
    // SAFETY: the tasks cover the output; each writes every channel of every pixel of its positions.
    unsafe { filled(grid.batch * grid.height * grid.width * outputs, write) }
}

/// `mask ⊙ lrelu(scale · conv(up(x), w) + bias)`, with the products' operands and the result of `bf16`.
pub(crate) fn forward(
    tiles: Tiles,
    shapes: &Shapes,
    x: &[bf16],
    (w, scale): Scaled,
    bias: Option<&[f32]>,
    slope: Option<f32>,
    mask: Mask<bf16>,
) -> Vec<bf16> {
    let Shapes { inputs, outputs, .. } = *shapes;
    let weights = Weights { data: w, inputs, outputs, rotated: false, scale };
    convolve(tiles, &shapes.x(x), &weights, &Epilogue { bias, slope, mask, down: false })
}

/// The gradient of the input, given `mask ⊙ g`.
pub(crate) fn input_gradient(
    tiles: Tiles,
    shapes: &Shapes,
    (g, mask): (&[bf16], Mask<bf16>),
    (w, scale): Scaled,
) -> Vec<bf16> {
    let (inputs, outputs) = (shapes.outputs, shapes.inputs);
    let weights = Weights { data: w, inputs, outputs, rotated: true, scale };
    let epilogue = Epilogue { down: shapes.up, ..Epilogue::default() };
    convolve(tiles, &shapes.g(g, mask), &weights, &epilogue)
}

/// The gradient of the weights, given `mask ⊙ g`.
pub(crate) fn weight_gradient(
    tiles: Tiles,
    shapes: &Shapes,
    x: &[bf16],
    (g, mask): (&[bf16], Mask<bf16>),
    scale: f32,
) -> Vec<f32> {
    let Shapes { inputs, outputs, .. } = *shapes;
    let (x, g) = (shapes.x(x), shapes.g(g, mask));
    x.check();
    g.check();
    let (grid, parts, panels) = (x.grid(), x.parts(), g.parts());
    let piece = PIECE.min(grid.positions());
    let part = grid.reach(piece) * SIDE;
    let group = GROUP.max(rayon::current_num_threads()) * piece;
    // By parts, panels and taps.
    let mut sums = vec![Block([0.0; STEP]); parts * panels * 9];
    let (read, convolved) = (grid.pixels(x.up), grid.pixels(false));
    let convolved = &convolved[grid.lead()..][..grid.positions()];
    for (first, convolved) in (0..).step_by(group).zip(convolved.chunks(group)) {
        g.with_transposed(convolved, piece, |left| {
            x.with_pairs((&read[first..], convolved.len()), piece, |right| {
                let products = |(part_at, panel, sums): (usize, usize, &mut [Block])| {
                    let pieces = left.chunks(panels * piece * SIDE).zip(right.chunks_exact(2 * parts * part));
                    for (at, (left, right)) in pieces.enumerate() {
                        let positions = left.len() / (panels * SIDE);
                        let steps = Steps::new((0..positions / SIDE).map(|step| step * STEP).collect());
                        let left = left.chunks_exact(positions * SIDE).skip(panel);
                        let right = &right[2 * part_at * part..];
                        let columns = inputs - part_at * SIDE;
                        // Taps that read one form of the pairs follow one another.
                        for parity in [0, 1] {
                            let right = &right[parity * part..][..part];
                            for (sums, left) in sums.chunks_exact_mut(9).zip(left.clone()) {
                                for (sums, tap) in sums.iter_mut().zip((0..9).map(|tap| grid.tap(tap))) {
                                    if tap % 2 == parity {
                                        let right = &right[(tap - parity) * SIDE..];
                                        let add = first > 0 || at > 0;
                                        tiles.multiply((left, &steps), right, columns, sums, add);
                                    }
                                }
                            }
                        }
                    }
                };
                tasks(&mut sums, panels).into_par_iter().for_each(products);
            });
        });
    }
    let mut dw = vec![0.0; shapes.w_len()];
    dw.par_chunks_mut(outputs).enumerate().for_each(|(at, out)| {
        let (tap, input) = (at / inputs, at % inputs);
        for (panel, out) in out.chunks_mut(SIDE).enumerate() {
            let sums = &sums[(input / SIDE * panels + panel) * 9 + tap];
            for (out, sums) in out.iter_mut().zip(sums.0.as_chunks::<SIDE>().0) {
                *out = scale * sums[input % SIDE];
            }
        }
    });
    dw
}

/// Splits the sums of a weight gradient into tasks: a part of the input, the first of [`PANELS`] panels, and their
/// sums.
fn tasks(sums: &mut [Block], panels: usize) -> Vec<(usize, usize, &mut [Block])> {
    let parts = sums.chunks_mut(9 * panels).enumerate();
    let tasks = parts.flat_map(|(part, sums)| {
        sums.chunks_mut(9 * PANELS).enumerate().map(move |(at, sums)| (part, at * PANELS, sums))
    });
    tasks.collect()
}

#[cfg(test)]
mod tests {
    use super::super::kernel;
    use super::*;
    use crate::cpu::rounding;
    use crate::cpu::testing::{numbers, rounded, wide};

    /// Asserts that numbers agree up to the error of an `f32` sum, and the rounding to `bf16` if `rounds`.
    fn assert_close(name: &str, got: &[f32], want: &[f32], rounds: bool) {
        assert_eq!(got.len(), want.len(), "{name}");
        let largest = want.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
        for (at, (got, want)) in got.iter().zip(want).enumerate() {
            let rounding = if rounds { want.abs() / 256.0 } else { 0.0 };
            assert!(
                (got - want).abs() <= rounding + 1e-5 * largest,
                "{name}, element {at}: {got}, not {want}"
            );
        }
    }

    /// The three kernels against those of `f32`, on images of one pixel and larger, with channels below,
    /// at and above whole steps, with several tasks, pieces and groups of pieces.
    #[test]
    fn kernels_agree_with_those_of_f32() {
        for (batch, height, width, inputs, outputs, up) in [
            (1, 1, 1, 1, 1, false),
            (3, 5, 4, 33, 17, false),
            (2, 2, 3, 7, 40, true),
            (1, 17, 33, 32, 64, false),
            (9, 30, 30, 3, 5, false),
        ] {
            let s = Shapes { batch, height, width, inputs, outputs, kernel: 3, padding: 1, up };
            let (x, g, y) = (rounded(s.x_len(), 1), rounded(s.y_len(), 3), rounded(s.y_len(), 4));
            let (w, bias) = (numbers(s.w_len(), 2), numbers(outputs, 5));
            let wide_y = wide(&y);
            let mut wide_w = vec![0.0; w.len()];
            let level = Level::detect();
            rounding::round_scaled(level, &w, 0.3, &mut wide_w);
            let mut masked_g = vec![0.0; g.len()];
            rounding::widen_masked_block(level, &g, (&y, 0.2), true, &mut masked_g);
            for tiles in Tiles::available() {
                let name = |kernel: &str| format!("{kernel} of {s:?} by {tiles:?}");
                let mask = Some((&y[..], 0.2));
                let got = forward(tiles, &s, &x, (&w, 0.3), Some(&bias), Some(0.2), mask);
                let wide_mask = Some((&wide_y[..], 0.2));
                let want =
                    kernel::forward(level, &s, &wide(&x), (&wide_w, 1.0), Some(&bias), Some(0.2), wide_mask);
                assert_close(&name("forward"), &wide(&got), &want, true);
                let got = input_gradient(tiles, &s, (&g, mask), (&w, 0.3));
                let want = kernel::input_gradient(level, &s, (&masked_g, None), (&wide_w, 1.0));
                assert_close(&name("input gradient"), &wide(&got), &want, true);
                let got = weight_gradient(tiles, &s, &x, (&g, mask), 0.3);
                let want = kernel::weight_gradient(level, &s, &wide(&x), (&masked_g, None), 0.3);
                assert_close(&name("weight gradient"), &got, &want, false);
            }
        }
    }

    /// Sums have one order, whatever the threads.
    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let s = Shapes {
            batch: 4,
            height: 9,
            width: 20,
            inputs: 40,
            outputs: 33,
            kernel: 3,
            padding: 1,
            up: false,
        };
        let (x, g, w) = (rounded(s.x_len(), 1), rounded(s.y_len(), 3), numbers(s.w_len(), 2));
        for tiles in Tiles::available() {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    (
                        forward(tiles, &s, &x, (&w, 1.0), None, None, None),
                        input_gradient(tiles, &s, (&g, None), (&w, 1.0)),
                        weight_gradient(tiles, &s, &x, (&g, None), 1.0),
                    )
                })
            };
            assert_eq!(run(1), run(3));
        }
    }
}

//! Direct 3x3 convolution, with padding 1, of `bf16` images by tile instructions.
//!
//! Images are copied to a *grid*, one row of pixels after another: each row ends with a zero pixel, each
//! image with a row of zeros, and zeros precede the first image. At a distance that depends on the tap alone
//! every tap of every pixel is then a pixel of the image or a zero, and a block of 32 positions of the grid
//! in succession is convolved by one product for each tap and each 32 channels:
//!
//! `y[q] = Σ_{k,l} grid[q + (k - 1)·(W + 1) + l - 1] · w[k, l]`.
//!
//! Positions that are no pixels are computed as well, and not used: one in W + 1.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use half::bf16;
use rayon::prelude::*;

use super::shapes::{Epilogue, Images, Mask, Scaled, Shapes, Weights};
use crate::cpu::tiles::{self, Block, SIDE, STEP, Tiles};
use crate::cpu::{Element, Kernel, Level, Simd, filled, scalar, scratch};
use crate::resample::kernel as resample;

/// Blocks of positions that a task convolves.
const BLOCKS: usize = 8;

/// In place of a pixel, at a position that is none.
const NO_PIXEL: usize = usize::MAX;

/// Positions whose products are summed before the next ones are read.
const PIECE: usize = 1024;

/// The positions of a grid.
#[derive(Clone, Copy, Debug)]
struct Grid {
    batch: usize,
    height: usize,
    width: usize,
}

impl Grid {
    /// Positions of a row.
    fn row(&self) -> usize {
        self.width + 1
    }

    /// Rows of all images.
    fn rows(&self) -> usize {
        self.batch * (self.height + 1)
    }

    /// Positions that are convolved: those of all images, in whole blocks.
    fn positions(&self) -> usize {
        (self.rows() * self.row()).next_multiple_of(SIDE)
    }

    /// Zeros before the first image.
    fn lead(&self) -> usize {
        self.row() + 1
    }

    /// Positions with the zeros before and after.
    fn len(&self) -> usize {
        self.lead() + self.positions() + self.row() + 1
    }

    /// The distance of a tap from its pixel, plus the zeros before the first image.
    fn tap(&self, tap: usize) -> usize {
        tap / 3 * self.row() + tap % 3
    }

    /// The image and the row of it that are row `row` of the grid; none for a row of zeros.
    fn image_row(&self, row: usize) -> Option<(usize, usize)> {
        let (image, y) = (row / (self.height + 1), row % (self.height + 1));
        (image < self.batch && y < self.height).then_some((image, y))
    }

    /// The pixel at a position, counted over all images, or [`NO_PIXEL`].
    fn pixel(&self, position: usize) -> usize {
        let before = self.pixels_before(position);
        if self.pixels_before(position + 1) > before { before } else { NO_PIXEL }
    }

    /// The number of pixels before a position.
    fn pixels_before(&self, position: usize) -> usize {
        let (row, x) = (position / self.row(), position % self.row());
        let (image, y) = (row / (self.height + 1), row % (self.height + 1));
        if image >= self.batch {
            return self.batch * self.height * self.width;
        }
        let in_row = if y < self.height { x.min(self.width) } else { 0 };
        (image * self.height + y.min(self.height)) * self.width + in_row
    }
}

impl Images<'_, bf16> {
    fn grid(&self) -> Grid {
        Grid { batch: self.batch, height: self.height, width: self.width }
    }

    /// Channels of a position: those of the images, and zeros up to a whole step.
    fn padded_channels(&self) -> usize {
        self.channels.next_multiple_of(SIDE)
    }

    /// Writes channels of pixel `x` of a row, from channel `first` on, times the mask.
    fn read_channels(&self, (image, y): (usize, usize), x: usize, first: usize, out: &mut [bf16]) {
        let shift = usize::from(self.up);
        let (height, width) = (self.height >> shift, self.width >> shift);
        let at = ((image * height + (y >> shift)) * width + (x >> shift)) * self.channels + first;
        let range = at..at + out.len();
        match self.mask {
            None => out.copy_from_slice(&self.data[range]),
            Some((mask, slope)) => {
                for ((out, g), y) in out.iter_mut().zip(&self.data[range.clone()]).zip(&mask[range]) {
                    *out = if y.to_f32() > 0.0 { *g } else { scalar::round(slope * g.to_f32()) };
                }
            }
        }
    }

    /// Calls `f` with the grid, [`padded_channels`](Self::padded_channels) channels at each position.
    fn with_grid<R>(&self, f: impl FnOnce(&[bf16]) -> R) -> R {
        let (grid, padded) = (self.grid(), self.padded_channels());
        scratch::with_bf16(grid.len() * padded, |buffer| {
            let (lead, rest) = buffer.split_at_mut(grid.lead() * padded);
            let (images, tail) = rest.split_at_mut(grid.rows() * grid.row() * padded);
            lead.fill(bf16::ZERO);
            tail.fill(bf16::ZERO);
            images.par_chunks_mut(grid.row() * padded).enumerate().for_each(|(row, out)| {
                let Some(row) = grid.image_row(row) else { return out.fill(bf16::ZERO) };
                for (x, out) in out.chunks_exact_mut(padded).enumerate() {
                    let (channels, rest) = out.split_at_mut(self.channels);
                    if x < grid.width {
                        self.read_channels(row, x, 0, channels);
                    } else {
                        channels.fill(bf16::ZERO);
                    }
                    rest.fill(bf16::ZERO);
                }
            });
            f(buffer)
        })
    }

    /// Calls `f` with the transpose of the grid: a row of positions for each of the
    /// [`padded_channels`](Self::padded_channels) channels.
    fn with_transposed_grid<R>(&self, f: impl FnOnce(&[bf16], usize) -> R) -> R {
        let grid = self.grid();
        let row_len = transposed_row(&grid);
        scratch::with_bf16(self.padded_channels() * row_len, |buffer| {
            buffer.par_chunks_mut(SIDE * row_len).enumerate().for_each(|(block, out)| {
                out.fill(bf16::ZERO);
                let first = block * SIDE;
                let count = SIDE.min(self.channels - first);
                for row in 0..grid.rows() {
                    let Some(image_row) = grid.image_row(row) else { continue };
                    let start = grid.lead() + row * grid.row();
                    for x in 0..grid.width {
                        let mut pixel = [bf16::ZERO; SIDE];
                        self.read_channels(image_row, x, first, &mut pixel[..count]);
                        for (channel, value) in pixel[..count].iter().enumerate() {
                            out[channel * row_len + start + x] = *value;
                        }
                    }
                }
            });
            f(buffer, row_len)
        })
    }

    /// Calls `f` with the positions as the right factor of products: for each panel of [`SIDE`] channels a
    /// step for each block of positions. Positions that are no pixels are zeros.
    fn with_right<R>(&self, f: impl FnOnce(&[bf16]) -> R) -> R {
        let grid = self.grid();
        let panel_len = grid.positions() * SIDE;
        scratch::with_bf16(self.padded_channels() / SIDE * panel_len, |buffer| {
            buffer.par_chunks_mut(STEP).enumerate().for_each(|(step, out)| {
                let (panel, block) = (step * STEP / panel_len, step % (panel_len / STEP));
                let first = panel * SIDE;
                let count = SIDE.min(self.channels - first);
                for k in (0..SIDE).step_by(2) {
                    let rows = [k, k + 1].map(|k| {
                        let mut channels = [bf16::ZERO; SIDE];
                        let position = block * SIDE + k;
                        let x = position % grid.row();
                        let row = grid.image_row(position / grid.row()).filter(|_| x < grid.width);
                        if let Some(row) = row {
                            self.read_channels(row, x, first, &mut channels[..count]);
                        }
                        channels
                    });
                    tiles::interleave(&rows, k, out);
                }
            });
            f(buffer)
        })
    }
}

/// Elements of a row of a transposed grid. An odd number of cache lines: rows of a power of two would all
/// fall into the same lines of the cache.
fn transposed_row(grid: &Grid) -> usize {
    let lines = grid.len().div_ceil(32);
    32 * (lines + 1 - lines % 2)
}

impl Weights<'_> {
    /// Steps of a panel.
    fn steps(&self) -> usize {
        9 * self.inputs.div_ceil(SIDE)
    }

    /// The scaled weights of a tap and an input to the outputs from `first` on, zeros past the last.
    fn row(&self, tap: usize, input: usize, first: usize) -> [bf16; SIDE] {
        let mut row = [bf16::ZERO; SIDE];
        if input >= self.inputs {
            return row;
        }
        let count = SIDE.min(self.outputs - first);
        let (at, stride) = if self.rotated {
            (((8 - tap) * self.outputs + first) * self.inputs + input, self.inputs)
        } else {
            ((tap * self.inputs + input) * self.outputs + first, 1)
        };
        for (out, value) in row[..count].iter_mut().zip(self.data[at..].iter().step_by(stride)) {
            *out = scalar::round(self.scale * value);
        }
        row
    }

    /// Calls `f` with the weights as the right factor of the products: for each panel of [`SIDE`] outputs a step
    /// for each tap and each [`SIDE`] inputs, in this order.
    fn with_packed<R>(&self, f: impl FnOnce(&[bf16]) -> R) -> R {
        let steps = self.steps();
        let panels = self.outputs.div_ceil(SIDE);
        scratch::with_bf16(panels * steps * STEP, |buffer| {
            buffer.par_chunks_mut(STEP).enumerate().for_each(|(at, out)| {
                let (panel, step) = (at / steps, at % steps);
                let (tap, chunk) = (step / (steps / 9), step % (steps / 9));
                for k in (0..SIDE).step_by(2) {
                    tiles::interleave(
                        &[k, k + 1].map(|k| self.row(tap, chunk * SIDE + k, panel * SIDE)),
                        k,
                        out,
                    );
                }
            });
            f(buffer)
        })
    }
}

/// Writes the pixels of a block.
struct Write<'a, 'b, T> {
    sums: &'a Block,
    /// The pixel of each position, or [`NO_PIXEL`].
    pixels: &'a [usize],
    /// The first pixel of `out`.
    first_pixel: usize,
    /// The first output channel of the block, and all of them.
    channel: usize,
    channels: usize,
    epilogue: &'a Epilogue<'a, bf16>,
    out: &'b mut [MaybeUninit<T>],
}

impl<T: Element> Kernel for Write<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { sums, pixels, first_pixel, channel, channels, epilogue, out } = self;
        let count = SIDE.min(channels - channel);
        for (&pixel, sums) in pixels.iter().zip(sums.0.chunks_exact(SIDE)) {
            if pixel == NO_PIXEL {
                continue;
            }
            let mut values = [0f32; SIDE];
            values[..count].copy_from_slice(&sums[..count]);
            if let Some(bias) = epilogue.bias {
                for (value, bias) in values.iter_mut().zip(&bias[channel..]) {
                    *value += bias;
                }
            }
            if let Some(slope) = epilogue.slope {
                for value in &mut values {
                    *value = if *value > 0.0 { *value } else { slope * *value };
                }
            }
            if let Some((mask, slope)) = epilogue.mask {
                for (value, y) in values.iter_mut().zip(&mask[pixel * channels + channel..]) {
                    *value = if y.to_f32() > 0.0 { *value } else { slope * *value };
                }
            }
            let at = (pixel - first_pixel) * channels + channel;
            for (out, value) in out[at..at + count].iter_mut().zip(&values) {
                out.write(T::of(*value));
            }
        }
    }
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
    let (grid, padded, outputs) = (images.grid(), images.padded_channels(), weights.outputs);
    assert!(images.channels == weights.inputs && weights.data.len() == 9 * weights.inputs * outputs);
    let steps: Vec<usize> = (0..9)
        .flat_map(|tap| (0..padded).step_by(SIDE).map(move |channel| grid.tap(tap) * padded + channel))
        .collect();
    let write = |mut out: &mut [MaybeUninit<T>]| {
        let mut tasks = Vec::new();
        for first in (0..grid.positions()).step_by(BLOCKS * SIDE) {
            let end = (first + BLOCKS * SIDE).min(grid.positions());
            let pixels = grid.pixels_before(end) - grid.pixels_before(first);
            let (part, rest) = out.split_at_mut(pixels * outputs);
            out = rest;
            tasks.push((first..end, part));
        }
        assert!(out.is_empty());
        images.with_grid(|left| {
            weights.with_packed(|right| {
                tasks.into_par_iter().for_each(|(positions, out)| {
                    let first_pixel = grid.pixels_before(positions.start);
                    let pixels: Vec<usize> = positions.clone().map(|at| grid.pixel(at)).collect();
                    let mut sums = Block([0.0; STEP]);
                    for (panel, right) in right.chunks_exact(weights.steps() * STEP).enumerate() {
                        for (position, pixels) in positions.clone().step_by(SIDE).zip(pixels.chunks(SIDE)) {
                            tiles.multiply(
                                (&left[position * padded..], padded),
                                &steps,
                                right,
                                &mut sums,
                                false,
                            );
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
    let (grid, panels) = (x.grid(), g.padded_channels() / SIDE);
    let mut sums = vec![Block([0.0; STEP]); x.padded_channels() / SIDE * 9 * panels];
    x.with_transposed_grid(|left, row| {
        g.with_right(|right| {
            for first in (0..grid.positions()).step_by(PIECE) {
                let steps: Vec<usize> =
                    (first..(first + PIECE).min(grid.positions())).step_by(SIDE).collect();
                sums.par_chunks_mut(panels).enumerate().for_each(|(at, sums)| {
                    let (block, tap) = (at / 9, at % 9);
                    let left = &left[block * SIDE * row + grid.tap(tap)..];
                    for (panel, sums) in sums.iter_mut().enumerate() {
                        let right = &right[(panel * grid.positions() + first) * SIDE..];
                        tiles.multiply((left, row), &steps, right, sums, first > 0);
                    }
                });
            }
        });
    });
    let mut dw = vec![0.0; shapes.w_len()];
    dw.par_chunks_mut(outputs).enumerate().for_each(|(at, out)| {
        let (tap, input) = (at / inputs, at % inputs);
        let sums = &sums[(input / SIDE * 9 + tap) * panels..][..panels];
        for (out, sums) in out.chunks_mut(SIDE).zip(sums) {
            for (out, sum) in out.iter_mut().zip(&sums.0[input % SIDE * SIDE..]) {
                *out = scale * sum;
            }
        }
    });
    dw
}

#[cfg(test)]
mod tests {
    use super::super::kernel;
    use super::*;
    use crate::cpu::rounding;
    use crate::cpu::testing::numbers;

    fn rounded(len: usize, seed: u64) -> Vec<bf16> {
        numbers(len, seed).into_iter().map(scalar::round).collect()
    }

    fn wide(x: &[bf16]) -> Vec<f32> {
        x.iter().map(|x| x.to_f32()).collect()
    }

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
    /// at and above whole steps, with several tasks and several pieces.
    #[test]
    fn kernels_agree_with_those_of_f32() {
        for (batch, height, width, inputs, outputs, up) in [
            (1, 1, 1, 1, 1, false),
            (3, 5, 4, 33, 17, false),
            (2, 2, 3, 7, 40, true),
            (1, 17, 33, 32, 64, false),
            (9, 12, 12, 3, 5, false),
        ] {
            let s = Shapes { batch, height, width, inputs, outputs, kernel: 3, padding: 1, up };
            let (x, g, y) = (rounded(s.x_len(), 1), rounded(s.y_len(), 3), rounded(s.y_len(), 4));
            let (w, bias) = (numbers(s.w_len(), 2), numbers(outputs, 5));
            let wide_y = wide(&y);
            let mut wide_w = vec![0.0; w.len()];
            let level = Level::detect();
            rounding::round_scaled(level, &w, 0.3, &mut wide_w);
            let mut masked_g = vec![0.0; g.len()];
            rounding::widen_masked(level, &g, (&y, 0.2), &mut masked_g);
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

//! Images and weights in the order of the factors of products.

use half::bf16;
use rayon::prelude::*;

use super::super::shapes::{Images, Weights};
use super::grid::{Grid, NO_PIXEL};
use crate::cpu::tiles::{SIDE, STEP};
use crate::cpu::{Element, Kernel, Level, Simd, scratch};

/// Rows of [`SIDE`] numbers: positions of a block, or inputs of a step.
type Rows = [[bf16; SIDE]; SIDE];

/// An order of the positions of a block, each with [`SIDE`] channels: rows of a left factor.
#[derive(Clone, Copy)]
enum Order {
    /// One position after another.
    Rows,
    /// One channel after another.
    Transposed,
}

impl Images<'_, bf16> {
    pub(super) fn grid(&self) -> Grid {
        Grid { batch: self.batch, height: self.height, width: self.width }
    }

    /// Parts of [`SIDE`] channels, the last one filled up with zeros.
    pub(super) fn parts(&self) -> usize {
        self.channels.div_ceil(SIDE)
    }

    /// Writes positions as they follow one another, `part` elements apart for each part of the channels.
    pub(super) fn write_rows(&self, pixels: &[u32], part: usize, out: &mut [bf16]) {
        Level::detect().run(Pack { images: self, pixels, order: Order::Rows, part, out });
    }

    /// Calls `f` with positions as the left factor of products, whose rows are channels: for each piece of
    /// `piece` positions and each part of the channels a step for each block of positions.
    pub(super) fn with_transposed<R>(&self, pixels: &[u32], piece: usize, f: impl FnOnce(&[bf16]) -> R) -> R {
        scratch::with_bf16(self.parts() * pixels.len() * SIDE, |buffer| {
            let pieces = pixels.par_chunks(piece).zip(buffer.par_chunks_mut(self.parts() * piece * SIDE));
            pieces.for_each(|(pixels, out)| {
                let part = pixels.len() * SIDE;
                Level::detect().run(Pack { images: self, pixels, order: Order::Transposed, part, out });
            });
            f(buffer)
        })
    }

    /// Calls `f` with what the taps of `count` positions reach as the right factor of products: for each piece
    /// of `piece` positions and for each part of the channels, pairs that begin at even positions and pairs that
    /// begin at odd ones.
    pub(super) fn with_pairs<R>(
        &self,
        (pixels, count): (&[u32], usize),
        piece: usize,
        f: impl FnOnce(&[bf16]) -> R,
    ) -> R {
        let grid = self.grid();
        let part = grid.reach(piece) * SIDE;
        scratch::with_bf16(count.div_ceil(piece) * 2 * self.parts() * part, |buffer| {
            buffer.par_chunks_mut(2 * self.parts() * part).enumerate().for_each(|(at, out)| {
                let first = at * piece;
                let positions = grid.reach(piece.min(count - first));
                let pixels = &pixels[first..=first + positions];
                Level::detect().run(PackPairs { images: self, pixels, part, out });
            });
            f(buffer)
        })
    }
}

/// Writes blocks of positions with all channels.
struct Pack<'a, 'b> {
    images: &'a Images<'a, bf16>,
    /// The pixels of whole blocks.
    pixels: &'a [u32],
    order: Order,
    /// Elements from one part of the channels to the next.
    part: usize,
    out: &'b mut [bf16],
}

impl Kernel for Pack<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { images, pixels, order, part, out } = self;
        let mut rows = [[bf16::ZERO; SIDE]; SIDE];
        for (block, pixels) in pixels.chunks_exact(SIDE).enumerate() {
            for (at, out) in out.chunks_mut(part).enumerate() {
                let (first, step) = (at * SIDE, &mut out[block * STEP..][..STEP]);
                match order {
                    Order::Rows => read_block(s, images, pixels, first, step.as_chunks_mut().0),
                    Order::Transposed => {
                        read_block(s, images, pixels, first, &mut rows);
                        transpose(s, &rows, step);
                    }
                }
            }
        }
    }
}

/// Writes blocks of positions with all channels as steps of a right factor: for each part of the channels pairs that
/// begin at even positions, then pairs that begin at odd ones.
struct PackPairs<'a, 'b> {
    images: &'a Images<'a, bf16>,
    /// The pixels of whole blocks, and one more.
    pixels: &'a [u32],
    /// Elements of either form of a part of the channels.
    part: usize,
    out: &'b mut [bf16],
}

impl Kernel for PackPairs<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { images, pixels, part, out } = self;
        let mut rows = [[bf16::ZERO; SIDE]; SIDE + 1];
        for block in 0..pixels.len() / SIDE {
            let pixels = &pixels[block * SIDE..][..=SIDE];
            for (at, out) in out.chunks_exact_mut(2 * part).enumerate() {
                let (even, odd) = out.split_at_mut(part);
                read_block(s, images, pixels, at * SIDE, &mut rows);
                interleave(&rows[..SIDE], &mut even[block * STEP..][..STEP]);
                interleave(&rows[1..], &mut odd[block * STEP..][..STEP]);
            }
        }
    }
}

/// Reads the channels of pixels from `first` on.
#[inline(always)]
fn read_block<S: Simd>(s: S, images: &Images<bf16>, pixels: &[u32], first: usize, rows: &mut [[bf16; SIDE]]) {
    for (row, pixel) in rows.iter_mut().zip(pixels) {
        read(s, images, *pixel, first, row);
    }
}

/// Reads the channels of a pixel from `first` on, times the mask; zeros past the last.
#[inline(always)]
fn read<S: Simd>(s: S, images: &Images<bf16>, pixel: u32, first: usize, out: &mut [bf16; SIDE]) {
    if pixel == NO_PIXEL {
        *out = [bf16::ZERO; SIDE];
        return;
    }
    let count = SIDE.min(images.channels - first);
    let at = pixel as usize * images.channels + first;
    let data = &images.data[at..at + count];
    let Some((mask, slope)) = images.mask else {
        match data.first_chunk() {
            Some(data) => *out = *data,
            None => {
                out[..count].copy_from_slice(data);
                out[count..].fill(bf16::ZERO);
            }
        }
        return;
    };
    let mask = &mask[at..at + count];
    let slope = s.splat(slope);
    let mut lane = 0;
    while lane < SIDE {
        let n = count.saturating_sub(lane);
        let from = lane.min(count);
        // SAFETY: both slices have `count` elements, of which the first `n` from `from` on are read; `out` has
        // SIDE elements, a multiple of the lanes.
        unsafe {
            let g = bf16::load_first(s, data.as_ptr().add(from), n);
            let y = bf16::load_first(s, mask.as_ptr().add(from), n);
            s.store_bf16(out.as_mut_ptr().add(lane).cast(), s.rectified(g, y, slope));
        }
        lane += S::LANES;
    }
}

/// Writes rows as a step of the right factor: rows in pairs, in which both numbers of a column are neighbours.
#[inline(always)]
fn interleave(rows: &[[bf16; SIDE]], step: &mut [bf16]) {
    let pairs = step.as_chunks_mut::<2>().0.chunks_exact_mut(SIDE);
    for (out, [upper, lower]) in pairs.zip(rows.as_chunks::<2>().0) {
        for ((out, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
            *out = [*upper, *lower];
        }
    }
}

/// Writes column after column.
#[inline(always)]
fn transpose<S: Simd>(s: S, rows: &Rows, step: &mut [bf16]) {
    let mut pairs = [bf16::ZERO; STEP];
    interleave(rows, &mut pairs);
    assert!(step.len() == STEP);
    for half in [0, 16] {
        // SAFETY: `pairs` has 16 rows of SIDE pairs, and `step` SIDE rows of 16 pairs, of which 16 from `half` on.
        unsafe {
            let to = step.as_mut_ptr().add(half * SIDE).cast();
            s.transpose16(pairs.as_ptr().cast::<u32>().add(half), SIDE, to, 16);
        }
    }
}

/// Writes rows as columns of a step of the right factor.
#[inline(always)]
fn transpose_pairs<S: Simd>(s: S, rows: &Rows, step: &mut [bf16]) {
    assert!(step.len() == STEP);
    for half in [0, 16] {
        // SAFETY: there are SIDE rows of 16 pairs, of which 16 from `half` on, and `step` has 16 rows of SIDE pairs.
        unsafe {
            let to = step.as_mut_ptr().cast::<u32>().add(half);
            s.transpose16(rows[half..].as_ptr().cast(), 16, to, SIDE);
        }
    }
}

impl Weights<'_> {
    /// Steps of a panel.
    pub(super) fn steps(&self) -> usize {
        9 * self.inputs.div_ceil(SIDE)
    }

    /// Calls `f` with the scaled weights as the right factor of products: for each panel of [`SIDE`] outputs a
    /// step for each [`SIDE`] inputs and each tap, in this order.
    pub(super) fn with_packed<R>(&self, f: impl FnOnce(&[bf16]) -> R) -> R {
        let steps = self.steps();
        scratch::with_bf16(self.outputs.div_ceil(SIDE) * steps * STEP, |buffer| {
            buffer.par_chunks_mut(9 * STEP).enumerate().for_each(|(at, out)| {
                let (output, input) = (at / (steps / 9) * SIDE, at % (steps / 9) * SIDE);
                Level::detect().run(PackWeights { weights: self, output, input, out });
            });
            f(buffer)
        })
    }
}

/// Writes the steps of all taps, from an output and an input on.
struct PackWeights<'a, 'b> {
    weights: &'a Weights<'a>,
    output: usize,
    input: usize,
    out: &'b mut [bf16],
}

impl Kernel for PackWeights<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { weights, output, input, out } = self;
        let Weights { data, inputs, outputs, rotated, scale } = *weights;
        let (from_inputs, from_outputs) = (SIDE.min(inputs - input), SIDE.min(outputs - output));
        for (tap, out) in out.chunks_exact_mut(STEP).enumerate() {
            let mut rows = [[bf16::ZERO; SIDE]; SIDE];
            if rotated {
                for (n, row) in rows[..from_outputs].iter_mut().enumerate() {
                    let at = ((8 - tap) * outputs + output + n) * inputs + input;
                    round(s, &data[at..at + from_inputs], scale, row);
                }
                transpose_pairs(s, &rows, out);
            } else {
                for (k, row) in rows[..from_inputs].iter_mut().enumerate() {
                    let at = (tap * inputs + input + k) * outputs + output;
                    round(s, &data[at..at + from_outputs], scale, row);
                }
                interleave(&rows, out);
            }
        }
    }
}

/// Writes `scale·x`, rounded, and zeros after it.
#[inline(always)]
fn round<S: Simd>(s: S, x: &[f32], scale: f32, out: &mut [bf16; SIDE]) {
    let scale = s.splat(scale);
    let mut lane = 0;
    while lane < SIDE {
        let from = lane.min(x.len());
        // SAFETY: of `x` the elements from `from` on are read; `out` has SIDE elements, a multiple of the lanes.
        unsafe {
            let v = s.load_first(x.as_ptr().add(from), x.len() - from);
            s.store_bf16(out.as_mut_ptr().add(lane).cast(), s.mul(scale, v));
        }
        lane += S::LANES;
    }
}

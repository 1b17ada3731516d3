//! 3x3 convolution with padding 1 by Winograd's F(4x4, 3x3), which takes 36 multiplications where
//! direct convolution takes 144 (Lavin and Gray, arXiv:1509.09308, §4.3).

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::shapes::{Epilogue, Images, OutputRows, Weights};
use super::tile::{self, POSITIONS, Sums};
use crate::cpu::{Element, Kernel, Level, PANEL, Product, Simd, Strides, filled, padded, scratch};

/// Up to this many tiles, each panel of weights is transformed right before it is used. With more
/// tiles, all panels are transformed first and kept.
const FEW: usize = 64;

/// Up to this many weights (inputs times outputs) the limit on tiles is a quarter of [`FEW`]: such
/// weights stay in cache, and panels of a hundred channels do not divide evenly among threads.
const SMALL: usize = 1 << 14;

/// Tiles of a chunk, whose transforms the weight gradient keeps together.
const CHUNK: usize = 16;

/// Chunks that the weight gradient sums at once. Their factors of one block of sums fit the
/// first-level cache, and those of one position the second-level cache.
const AT_ONCE: usize = 12;

/// The width of the panel that begins at column `first` of `columns`.
fn panel_width(columns: usize, first: usize) -> usize {
    PANEL.min(padded(columns) - first)
}

impl Weights<'_> {
    /// Transforms one panel of output channels to `(36, inputs, up to 32)`.
    fn transform(&self, level: Level, panel: usize, out: &mut [f32]) {
        let Self { data, inputs, outputs, scale, .. } = *self;
        let first = panel * PANEL;
        let width = panel_width(outputs, first);
        let columns = width.min(outputs - first);
        if !self.rotated {
            let (row, tap) = (outputs, inputs * outputs);
            level.run(TransformWeights { w: &data[first..], row, tap, inputs, columns, width, scale, out });
            return;
        }
        scratch::with(9 * inputs * PANEL, |w| {
            for (tap, w) in w.chunks_exact_mut(inputs * PANEL).enumerate() {
                let data = &data[((8 - tap) * outputs + first) * inputs..][..columns * inputs];
                transpose_into(data, inputs, w);
            }
            let (row, tap) = (PANEL, inputs * PANEL);
            level.run(TransformWeights { w, row, tap, inputs, columns, width, scale, out });
        });
    }
}

/// Transposes `(up to 32, columns)` to `(columns, 32)`. The rest of each row keeps its old elements.
fn transpose_into(data: &[f32], columns: usize, out: &mut [f32]) {
    const BLOCK: usize = 16;
    for first in (0..columns).step_by(BLOCK) {
        let block = &mut out[first * PANEL..(first + BLOCK).min(columns) * PANEL];
        for (r, row) in data.chunks_exact(columns).enumerate() {
            for (out, value) in block.chunks_exact_mut(PANEL).zip(&row[first..]) {
                out[r] = *value;
            }
        }
    }
}

/// Transforms `columns` output channels of nine taps. Taps are `tap` elements apart, input channels
/// `row`.
struct TransformWeights<'a> {
    w: &'a [f32],
    row: usize,
    tap: usize,
    inputs: usize,
    columns: usize,
    width: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl Kernel for TransformWeights<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { w, row, tap, inputs, columns, width, scale, out } = self;
        for i in 0..inputs {
            tile::weights(
                s,
                &w[i * row..],
                tap,
                columns,
                scale,
                &mut out[i * width..],
                inputs * width,
                width,
            );
        }
    }
}

/// Convolves a block of tiles: input transform, products, output transform.
struct Block<'a, 'b, E> {
    images: &'a Images<'a, E>,
    /// All panels of transformed weights.
    weights: &'a [f32],
    epilogue: &'a Epilogue<'a, E>,
    tiles: std::ops::Range<usize>,
    /// OutputRows of tiles, from the row of the first tile.
    rows: &'a mut [OutputRows<'b, E>],
    v: &'a mut [f32],
    m: &'a mut [f32],
}

impl<E: Element> Kernel for Block<'_, '_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { images, weights, epilogue, tiles, rows, v, m } = self;
        let inputs = images.channels;
        let outputs = rows[0].channels;
        let (v_row, m_row) = (padded(inputs), padded(outputs));
        let count = tiles.len();
        for (local, t) in tiles.clone().enumerate() {
            tile::input(s, images, images.tile(t), &mut v[local * v_row..], count * v_row, v_row);
        }
        for position in 0..POSITIONS {
            let a = &v[position * count * v_row..][..count * v_row];
            let mut first = 0;
            while first < m_row {
                let width = panel_width(outputs, first);
                let b = &weights[POSITIONS * first * inputs + position * inputs * width..][..inputs * width];
                Product {
                    a,
                    strides: Strides { row: v_row, depth: 1, chunk: 0 },
                    rows: count,
                    k: inputs,
                    chunks: 1,
                    b,
                    b_row: width,
                    b_chunk: 0,
                    width,
                    c: &mut m[position * count * m_row + first..(position + 1) * count * m_row],
                    c_row: m_row,
                    columns: width,
                    add: false,
                }
                .compute(s);
                first += width;
            }
        }
        let sums = Sums { data: m, panel: PANEL, position: count * m_row, tile: m_row };
        let across = images.tiles_across();
        let first_row = tiles.start / across;
        for (local, t) in tiles.enumerate() {
            let at = images.tile(t);
            tile::output(s, &sums, local, at.x, epilogue, &mut rows[t / across - first_row]);
        }
    }
}

/// Transforms tiles into `v`. Position `p` of tile `t` is at `p·count·row + t·row`.
struct Inputs<'a, E> {
    images: &'a Images<'a, E>,
    tiles: std::ops::Range<usize>,
    v: &'a mut [f32],
}

impl<E: Element> Kernel for Inputs<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = padded(self.images.channels);
        let count = self.tiles.len();
        for (local, t) in self.tiles.enumerate() {
            let tile = self.images.tile(t);
            tile::input(s, self.images, tile, &mut self.v[local * row..], count * row, row);
        }
    }
}

/// Products of all tiles with one panel of output channels.
struct PanelSums<'a> {
    v: &'a [f32],
    /// The number of tiles of each chunk in `v`.
    counts: &'a [usize],
    inputs: usize,
    weights: &'a [f32],
    width: usize,
    /// `(36, tiles, 32)`
    m: &'a mut [f32],
}

impl Kernel for PanelSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = padded(self.inputs);
        let mut total = 0;
        for &count in self.counts {
            total += count;
        }
        for position in 0..POSITIONS {
            let mut done = 0;
            for &count in self.counts {
                let v = &self.v[done * POSITIONS * row..][..count * POSITIONS * row];
                Product {
                    a: &v[position * count * row..][..count * row],
                    strides: Strides { row, depth: 1, chunk: 0 },
                    rows: count,
                    k: self.inputs,
                    chunks: 1,
                    b: &self.weights[position * self.inputs * self.width..][..self.inputs * self.width],
                    b_row: self.width,
                    b_chunk: 0,
                    width: self.width,
                    c: &mut self.m[(position * total + done) * PANEL..],
                    c_row: PANEL,
                    columns: self.width,
                    add: false,
                }
                .compute(s);
                done += count;
            }
        }
    }
}

/// Transforms sums back into rows of pixels.
struct Outputs<'a, 'b, E> {
    images: &'a Images<'a, E>,
    sums: Sums<'a>,
    first_row: usize,
    epilogue: &'a Epilogue<'a, E>,
    rows: &'a mut [OutputRows<'b, E>],
}

impl<E: Element> Kernel for Outputs<'_, '_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let across = self.images.tiles_across();
        for (i, rows) in self.rows.iter_mut().enumerate() {
            for x in 0..across {
                let local = (self.first_row + i) * across + x;
                tile::output(s, &self.sums, local, 4 * x, self.epilogue, rows);
            }
        }
    }
}

/// Convolves images with weights. With [`Epilogue::down`] the result has half the images' sides.
pub(crate) fn convolve<E: Element>(
    level: Level,
    images: &Images<E>,
    weights: &Weights,
    epilogue: &Epilogue<E>,
) -> Vec<E> {
    images.check();
    let Weights { inputs, outputs, .. } = *weights;
    assert!(weights.data.len() == 9 * inputs * outputs && inputs == images.channels);
    let shift = usize::from(epilogue.down);
    let len = images.batch * (images.height >> shift) * (images.width >> shift) * outputs;
    let write = |out: &mut [MaybeUninit<E>]| {
        let mut rows = split_rows(images, outputs, epilogue.down, out);
        let tiles = images.tiles();
        if tiles <= FEW / 4 || tiles <= FEW && inputs * outputs > SMALL {
            convolve_few(level, images, weights, epilogue, &mut rows);
        } else {
            convolve_many(level, images, weights, epilogue, &mut rows);
        }
    };
    // SAFETY: rows of tiles cover the output, and each tile writes all of its pixels.
    unsafe { filled(len, write) }
}

/// Splits the output into rows of tiles. Every pixel is in exactly one of them.
fn split_rows<'a, E: Element>(
    images: &Images<E>,
    outputs: usize,
    down: bool,
    mut out: &'a mut [MaybeUninit<E>],
) -> Vec<OutputRows<'a, E>> {
    let shift = usize::from(down);
    let (mut rows, mut start) = (Vec::new(), 0);
    for _ in 0..images.batch {
        for y in (0..images.height).step_by(4) {
            let height = (images.height - y).min(4);
            let len = (height >> shift) * (images.width >> shift) * outputs;
            let (data, rest) = out.split_at_mut(len);
            rows.push(OutputRows { data, width: images.width, height, channels: outputs, start });
            out = rest;
            start += len;
        }
    }
    assert!(out.is_empty());
    rows
}

/// Convolves many tiles: threads share the tiles.
fn convolve_many<E: Element>(
    level: Level,
    images: &Images<E>,
    weights: &Weights,
    epilogue: &Epilogue<E>,
    rows: &mut [OutputRows<E>],
) {
    let Weights { inputs, outputs, .. } = *weights;
    let across = images.tiles_across();
    let block = tiles_per_block(inputs, outputs);
    let tasks = rows.len().div_ceil((block / across).max(1)).next_multiple_of(4);
    let rows_per_task = rows.len().div_ceil(tasks);
    scratch::with(POSITIONS * inputs * padded(outputs), |panels| {
        panels
            .par_chunks_mut(POSITIONS * inputs * PANEL)
            .enumerate()
            .for_each(|(panel, out)| weights.transform(level, panel, out));
        let weights = &*panels;
        rows.par_chunks_mut(rows_per_task).enumerate().for_each(|(task, rows)| {
            let start = task * rows_per_task * across;
            let end = start + rows.len() * across;
            let block = (end - start).div_ceil((end - start).div_ceil(block));
            let (v_len, m_len) = (POSITIONS * block * padded(inputs), POSITIONS * block * padded(outputs));
            scratch::with(v_len + m_len, |buffer| {
                let (v, m) = buffer.split_at_mut(v_len);
                for first in (start..end).step_by(block) {
                    let tiles = first..(first + block).min(end);
                    let rows = &mut rows[(first - start) / across..];
                    level.run(Block { images, weights, epilogue, tiles, rows, v, m });
                }
            });
        });
    });
}

/// The number of tiles whose transforms fit a core's cache.
fn tiles_per_block(inputs: usize, outputs: usize) -> usize {
    (6144 / inputs.max(outputs)).clamp(16, 24)
}

/// Convolves few tiles: threads share the panels of output channels.
fn convolve_few<E: Element>(
    level: Level,
    images: &Images<E>,
    weights: &Weights,
    epilogue: &Epilogue<E>,
    rows: &mut [OutputRows<E>],
) {
    let Weights { inputs, outputs, .. } = *weights;
    let tiles = images.tiles();
    let row = padded(inputs);
    const STEP: usize = 12;
    let counts: Vec<usize> = (0..tiles).step_by(STEP).map(|t| STEP.min(tiles - t)).collect();
    let panels = padded(outputs).div_ceil(PANEL);
    let panel_len = POSITIONS * tiles * PANEL;
    let v_len = POSITIONS * tiles * row;
    scratch::with(v_len + panels * panel_len, |buffer| {
        let (v, m) = buffer.split_at_mut(v_len);
        v.par_chunks_mut(POSITIONS * STEP * row).enumerate().for_each(|(chunk, v)| {
            let tiles = chunk * STEP..chunk * STEP + counts[chunk];
            level.run(Inputs { images, tiles, v });
        });
        let v = &*v;
        m.par_chunks_mut(panel_len).enumerate().with_max_len(1).for_each(|(panel, m)| {
            let width = panel_width(outputs, panel * PANEL);
            scratch::with(POSITIONS * inputs * width, |out| {
                weights.transform(level, panel, out);
                level.run(PanelSums { v, counts: &counts, inputs, weights: out, width, m });
            });
        });
        let sums = Sums { data: m, panel: panel_len, position: tiles * PANEL, tile: PANEL };
        rows.par_iter_mut().enumerate().for_each(|(first_row, rows)| {
            let rows = std::slice::from_mut(rows);
            level.run(Outputs { images, sums, first_row, epilogue, rows });
        });
    });
}

/// Transforms a chunk of tiles of both factors of the weight gradient. Tiles past the last one are
/// zeros.
struct Factors<'a, E> {
    x: &'a Images<'a, E>,
    g: &'a Images<'a, E>,
    first: usize,
    out: &'a mut [f32],
}

impl<E: Element> Kernel for Factors<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (v_row, m_row) = (padded(self.x.channels), padded(self.g.channels));
        let (v, m) = self.out.split_at_mut(POSITIONS * CHUNK * v_row);
        let total = self.x.tiles();
        if self.first + CHUNK > total {
            v.fill(0.0);
            m.fill(0.0);
        }
        for local in 0..CHUNK.min(total - self.first) {
            let tile = self.x.tile(self.first + local);
            tile::input(s, self.x, tile, &mut v[local * v_row..], CHUNK * v_row, v_row);
            tile::gradient(s, self.g, tile, &mut m[local * m_row..], CHUNK * m_row, m_row);
        }
    }
}

/// Sums the products of chunks of tiles for one position and a range of input channels.
struct Correlate<'a> {
    factors: &'a [f32],
    chunks: usize,
    chunk_len: usize,
    position: usize,
    /// Channels of the whole input; `first` and `count` are the range that is computed.
    inputs: usize,
    first: usize,
    count: usize,
    outputs: usize,
    /// `(count, padded outputs)`
    du: &'a mut [f32],
    add: bool,
}

impl Kernel for Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (v_row, m_row) = (padded(self.inputs), padded(self.outputs));
        let m_start = POSITIONS * CHUNK * v_row + self.position * CHUNK * m_row;
        let mut first = 0;
        while first < m_row {
            let width = panel_width(self.outputs, first);
            Product {
                a: &self.factors[self.position * CHUNK * v_row + self.first..],
                strides: Strides { row: 1, depth: v_row, chunk: self.chunk_len },
                rows: self.count,
                k: CHUNK,
                chunks: self.chunks,
                b: &self.factors[m_start + first..],
                b_row: m_row,
                b_chunk: self.chunk_len,
                width,
                c: &mut self.du[first..],
                c_row: m_row,
                columns: width,
                add: self.add,
            }
            .compute(s);
            first += width;
        }
    }
}

/// Transforms the gradients of a range of input channels back to taps.
struct TransformBack<'a, 'b> {
    /// Begins at the first of these channels, at position 0.
    du: &'a [f32],
    position: usize,
    outputs: usize,
    scale: f32,
    taps: &'a mut [&'b mut [MaybeUninit<f32>]],
}

impl Kernel for TransformBack<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = padded(self.outputs);
        let count = self.taps[0].len() / self.outputs;
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8] = self.taps else { unreachable!("nine taps") };
        for i in 0..count {
            let at = i * self.outputs..(i + 1) * self.outputs;
            let mut taps = [
                &mut t0[at.clone()],
                &mut t1[at.clone()],
                &mut t2[at.clone()],
                &mut t3[at.clone()],
                &mut t4[at.clone()],
                &mut t5[at.clone()],
                &mut t6[at.clone()],
                &mut t7[at.clone()],
                &mut t8[at],
            ];
            tile::weights_back(s, &self.du[i * row..], self.position, self.scale, &mut taps);
        }
    }
}

/// Splits the weights into blocks of `channels` input channels with nine taps each.
fn split_taps(
    dw: &mut [MaybeUninit<f32>],
    inputs: usize,
    outputs: usize,
    channels: usize,
) -> Vec<Vec<&mut [MaybeUninit<f32>]>> {
    let mut taps: Vec<_> =
        dw.chunks_mut(inputs * outputs).map(|tap| tap.chunks_mut(channels * outputs)).collect();
    (0..inputs.div_ceil(channels)).map(|_| taps.iter_mut().filter_map(Iterator::next).collect()).collect()
}

/// The gradient of the weights, `(3, 3, inputs, outputs)`, given the input and the gradient of the
/// output.
pub(crate) fn weight_gradient<E: Element>(
    level: Level,
    x: &Images<E>,
    g: &Images<E>,
    scale: f32,
) -> Vec<f32> {
    x.check();
    g.check();
    assert!((x.batch, x.height, x.width) == (g.batch, g.height, g.width));
    // SAFETY: the blocks of input channels cover the weights, and each writes all of its nine taps.
    unsafe { filled(9 * x.channels * g.channels, |dw| correlate(level, x, g, scale, dw)) }
}

/// Writes all nine taps of the weight gradient.
fn correlate<E: Element>(
    level: Level,
    x: &Images<E>,
    g: &Images<E>,
    scale: f32,
    dw: &mut [MaybeUninit<f32>],
) {
    let (inputs, outputs) = (x.channels, g.channels);
    let (v_row, m_row) = (padded(inputs), padded(outputs));
    let chunk_len = POSITIONS * CHUNK * (v_row + m_row);
    let chunks = x.tiles().div_ceil(CHUNK);
    let at_once = AT_ONCE.min(chunks);
    let transform = |first: usize, factors: &mut [f32]| {
        factors.par_chunks_mut(chunk_len).enumerate().for_each(|(chunk, out)| {
            level.run(Factors { x, g, first: (first + chunk) * CHUNK, out });
        });
    };
    if chunks * CHUNK <= FEW {
        // The sums of a few channels stay in cache until they are transformed back.
        const CHANNELS: usize = 24;
        scratch::with(chunks * chunk_len, |factors| {
            transform(0, factors);
            let factors = &*factors;
            split_taps(dw, inputs, outputs, CHANNELS).par_iter_mut().enumerate().with_max_len(1).for_each(
                |(block, taps)| {
                    let (first, count) = (block * CHANNELS, taps[0].len() / outputs);
                    let position_len = count * m_row;
                    scratch::with(POSITIONS * position_len, |du| {
                        for (position, du) in du.chunks_exact_mut(position_len).enumerate() {
                            let add = false;
                            level.run(Correlate {
                                factors,
                                chunks,
                                chunk_len,
                                position,
                                inputs,
                                first,
                                count,
                                outputs,
                                du,
                                add,
                            });
                        }
                        level.run(TransformBack { du, position: position_len, outputs, scale, taps });
                    });
                },
            );
        });
        return;
    }
    let du_len = POSITIONS * inputs * m_row;
    scratch::with(du_len + at_once * chunk_len, |buffer| {
        let (du, factors) = buffer.split_at_mut(du_len);
        for begin in (0..chunks).step_by(at_once) {
            let chunks = at_once.min(chunks - begin);
            let factors = &mut factors[..chunks * chunk_len];
            transform(begin, factors);
            let factors = &*factors;
            du.par_chunks_mut(inputs * m_row).enumerate().with_max_len(1).for_each(|(position, du)| {
                let (first, count, add) = (0, inputs, begin > 0);
                level.run(Correlate {
                    factors,
                    chunks,
                    chunk_len,
                    position,
                    inputs,
                    first,
                    count,
                    outputs,
                    du,
                    add,
                });
            });
        }
        let du = &*du;
        const CHANNELS: usize = 8;
        split_taps(dw, inputs, outputs, CHANNELS).par_iter_mut().enumerate().for_each(|(block, taps)| {
            let du = &du[block * CHANNELS * m_row..];
            level.run(TransformBack { du, position: inputs * m_row, outputs, scale, taps });
        });
    });
}

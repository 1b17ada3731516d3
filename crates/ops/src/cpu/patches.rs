//! Convolution of any kernel size as a product of patches and weights.
//!
//! The patches of a 1x1 convolution, and of one whose kernel covers the picture, are the input
//! itself; others are copied, a block of rows at a time.

use rayon::prelude::*;

use super::gemm::{PANEL, Product, Strides, padded};
use super::simd::{Kernel, Level, Simd};
use super::tile::Epilogue;
use super::{Mask, Shapes, filled, scratch};

/// Rows of a block of the left factor.
const ROWS: usize = 48;
/// Up to this many rows the columns are shared among threads, not the rows.
const FEW: usize = 128;
/// Depth of a panel that stays in the fastest cache.
const DEPTH: usize = 256;
/// Rows of patches kept together in the weight gradient.
const SUMMED: usize = 256;
/// Weights so few that threads sum rows of their own.
const SMALL: usize = 8192;

/// The left factor of a product, by rows.
#[derive(Clone, Copy)]
enum Left<'a> {
    Matrix(&'a [f32]),
    Patches(&'a Shapes, &'a [f32]),
    Masked(&'a [f32], &'a [f32], f32),
}

impl<'a> Left<'a> {
    fn patches(shapes: &'a Shapes, x: &'a [f32]) -> Self {
        if direct(shapes) { Self::Matrix(x) } else { Self::Patches(shapes, x) }
    }

    fn gradient(g: &'a [f32], mask: Mask<'a>) -> Self {
        match mask {
            None => Self::Matrix(g),
            Some((mask, slope)) => Self::Masked(g, mask, slope),
        }
    }

    /// Numbers that [`rows`](Self::rows) needs for `count` rows of `k`.
    fn scratch(&self, count: usize, k: usize) -> usize {
        if matches!(self, Self::Matrix(_)) { 0 } else { count * k }
    }

    /// Rows `first..first + count`, of `k` numbers.
    fn rows<'b>(&self, first: usize, count: usize, k: usize, buffer: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        let range = first * k..(first + count) * k;
        match *self {
            Self::Matrix(data) => &data[range],
            Self::Patches(shapes, x) => {
                let buffer = &mut buffer[..count * k];
                for (i, row) in buffer.chunks_exact_mut(k).enumerate() {
                    patch(shapes, x, first + i, row);
                }
                buffer
            }
            Self::Masked(g, mask, slope) => {
                let buffer = &mut buffer[..count * k];
                for ((out, g), y) in buffer.iter_mut().zip(&g[range.clone()]).zip(&mask[range]) {
                    *out = if *y > 0.0 { *g } else { slope * g };
                }
                buffer
            }
        }
    }
}

/// Whether the input, as it lies in memory, is the matrix of patches.
fn direct(shapes: &Shapes) -> bool {
    let whole = shapes.kernel == shapes.height && shapes.kernel == shapes.width;
    !shapes.up && shapes.padding == 0 && (shapes.kernel == 1 || whole)
}

/// Offset in the input of each pixel under the kernel at output pixel `row`; none outside.
fn pixel(shapes: &Shapes, row: usize, tap: usize) -> Option<usize> {
    let (oh, ow) = (shapes.out_height(), shapes.out_width());
    let (b, oy, ox) = (row / (oh * ow), row / ow % oh, row % ow);
    let y = (oy + tap / shapes.kernel).wrapping_sub(shapes.padding);
    let x = (ox + tap % shapes.kernel).wrapping_sub(shapes.padding);
    let shift = usize::from(shapes.up);
    (y < shapes.seen_height() && x < shapes.seen_width())
        .then(|| ((b * shapes.height + (y >> shift)) * shapes.width + (x >> shift)) * shapes.inputs)
}

fn patch(shapes: &Shapes, x: &[f32], row: usize, out: &mut [f32]) {
    for (tap, out) in out.chunks_exact_mut(shapes.inputs).enumerate() {
        match pixel(shapes, row, tap) {
            Some(at) => out.copy_from_slice(&x[at..at + shapes.inputs]),
            None => out.fill(0.0),
        }
    }
}

/// The right factor, `k` rows of `n`, or its transpose as it lies in memory.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) data: &'a [f32],
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) transposed: bool,
    pub(super) scale: f32,
}

impl Right<'_> {
    fn width(&self, panel: usize) -> usize {
        PANEL.min(padded(self.n) - panel * PANEL)
    }

    /// Copies columns `32·panel..` to rows of a panel's width, zeros past the last.
    fn pack(&self, panel: usize, out: &mut [f32]) {
        let (first, width) = (panel * PANEL, self.width(panel));
        let columns = width.min(self.n - first);
        if self.transposed {
            if columns < width {
                out.fill(0.0);
            }
            for (j, column) in self.data.chunks_exact(self.k).skip(first).take(columns).enumerate() {
                for (out, value) in out.chunks_exact_mut(width).zip(column) {
                    out[j] = self.scale * value;
                }
            }
        } else {
            for (out, row) in out.chunks_exact_mut(width).zip(self.data.chunks_exact(self.n)) {
                let (used, rest) = out.split_at_mut(columns);
                for (out, value) in used.iter_mut().zip(&row[first..]) {
                    *out = self.scale * value;
                }
                rest.fill(0.0);
            }
        }
    }
}

/// `C = A·B` of a block of rows and a range of panels, without threads.
struct Rows<'a> {
    a: &'a [f32],
    rows: usize,
    k: usize,
    /// Packed panels, `n` columns in all.
    b: &'a [f32],
    n: usize,
    c: &'a mut [f32],
    c_row: usize,
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut first_k = 0;
        while first_k < self.k {
            let depth = DEPTH.min(self.k - first_k);
            let mut first = 0;
            while first < self.n {
                let width = PANEL.min(padded(self.n) - first);
                Product {
                    a: &self.a[first_k..],
                    strides: Strides { row: self.k, depth: 1, chunk: 0 },
                    rows: self.rows,
                    k: depth,
                    chunks: 1,
                    b: &self.b[first * self.k + first_k * width..][..depth * width],
                    b_row: width,
                    b_chunk: 0,
                    width,
                    c: &mut self.c[first..],
                    c_row: self.c_row,
                    columns: width.min(self.n - first),
                    add: first_k > 0,
                }
                .compute(s);
                first += width;
            }
            first_k += depth;
        }
    }
}

/// Bias, rectifier and mask on whole rows that begin at `start` of the output.
fn finish(epilogue: &Epilogue, start: usize, n: usize, c: &mut [f32]) {
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
            *c = if *y > 0.0 { *c } else { slope * *c };
        }
    }
}

/// All rows of `left · right`, finished.
fn multiply(level: Level, left: Left, rows: usize, right: &Right, epilogue: &Epilogue) -> Vec<f32> {
    let Right { k, n, .. } = *right;
    if rows <= FEW {
        let mut out = vec![0.0; rows * n];
        let panels = n.div_ceil(PANEL);
        scratch::with(left.scratch(rows, k) + panels * rows * PANEL, |buffer| {
            let (c, buffer) = buffer.split_at_mut(panels * rows * PANEL);
            let a = left.rows(0, rows, k, buffer);
            c.par_chunks_mut(rows * PANEL).enumerate().with_max_len(1).for_each(|(panel, c)| {
                let width = right.width(panel);
                scratch::with(k * width, |b| {
                    right.pack(panel, b);
                    level.run(Rows { a, rows, k, b, n: width, c, c_row: PANEL });
                });
            });
            for (panel, c) in c.chunks_exact(rows * PANEL).enumerate() {
                for (out, c) in out.chunks_exact_mut(n).zip(c.chunks_exact(PANEL)) {
                    for (out, c) in out[panel * PANEL..].iter_mut().zip(c) {
                        *out = *c;
                    }
                }
            }
        });
        finish(epilogue, 0, n, &mut out);
        return out;
    }
    filled(rows * n, |out| {
        with_panels(right, |b| {
            out.par_chunks_mut(ROWS * n).enumerate().for_each(|(block, out)| {
                let count = out.len() / n;
                scratch::with(out.len() + left.scratch(count, k), |buffer| {
                    let (c, buffer) = buffer.split_at_mut(out.len());
                    let a = left.rows(block * ROWS, count, k, buffer);
                    level.run(Rows { a, rows: count, k, b, n, c, c_row: n });
                    finish(epilogue, block * ROWS * n, n, c);
                    for (out, c) in out.iter_mut().zip(c) {
                        out.write(*c);
                    }
                });
            });
        });
    })
}

/// Calls `f` with all panels of the right factor, packed.
pub(super) fn with_panels<R>(right: &Right, f: impl FnOnce(&[f32]) -> R) -> R {
    scratch::with(right.k * padded(right.n), |b| {
        b.par_chunks_mut(right.k * PANEL).enumerate().for_each(|(panel, b)| right.pack(panel, b));
        f(b)
    })
}

pub(super) fn forward(
    level: Level,
    shapes: &Shapes,
    x: &[f32],
    w: &[f32],
    scale: f32,
    epilogue: &Epilogue,
) -> Vec<f32> {
    let (k, n) = (shapes.w_len() / shapes.outputs, shapes.outputs);
    let right = Right { data: w, k, n, transposed: false, scale };
    multiply(level, Left::patches(shapes, x), shapes.y_len() / n, &right, epilogue)
}

pub(super) fn input_gradient(
    level: Level,
    shapes: &Shapes,
    g: &[f32],
    mask: Mask,
    w: &[f32],
    scale: f32,
) -> Vec<f32> {
    let (k, n) = (shapes.outputs, shapes.w_len() / shapes.outputs);
    let right = Right { data: w, k, n, transposed: true, scale };
    let left = Left::gradient(g, mask);
    if direct(shapes) {
        return multiply(level, left, shapes.y_len() / k, &right, &Epilogue::default());
    }
    let mut out = vec![0.0; shapes.x_len()];
    let rows = shapes.out_height() * shapes.out_width();
    with_panels(&right, |b| {
        out.par_chunks_mut(shapes.x_len() / shapes.batch).enumerate().for_each(|(picture, out)| {
            let a_len = left.scratch(ROWS, k);
            scratch::with(a_len + ROWS * n, |buffer| {
                let (buffer, c) = buffer.split_at_mut(a_len);
                for first in (0..rows).step_by(ROWS) {
                    let count = ROWS.min(rows - first);
                    let a = left.rows(picture * rows + first, count, k, buffer);
                    let c = &mut c[..count * n];
                    level.run(Rows { a, rows: count, k, b, n, c, c_row: n });
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
    out
}

/// `C += A^T·B`, `B` in panels of all rows.
struct Transposed<'a> {
    /// Begins at the first column used.
    a: &'a [f32],
    a_row: usize,
    rows: usize,
    b: &'a [f32],
    n: usize,
    c: &'a mut [f32],
}

impl Kernel for Transposed<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut first = 0;
        while first < self.n {
            let width = PANEL.min(padded(self.n) - first);
            Product {
                a: self.a,
                strides: Strides { row: 1, depth: self.a_row, chunk: 0 },
                rows: self.c.len() / self.n,
                k: self.rows,
                chunks: 1,
                b: &self.b[first * self.rows..][..self.rows * width],
                b_row: width,
                b_chunk: 0,
                width,
                c: &mut self.c[first..],
                c_row: self.n,
                columns: width.min(self.n - first),
                add: true,
            }
            .compute(s);
            first += width;
        }
    }
}

pub(super) fn weight_gradient(
    level: Level,
    shapes: &Shapes,
    x: &[f32],
    g: &[f32],
    mask: Mask,
    scale: f32,
) -> Vec<f32> {
    let n = shapes.outputs;
    let (m, rows) = (shapes.w_len() / n, shapes.y_len() / n);
    let (left, gradient) = (Left::patches(shapes, x), Left::gradient(g, mask));
    let mut dw = vec![0.0; m * n];
    let b_len = SUMMED * padded(n);
    // Rows `first..first + count` of both factors: patches as they are, gradients in panels.
    let pack = |first: usize, count: usize, b: &mut [f32]| {
        scratch::with(gradient.scratch(count, n), |buffer| {
            let data = gradient.rows(first, count, n, buffer);
            let right = Right { data, k: count, n, transposed: false, scale };
            for (panel, b) in b[..count * padded(n)].chunks_mut(count * PANEL).enumerate() {
                right.pack(panel, b);
            }
        });
    };
    if m * n <= SMALL {
        let per_group = rows.div_ceil(16).next_multiple_of(SUMMED);
        let mut partial = vec![0.0; rows.div_ceil(per_group) * m * n];
        partial.par_chunks_mut(m * n).enumerate().for_each(|(group, c)| {
            let end = ((group + 1) * per_group).min(rows);
            scratch::with(b_len + left.scratch(SUMMED, m), |buffer| {
                let (b, buffer) = buffer.split_at_mut(b_len);
                for first in (group * per_group..end).step_by(SUMMED) {
                    let count = SUMMED.min(end - first);
                    pack(first, count, b);
                    let a = left.rows(first, count, m, buffer);
                    level.run(Transposed { a, a_row: m, rows: count, b, n, c });
                }
            });
        });
        for partial in partial.chunks_exact(m * n) {
            for (sum, value) in dw.iter_mut().zip(partial) {
                *sum += value;
            }
        }
        return dw;
    }
    const COLUMNS: usize = 24;
    scratch::with(b_len + left.scratch(SUMMED, m), |buffer| {
        let (b, buffer) = buffer.split_at_mut(b_len);
        for first in (0..rows).step_by(SUMMED) {
            let count = SUMMED.min(rows - first);
            pack(first, count, b);
            let a = match left {
                Left::Patches(shapes, x) => {
                    let a = &mut buffer[..count * m];
                    a.par_chunks_mut(16 * m).enumerate().for_each(|(block, a)| {
                        for (i, row) in a.chunks_exact_mut(m).enumerate() {
                            patch(shapes, x, first + 16 * block + i, row);
                        }
                    });
                    &*a
                }
                _ => left.rows(first, count, m, &mut []),
            };
            let b = &*b;
            dw.par_chunks_mut(COLUMNS * n).enumerate().for_each(|(block, c)| {
                level.run(Transposed { a: &a[block * COLUMNS..], a_row: m, rows: count, b, n, c });
            });
        }
    });
    dw
}

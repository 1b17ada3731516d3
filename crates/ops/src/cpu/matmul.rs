//! Matrix products on all threads, with a left factor that may be computed row by row.

use rayon::prelude::*;

use super::element::Element;
use super::filled::filled;
use super::gemm::{PANEL, Product, Strides, padded};
use super::level::Level;
use super::scratch;
use super::simd::{Kernel, Simd};

/// Rows of a block of the left factor.
pub(crate) const ROWS: usize = 48;
/// Up to this many rows, threads share the columns instead of the rows.
const FEW: usize = 128;
/// Depth of a panel that stays in the first-level cache.
const DEPTH: usize = 256;
/// Rows that a transposed product keeps together.
const SUMMED: usize = 256;
/// Up to this many elements of a transposed product, threads sum rows of their own.
const SMALL: usize = 8192;

/// The left factor of a product, by rows.
pub(crate) trait LeftFactor: Sync {
    /// Elements of working memory that [`rows`](Self::rows) needs for `count` rows of `k`.
    fn scratch(&self, count: usize, k: usize) -> usize;

    /// Rows `first..first + count` of `k` elements each; `buffer` is the working memory.
    fn rows<'a>(&'a self, first: usize, count: usize, k: usize, buffer: &'a mut [f32]) -> &'a [f32];

    /// As [`rows`](Self::rows), on all threads.
    fn rows_in_parallel<'a>(
        &'a self,
        first: usize,
        count: usize,
        k: usize,
        buffer: &'a mut [f32],
    ) -> &'a [f32] {
        self.rows(first, count, k, buffer)
    }
}

/// A matrix that is stored by rows.
impl LeftFactor for [f32] {
    fn scratch(&self, _: usize, _: usize) -> usize {
        0
    }

    fn rows<'a>(&'a self, first: usize, count: usize, k: usize, _: &'a mut [f32]) -> &'a [f32] {
        &self[first * k..(first + count) * k]
    }
}

/// The right factor: `scale` times `k` rows of `n` elements, or times the transpose of `n` rows of
/// `k`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) transposed: bool,
    pub(crate) scale: f32,
}

impl Right<'_> {
    fn width(&self, panel: usize) -> usize {
        PANEL.min(padded(self.n) - panel * PANEL)
    }

    /// Copies the columns from `32·panel` to rows of a panel's width, with zeros past the last
    /// column.
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

/// `C = A·B` for a block of rows and a range of panels, on one thread.
pub(crate) struct BlockProduct<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) k: usize,
    /// Packed panels of `n` columns in total.
    pub(crate) b: &'a [f32],
    pub(crate) n: usize,
    pub(crate) c: &'a mut [f32],
    pub(crate) c_row: usize,
}

impl Kernel for BlockProduct<'_> {
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

/// `left · right`. `finish` gets whole rows of the result and the index of their first element, before they are
/// rounded to the type of the result.
pub(crate) fn multiply<E: Element>(
    level: Level,
    left: &(impl LeftFactor + ?Sized),
    rows: usize,
    right: &Right,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<E> {
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
                    level.run(BlockProduct { a, rows, k, b, n: width, c, c_row: PANEL });
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
        finish(0, &mut out);
        return E::from_wide(out);
    }
    // SAFETY: the blocks of rows cover the output, and each task copies a whole block.
    unsafe {
        filled(rows * n, |out| {
            with_panels(right, |b| {
                out.par_chunks_mut(ROWS * n).enumerate().for_each(|(block, out)| {
                    let count = out.len() / n;
                    scratch::with(out.len() + left.scratch(count, k), |buffer| {
                        let (c, buffer) = buffer.split_at_mut(out.len());
                        let a = left.rows(block * ROWS, count, k, buffer);
                        level.run(BlockProduct { a, rows: count, k, b, n, c, c_row: n });
                        finish(block * ROWS * n, c);
                        E::write_narrow(c, out);
                    });
                });
            });
        })
    }
}

/// Calls `f` with all panels of the right factor, packed.
pub(crate) fn with_panels<R>(right: &Right, f: impl FnOnce(&[f32]) -> R) -> R {
    scratch::with(right.k * padded(right.n), |b| {
        b.par_chunks_mut(right.k * PANEL).enumerate().for_each(|(panel, b)| right.pack(panel, b));
        f(b)
    })
}

/// `C += Aᵀ·B`, with `B` in panels of all rows.
struct TransposedProduct<'a> {
    /// Begins at the first column that is used.
    a: &'a [f32],
    a_row: usize,
    rows: usize,
    b: &'a [f32],
    n: usize,
    c: &'a mut [f32],
}

impl Kernel for TransposedProduct<'_> {
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

/// `scale · Aᵀ·B` of `rows` rows, `m` columns of `a` and `n` columns of `b`.
pub(crate) fn multiply_transposed(
    level: Level,
    (a, m): (&(impl LeftFactor + ?Sized), usize),
    (b, n): (&(impl LeftFactor + ?Sized), usize),
    rows: usize,
    scale: f32,
) -> Vec<f32> {
    let mut product = vec![0.0; m * n];
    let panels_len = SUMMED * padded(n);
    // Rows `first..first + count` of `b` in panels.
    let pack = |first: usize, count: usize, panels: &mut [f32]| {
        scratch::with(b.scratch(count, n), |buffer| {
            let data = b.rows(first, count, n, buffer);
            let right = Right { data, k: count, n, transposed: false, scale };
            for (panel, out) in panels[..count * padded(n)].chunks_mut(count * PANEL).enumerate() {
                right.pack(panel, out);
            }
        });
    };
    if m * n <= SMALL {
        let per_group = rows.div_ceil(16).next_multiple_of(SUMMED).max(SUMMED);
        let mut partial = vec![0.0; rows.div_ceil(per_group) * m * n];
        partial.par_chunks_mut(m * n).enumerate().for_each(|(group, c)| {
            let end = ((group + 1) * per_group).min(rows);
            scratch::with(panels_len + a.scratch(SUMMED, m), |buffer| {
                let (panels, buffer) = buffer.split_at_mut(panels_len);
                for first in (group * per_group..end).step_by(SUMMED) {
                    let count = SUMMED.min(end - first);
                    pack(first, count, panels);
                    let a = a.rows(first, count, m, buffer);
                    level.run(TransposedProduct { a, a_row: m, rows: count, b: panels, n, c });
                }
            });
        });
        for partial in partial.chunks_exact(m * n) {
            for (sum, value) in product.iter_mut().zip(partial) {
                *sum += value;
            }
        }
        return product;
    }
    const COLUMNS: usize = 24;
    scratch::with(panels_len + a.scratch(SUMMED, m), |buffer| {
        let (panels, buffer) = buffer.split_at_mut(panels_len);
        for first in (0..rows).step_by(SUMMED) {
            let count = SUMMED.min(rows - first);
            pack(first, count, panels);
            let (a, b) = (a.rows_in_parallel(first, count, m, buffer), &*panels);
            product.par_chunks_mut(COLUMNS * n).enumerate().for_each(|(block, c)| {
                level.run(TransposedProduct { a: &a[block * COLUMNS..], a_row: m, rows: count, b, n, c });
            });
        }
    });
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(1 2; 3 4)·(5 6; 7 8)`, with the right factor by rows and transposed, scaled by 2; and the
    /// same of the transposed left factor.
    #[test]
    fn hand_computed_products() {
        let (a, b, b_transposed) = ([1., 2., 3., 4.], [5., 6., 7., 8.], [5., 7., 6., 8.]);
        for (data, transposed) in [(&b, false), (&b_transposed, true)] {
            let right = Right { data, k: 2, n: 2, transposed, scale: 2.0 };
            let product: Vec<f32> = multiply(Level::detect(), &a[..], 2, &right, |_, _| {});
            assert_eq!(product, [38., 44., 86., 100.]);
        }
        let product = multiply_transposed(Level::detect(), (&a[..], 2), (&b[..], 2), 2, 1.0);
        assert_eq!(product, [26., 30., 38., 44.]);
        assert_eq!(multiply_transposed(Level::detect(), (&a[..0], 2), (&b[..0], 2), 0, 1.0), [0.0; 4]);
    }
}

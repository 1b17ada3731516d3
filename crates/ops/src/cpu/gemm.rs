//! Blocks of matrix products.

use super::simd::{Kernel, Simd};

/// Columns of a panel, the unit in which the right factor is packed.
pub(crate) const PANEL: usize = 32;

/// `n` rounded up to a multiple of the widest vector.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(16)
}

/// The layout of the left factor: element `(r, c·k + p)` is at `r·row + c·chunk + p·depth`.
#[derive(Clone, Copy)]
pub(crate) struct Strides {
    pub(crate) row: usize,
    pub(crate) depth: usize,
    pub(crate) chunk: usize,
}

/// `C = A·B` or `C += A·B` for one panel of columns. The depth is `chunks` times `k`.
pub(crate) struct Product<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) strides: Strides,
    pub(crate) rows: usize,
    pub(crate) k: usize,
    pub(crate) chunks: usize,
    /// Rows of which the first `width` elements are used.
    pub(crate) b: &'a [f32],
    pub(crate) b_row: usize,
    pub(crate) b_chunk: usize,
    /// A multiple of 16, at most [`PANEL`].
    pub(crate) width: usize,
    pub(crate) c: &'a mut [f32],
    pub(crate) c_row: usize,
    /// Columns of `c` that are written, at most `width`.
    pub(crate) columns: usize,
    /// Whether to add to `c`.
    pub(crate) add: bool,
}

impl Product<'_> {
    /// Panics unless every access of the product is inside its slices.
    #[inline(always)]
    fn check(&self) {
        assert!(self.width <= PANEL && self.width.is_multiple_of(16) && self.columns <= self.width);
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        assert!(self.k > 0 && self.chunks > 0);
        let (p, chunk, row) = (self.k - 1, self.chunks - 1, self.rows - 1);
        let s = self.strides;
        assert!(row * s.row + p * s.depth + chunk * s.chunk < self.a.len());
        assert!(p * self.b_row + chunk * self.b_chunk + self.width <= self.b.len());
        assert!(row * self.c_row + self.columns <= self.c.len());
    }

    #[inline(always)]
    pub(crate) fn compute<S: Simd>(mut self, s: S) {
        self.check();
        if self.rows == 0 {
            return;
        }
        let wide = 2 * S::LANES;
        let mut column = 0;
        while column < self.columns {
            if self.width - column >= wide {
                self.stripe::<S, 2>(s, column);
                column += wide;
            } else {
                self.stripe::<S, 1>(s, column);
                column += S::LANES;
            }
        }
    }

    #[inline(always)]
    fn stripe<S: Simd, const N: usize>(&mut self, s: S, column: usize) {
        let mut row = 0;
        while row < self.rows {
            let left = self.rows - row;
            // SAFETY: `check` passed; a block has at most `left` rows, and `compute` chooses `N` so
            // that `column` plus `N` vectors is at most `width`.
            unsafe {
                if S::ROWS >= 12 && left >= 12 && left != 16 {
                    self.block::<S, 12, N>(s, row, column);
                    row += 12;
                } else if S::ROWS >= 8 && left >= 8 {
                    self.block::<S, 8, N>(s, row, column);
                    row += 8;
                } else if S::ROWS >= 6 && left >= 6 && left != 8 {
                    self.block::<S, 6, N>(s, row, column);
                    row += 6;
                } else if left >= 4 {
                    self.block::<S, 4, N>(s, row, column);
                    row += 4;
                } else if left >= 2 {
                    self.block::<S, 2, N>(s, row, column);
                    row += 2;
                } else {
                    self.block::<S, 1, N>(s, row, column);
                    row += 1;
                }
            }
        }
    }

    /// Computes `M` rows by `N` vectors of `c`, which stay in registers over the whole depth.
    ///
    /// # Safety
    /// `check` passed; `row + M` is at most `rows`, and `column` plus `N` vectors at most `width`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // no closures in kernels
    unsafe fn block<S: Simd, const M: usize, const N: usize>(&mut self, s: S, row: usize, column: usize) {
        let mut sum = [[s.splat(0.0); N]; M];
        let Strides { row: a_row, depth, chunk } = self.strides;
        // SAFETY: by the caller's promise every offset is at most one that `check` tested; loads and
        // stores of `c` are cut at `columns`.
        unsafe {
            let a = self.a.as_ptr().add(row * a_row);
            let b = self.b.as_ptr().add(column);
            for at in 0..self.chunks {
                let (mut a, mut b) = (a.add(at * chunk), b.add(at * self.b_chunk));
                for _ in 0..self.k {
                    let mut right = [s.splat(0.0); N];
                    for j in 0..N {
                        right[j] = s.load(b.add(j * S::LANES));
                    }
                    for r in 0..M {
                        let left = s.splat(*a.add(r * a_row));
                        for j in 0..N {
                            sum[r][j] = s.fma(left, right[j], sum[r][j]);
                        }
                    }
                    a = a.wrapping_add(depth);
                    b = b.wrapping_add(self.b_row);
                }
            }
            let c = self.c.as_mut_ptr().add(row * self.c_row + column);
            for r in 0..M {
                for j in 0..N {
                    let first = self.columns.saturating_sub(column + j * S::LANES);
                    let c = c.wrapping_add(r * self.c_row + j * S::LANES);
                    if first >= S::LANES {
                        let sum = if self.add { s.add(s.load(c), sum[r][j]) } else { sum[r][j] };
                        s.store(c, sum);
                    } else if first > 0 {
                        let sum = if self.add { s.add(s.load_first(c, first), sum[r][j]) } else { sum[r][j] };
                        s.store_first(c, sum, first);
                    }
                }
            }
        }
    }
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.compute(s);
    }
}

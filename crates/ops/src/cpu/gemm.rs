//! Blocks of matrix products.

use super::simd::{Kernel, Simd};

/// Columns of a panel: the unit in which the right factor is packed.
pub(super) const PANEL: usize = 32;

/// `n` rounded up to whole vectors of the widest level.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(16)
}

/// Where the numbers of the left factor lie: element `(row, chunk·k + p)` is at
/// `row·rows + chunk·chunks + p·depth`.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: usize,
    pub(super) depth: usize,
    pub(super) chunk: usize,
}

/// `C (+)= A·B` for one panel of columns. The depth is `chunks` times `k`.
pub(super) struct Product<'a> {
    pub(super) a: &'a [f32],
    pub(super) strides: Strides,
    pub(super) rows: usize,
    pub(super) k: usize,
    pub(super) chunks: usize,
    /// Rows of `b`, `width` numbers are used of each.
    pub(super) b: &'a [f32],
    pub(super) b_row: usize,
    pub(super) b_chunk: usize,
    /// A multiple of 16, at most [`PANEL`].
    pub(super) width: usize,
    pub(super) c: &'a mut [f32],
    pub(super) c_row: usize,
    /// Columns of `c` to write, at most `width`.
    pub(super) columns: usize,
    /// Whether to add to `c`.
    pub(super) add: bool,
}

impl Product<'_> {
    /// Panics unless every access of the product lies in its slices.
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
    pub(super) fn compute<S: Simd>(mut self, s: S) {
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
            // SAFETY: `check` passed; `row` plus the block's rows stays within `rows`, and
            // `column` plus `N` vectors within `width`.
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

    /// `M` rows by `N` vectors of `c`, held in registers over the whole depth.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // no closures in kernels
    unsafe fn block<S: Simd, const M: usize, const N: usize>(&mut self, s: S, row: usize, column: usize) {
        let mut sum = [[s.splat(0.0); N]; M];
        let Strides { row: a_row, depth, chunk } = self.strides;
        // SAFETY: the caller's promise keeps every offset below those that `check` tested; stores
        // and loads of `c` are cut at `columns`.
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

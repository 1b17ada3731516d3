//! Vectors of `f32` behind one trait, so that a kernel is written once for all instruction sets.
//!
//! A value of a [`Simd`] type proves that the processor has its instructions. Every function that a
//! [`Kernel`] calls must be `#[inline(always)]`, and a kernel must not use closures: only inlined
//! code is compiled for these instructions.

use half::bf16;

use super::scalar;

/// Lanes of the widest vector.
pub(crate) const WIDEST: usize = 16;

/// Vectors of [`LANES`](Self::LANES) elements.
///
/// # Safety of the methods that take pointers
/// A pointer is valid for the lanes, or the rows of a matrix, that are read or written. It need not be aligned.
pub(crate) trait Simd: Copy + Send + Sync {
    type V: Copy;
    const LANES: usize;
    /// Rows of the largest block of a matrix product, with two vectors of columns.
    const ROWS: usize;

    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Loads the first `n` lanes and sets the others to zero. Reads nothing if `n` is 0.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Stores the first `n` lanes only.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);
    fn splat(self, x: f32) -> Self::V;
    /// `a·b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `g` in lanes with `y > 0`, and `slope·g` in the others.
    fn rectified(self, g: Self::V, y: Self::V, slope: Self::V) -> Self::V;

    /// Loads the bits of `bf16` numbers.
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> Self::V {
        let mut lanes = [0f32; WIDEST];
        let mut i = 0;
        // SAFETY: the caller's promise; `lanes` holds the vector of every level.
        unsafe {
            while i < Self::LANES {
                lanes[i] = scalar::wide(bf16::from_bits(p.add(i).read_unaligned()));
                i += 1;
            }
            self.load(lanes.as_ptr())
        }
    }

    /// Rounds to `bf16` and stores the bits. NaN stays NaN.
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: Self::V) {
        let mut lanes = [0f32; WIDEST];
        let mut i = 0;
        // SAFETY: the caller's promise; `lanes` holds the vector of every level.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            while i < Self::LANES {
                p.add(i).write_unaligned(scalar::round(lanes[i]).to_bits());
                i += 1;
            }
        }
    }

    /// Writes the columns of a matrix of 16x16 as rows. Rows begin `from_row` and `to_row` elements apart.
    #[inline(always)]
    unsafe fn transpose16(self, from: *const u32, from_row: usize, to: *mut u32, to_row: usize) {
        for row in 0..16 {
            for column in 0..16 {
                // SAFETY: the caller's promise.
                unsafe {
                    let value = from.add(row * from_row + column).read_unaligned();
                    to.add(column * to_row + row).write_unaligned(value);
                }
            }
        }
    }

    /// Rounds to `bf16`.
    #[inline(always)]
    fn rounded_to_bf16(self, v: Self::V) -> Self::V {
        let mut lanes = [0f32; WIDEST];
        let mut i = 0;
        // SAFETY: `lanes` holds the vector of every level.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            while i < Self::LANES {
                lanes[i] = scalar::round_f32(lanes[i]);
                i += 1;
            }
            self.load(lanes.as_ptr())
        }
    }
}

/// A computation that is written once and compiled for every level.
pub(crate) trait Kernel {
    fn run<S: Simd>(self, s: S);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Level;

    const FROM_ROW: usize = 19;
    const TO_ROW: usize = 33;

    struct Transpose<'a> {
        from: &'a [u32; 16 * FROM_ROW],
        to: &'a mut [u32; 16 * TO_ROW],
    }

    impl Kernel for Transpose<'_> {
        fn run<S: Simd>(self, s: S) {
            // SAFETY: both matrices have 16 rows of 16 elements and more.
            unsafe { s.transpose16(self.from.as_ptr(), FROM_ROW, self.to.as_mut_ptr(), TO_ROW) }
        }
    }

    #[test]
    fn columns_become_rows_and_nothing_else_is_written() {
        let from = std::array::from_fn(|i| i as u32);
        for &level in Level::available() {
            let mut to = [u32::MAX; 16 * TO_ROW];
            level.run(Transpose { from: &from, to: &mut to });
            for (at, value) in to.into_iter().enumerate() {
                let (column, row) = (at / TO_ROW, at % TO_ROW);
                let want = if row < 16 { (row * FROM_ROW + column) as u32 } else { u32::MAX };
                assert_eq!(value, want, "{level:?}, row {column}, column {row}");
            }
        }
    }
}

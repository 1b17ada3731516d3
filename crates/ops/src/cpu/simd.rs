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
/// The pointer is valid for the lanes that are read or written. It need not be aligned.
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

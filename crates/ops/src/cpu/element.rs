//! The element types of feature maps, `f32` and `bf16`, behind one trait: kernels compute with vectors of
//! `f32` and load and store either.

use std::mem::MaybeUninit;

use candle_core::CpuStorage;
use half::bf16;

use super::level::Level;
use super::simd::{Simd, WIDEST};
use super::{rounding, scalar, scratch};

/// An element of a feature map.
///
/// # Safety of the methods that take pointers
/// As for [`Simd`]: the pointer is valid for the lanes that are read or written.
pub(crate) trait Element: Copy + Send + Sync + std::fmt::Debug + PartialEq + 'static {
    /// Whether a number is rounded to this type.
    const ROUNDS: bool;

    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V;
    /// Loads the first `n` lanes and sets the others to zero. Reads nothing if `n` is 0.
    unsafe fn load_first<S: Simd>(s: S, p: *const Self, n: usize) -> S::V;
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V);
    /// Stores the first `n` lanes only.
    unsafe fn store_first<S: Simd>(s: S, p: *mut Self, v: S::V, n: usize);
    /// The values that would be loaded after a store.
    fn rounded<S: Simd>(s: S, v: S::V) -> S::V;

    /// A number in this type.
    fn of(x: f32) -> Self;
    fn to_f32(self) -> f32;

    /// Calls `f` with elements as `f32`, in working memory if they are of another type.
    fn with_wide<R>(x: &[Self], f: impl FnOnce(&[f32]) -> R) -> R;

    /// Numbers in this type.
    fn from_wide(values: Vec<f32>) -> Vec<Self>;

    /// Working memory that [`widened`](Self::widened) needs for `count` elements.
    fn widened_len(count: usize) -> usize;

    /// Elements as `f32`, in `buffer` if they are of another type. On this thread.
    fn widened<'a>(x: &'a [Self], buffer: &'a mut [f32]) -> &'a [f32];

    /// Writes `g`, times the slope where the mask is not positive, as `f32`: `rounded` to this type, or
    /// as it is. On this thread.
    fn write_masked(g: &[Self], mask: (&[Self], f32), rounded: bool, out: &mut [f32]);

    /// Writes as many numbers in this type. On this thread.
    fn write_narrow(x: &[f32], out: &mut [MaybeUninit<Self>]);

    /// Elements as candle stores them.
    fn into_storage(values: Vec<Self>) -> CpuStorage;
}

impl Element for f32 {
    const ROUNDS: bool = false;

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load(p) }
    }

    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, p: *const Self, n: usize) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load_first(p, n) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store(p, v) }
    }

    #[inline(always)]
    unsafe fn store_first<S: Simd>(s: S, p: *mut Self, v: S::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { s.store_first(p, v, n) }
    }

    #[inline(always)]
    fn rounded<S: Simd>(_: S, v: S::V) -> S::V {
        v
    }

    #[inline(always)]
    fn of(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    fn with_wide<R>(x: &[Self], f: impl FnOnce(&[f32]) -> R) -> R {
        f(x)
    }

    fn from_wide(values: Vec<f32>) -> Vec<Self> {
        values
    }

    fn widened_len(_: usize) -> usize {
        0
    }

    fn widened<'a>(x: &'a [Self], _: &'a mut [f32]) -> &'a [f32] {
        x
    }

    fn write_masked(g: &[Self], (mask, slope): (&[Self], f32), _: bool, out: &mut [f32]) {
        for ((out, g), y) in out.iter_mut().zip(g).zip(mask) {
            *out = if *y > 0.0 { *g } else { slope * g };
        }
    }

    fn write_narrow(x: &[f32], out: &mut [MaybeUninit<Self>]) {
        assert!(x.len() == out.len());
        for (out, x) in out.iter_mut().zip(x) {
            out.write(*x);
        }
    }

    fn into_storage(values: Vec<Self>) -> CpuStorage {
        CpuStorage::F32(values)
    }
}

impl Element for bf16 {
    const ROUNDS: bool = true;

    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load_bf16(p.cast()) }
    }

    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, p: *const Self, n: usize) -> S::V {
        if n >= S::LANES {
            // SAFETY: the caller's promise.
            return unsafe { s.load_bf16(p.cast()) };
        }
        let mut lanes = [0u16; WIDEST];
        // SAFETY: the caller's promise; `n` is below the number of lanes, which is at most 16.
        unsafe {
            std::ptr::copy_nonoverlapping(p.cast(), lanes.as_mut_ptr(), n);
            s.load_bf16(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store_bf16(p.cast(), v) }
    }

    #[inline(always)]
    unsafe fn store_first<S: Simd>(s: S, p: *mut Self, v: S::V, n: usize) {
        if n >= S::LANES {
            // SAFETY: the caller's promise.
            return unsafe { s.store_bf16(p.cast(), v) };
        }
        let mut lanes = [0u16; WIDEST];
        // SAFETY: the caller's promise; `n` is below the number of lanes, which is at most 16.
        unsafe {
            s.store_bf16(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p.cast(), n);
        }
    }

    #[inline(always)]
    fn rounded<S: Simd>(s: S, v: S::V) -> S::V {
        s.rounded_to_bf16(v)
    }

    #[inline(always)]
    fn of(x: f32) -> Self {
        scalar::round(x)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        scalar::wide(self)
    }

    fn with_wide<R>(x: &[Self], f: impl FnOnce(&[f32]) -> R) -> R {
        scratch::with(x.len(), |wide| {
            rounding::widen(Level::detect(), x, wide);
            f(wide)
        })
    }

    fn from_wide(values: Vec<f32>) -> Vec<Self> {
        rounding::narrow(Level::detect(), &values)
    }

    fn widened_len(count: usize) -> usize {
        count
    }

    fn widened<'a>(x: &'a [Self], buffer: &'a mut [f32]) -> &'a [f32] {
        rounding::widen_block(Level::detect(), x, buffer);
        buffer
    }

    fn write_masked(g: &[Self], mask: (&[Self], f32), rounded: bool, out: &mut [f32]) {
        rounding::widen_masked_block(Level::detect(), g, mask, rounded, out);
    }

    fn write_narrow(x: &[f32], out: &mut [MaybeUninit<Self>]) {
        rounding::narrow_block(Level::detect(), x, out);
    }

    fn into_storage(values: Vec<Self>) -> CpuStorage {
        CpuStorage::BF16(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::numbers;
    use crate::cpu::{Kernel, Level};

    /// Loads the first of `x`, stores them in `out` as they are loaded, and rounded.
    struct Copy<'a> {
        x: &'a [f32],
        out: &'a mut [bf16],
        rounded: &'a mut [f32],
    }

    impl Kernel for Copy<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let n = self.x.len();
            // SAFETY: the slices have `n` elements, and `n` is at most the lanes or the loops cut them.
            unsafe {
                let mut at = 0;
                while at < n {
                    let v = s.load_first(self.x.as_ptr().add(at), n - at);
                    bf16::store_first(s, self.out.as_mut_ptr().add(at), v, n - at);
                    let again = bf16::load_first(s, self.out.as_ptr().add(at), n - at);
                    let twice = bf16::rounded(s, v);
                    s.store_first(self.rounded.as_mut_ptr().add(at), s.sub(twice, again), n - at);
                    at += S::LANES;
                }
            }
        }
    }

    #[test]
    fn vectors_are_rounded_as_numbers_are() {
        for len in [1, 7, 8, 15, 16, 33] {
            let mut x = numbers(len, 4);
            x[0] = f32::from_bits(0x3f80_8000); // halfway between two, even below
            x[len / 2] = f32::from_bits(0x3f81_8000); // halfway, even above
            x[len - 1] = f32::MAX;
            for &level in Level::available() {
                let (mut out, mut difference) = (vec![bf16::ZERO; len], vec![1.0; len]);
                level.run(Copy { x: &x, out: &mut out, rounded: &mut difference });
                let want: Vec<bf16> = x.iter().map(|x| bf16::from_f32(*x)).collect();
                assert_eq!(out, want, "{level:?}");
                assert!(difference.iter().all(|d| *d == 0.0 || d.is_nan()), "{level:?}: {difference:?}");
            }
        }
    }
}

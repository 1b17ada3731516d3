//! Vectors of four elements: NEON, which every 64-bit ARM processor has.
//!
//! On other processors the tests run this file with an emulation of each instruction.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;

use super::simd::Simd;
#[cfg(not(target_arch = "aarch64"))]
use emulation::*;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon;

macro_rules! value {
    ($name:ident($($arg:ident),*) = $body:expr) => {
        #[inline(always)]
        fn $name(self, $($arg: Self::V),*) -> Self::V {
            // SAFETY: the processor has the instruction.
            unsafe { $body }
        }
    };
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 12;

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> float32x4_t {
        if n >= Self::LANES {
            // SAFETY: the caller's promise.
            return unsafe { vld1q_f32(p) };
        }
        let mut lanes = [0f32; 4];
        // SAFETY: the caller's promise of `n` elements; the array holds four.
        unsafe {
            std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            vld1q_f32(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller's promise.
        unsafe { vst1q_f32(p, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: float32x4_t, n: usize) {
        if n >= Self::LANES {
            // SAFETY: the caller's promise.
            return unsafe { vst1q_f32(p, v) };
        }
        let mut lanes = [0f32; 4];
        // SAFETY: the array holds four; the caller's promise of `n` elements.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the processor has the instruction.
        unsafe { vdupq_n_f32(x) }
    }

    value!(fma(a, b, c) = vfmaq_f32(c, a, b));
    value!(add(a, b) = vaddq_f32(a, b));
    value!(sub(a, b) = vsubq_f32(a, b));
    value!(mul(a, b) = vmulq_f32(a, b));
    value!(max(a, b) = vmaxq_f32(a, b));
    value!(rectified(g, y, slope) = vbslq_f32(vcgtq_f32(y, vdupq_n_f32(0.0)), g, vmulq_f32(g, slope)));
}

/// Emulates the instructions.
#[cfg(not(target_arch = "aarch64"))]
#[allow(non_camel_case_types)]
mod emulation {
    pub(crate) type float32x4_t = [f32; 4];
    pub(crate) type uint32x4_t = [u32; 4];

    fn lanes<T>(of: impl Fn(usize) -> T) -> [T; 4] {
        std::array::from_fn(of)
    }
    pub(crate) unsafe fn vld1q_f32(p: *const f32) -> float32x4_t {
        // SAFETY: the caller's promise of four elements.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    pub(crate) unsafe fn vst1q_f32(p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller's promise of four elements.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    pub(crate) unsafe fn vdupq_n_f32(x: f32) -> float32x4_t {
        [x; 4]
    }
    pub(crate) unsafe fn vfmaq_f32(sum: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| a[i].mul_add(b[i], sum[i]))
    }
    pub(crate) unsafe fn vaddq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| a[i] + b[i])
    }
    pub(crate) unsafe fn vsubq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| a[i] - b[i])
    }
    pub(crate) unsafe fn vmulq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| a[i] * b[i])
    }
    pub(crate) unsafe fn vmaxq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| a[i].max(b[i]))
    }
    pub(crate) unsafe fn vcgtq_f32(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        lanes(|i| if a[i] > b[i] { u32::MAX } else { 0 })
    }
    pub(crate) unsafe fn vbslq_f32(bits: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        lanes(|i| f32::from_bits((bits[i] & a[i].to_bits()) | (!bits[i] & b[i].to_bits())))
    }
}

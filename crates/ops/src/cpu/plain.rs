//! Arrays of eight elements, for processors without other vector instructions.

use super::simd::Simd;

/// Arrays of eight elements, which the compiler may turn into vectors.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

macro_rules! lanes {
    ($i:ident, $value:expr) => {{
        let mut out = [0f32; 8];
        for $i in 0..8 {
            out[$i] = $value;
        }
        out
    }};
}

#[allow(clippy::needless_range_loop)] // no closures here, see the module's documentation
impl Simd for Plain {
    type V = [f32; 8];
    const LANES: usize = 8;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> [f32; 8] {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> [f32; 8] {
        let mut out = [0f32; 8];
        for i in 0..n.min(8) {
            // SAFETY: the caller's promise.
            out[i] = unsafe { p.add(i).read_unaligned() };
        }
        out
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: [f32; 8]) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: [f32; 8], n: usize) {
        for i in 0..n.min(8) {
            // SAFETY: the caller's promise.
            unsafe { p.add(i).write_unaligned(v[i]) };
        }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }

    #[inline(always)]
    fn fma(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        lanes!(i, a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(i, a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(i, a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(i, a[i] * b[i])
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(i, if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn rectified(self, g: [f32; 8], y: [f32; 8], slope: [f32; 8]) -> [f32; 8] {
        lanes!(i, if y[i] > 0.0 { g[i] } else { slope[i] * g[i] })
    }
}

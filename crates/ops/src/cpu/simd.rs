//! Vectors of `f32` behind one trait: AVX-512, AVX2 with FMA, NEON, and plain arrays. The level is
//! chosen at run time.
//!
//! A value of a [`Simd`] type proves that the processor has its instructions. [`Level::run`]
//! compiles a [`Kernel`] for the instructions of the level. Every function that a kernel calls must
//! be `#[inline(always)]`, and a kernel must not use closures: only inlined code is compiled for
//! these instructions.

use super::vector::{Kernel, Simd};

/// A set of vector instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(any(target_arch = "aarch64", test))]
    Neon,
    Plain,
}

impl Level {
    /// The fastest level that this processor has.
    pub(crate) fn detect() -> Self {
        Self::available()[0]
    }

    /// Every level that this processor has, the fastest first.
    pub(crate) fn available() -> &'static [Self] {
        static LEVELS: std::sync::OnceLock<Vec<Level>> = std::sync::OnceLock::new();
        LEVELS.get_or_init(|| {
            let mut levels = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512f") {
                    levels.push(Self::Avx512(Avx512(())));
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    levels.push(Self::Avx2(Avx2(())));
                }
            }
            #[cfg(any(target_arch = "aarch64", test))]
            levels.push(Self::Neon);
            levels.push(Self::Plain);
            levels
        })
    }

    pub(crate) fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if AVX-512F was detected.
            Self::Avx512(token) => unsafe { run_avx512(token, kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token exists only if AVX2 and FMA were detected.
            Self::Avx2(token) => unsafe { run_avx2(token, kernel) },
            #[cfg(any(target_arch = "aarch64", test))]
            Self::Neon => kernel.run(super::neon::Neon),
            Self::Plain => kernel.run(Plain),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn run_avx512(token: Avx512, kernel: impl Kernel) {
    kernel.run(token);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(token: Avx2, kernel: impl Kernel) {
    kernel.run(token);
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// Proof of AVX-512F. Only [`super::Level::available`] creates one, after detection.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Avx512(pub(crate) ());

    /// Proof of AVX2 and FMA. Only [`super::Level::available`] creates one, after detection.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Avx2(pub(crate) ());

    macro_rules! value {
        ($name:ident($($arg:ident),*) = $body:expr) => {
            #[inline(always)]
            fn $name(self, $($arg: Self::V),*) -> Self::V {
                // SAFETY: `self` proves that the processor has the instruction.
                unsafe { $body }
            }
        };
    }

    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const ROWS: usize = 12;

        #[inline(always)]
        unsafe fn load(self, p: *const f32) -> __m512 {
            // SAFETY: the caller's promise, and `self`.
            unsafe { _mm512_loadu_ps(p) }
        }

        #[inline(always)]
        unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
            // SAFETY: the caller's promise, and `self`; masked lanes are not read.
            unsafe { _mm512_maskz_loadu_ps(first(n), p) }
        }

        #[inline(always)]
        unsafe fn store(self, p: *mut f32, v: __m512) {
            // SAFETY: the caller's promise, and `self`.
            unsafe { _mm512_storeu_ps(p, v) }
        }

        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, v: __m512, n: usize) {
            // SAFETY: the caller's promise, and `self`; masked lanes are not written.
            unsafe { _mm512_mask_storeu_ps(p, first(n), v) }
        }

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: `self` proves that the processor has the instruction.
            unsafe { _mm512_set1_ps(x) }
        }

        value!(fma(a, b, c) = _mm512_fmadd_ps(a, b, c));
        value!(add(a, b) = _mm512_add_ps(a, b));
        value!(sub(a, b) = _mm512_sub_ps(a, b));
        value!(mul(a, b) = _mm512_mul_ps(a, b));
        value!(max(a, b) = _mm512_max_ps(a, b));
        value!(
            rectified(g, y, slope) = {
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(y, _mm512_setzero_ps());
                _mm512_mask_blend_ps(positive, _mm512_mul_ps(g, slope), g)
            }
        );
    }

    #[inline(always)]
    fn first(n: usize) -> __mmask16 {
        ((1u32 << n.min(16)) - 1) as u16
    }

    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        const ROWS: usize = 6;

        #[inline(always)]
        unsafe fn load(self, p: *const f32) -> __m256 {
            // SAFETY: the caller's promise, and `self`.
            unsafe { _mm256_loadu_ps(p) }
        }

        #[inline(always)]
        unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
            if n >= Self::LANES {
                // SAFETY: the caller's promise, and `self`.
                return unsafe { _mm256_loadu_ps(p) };
            }
            // SAFETY: the caller's promise, and `self`; masked lanes are not read.
            unsafe { _mm256_maskload_ps(p, mask(n)) }
        }

        #[inline(always)]
        unsafe fn store(self, p: *mut f32, v: __m256) {
            // SAFETY: the caller's promise, and `self`.
            unsafe { _mm256_storeu_ps(p, v) }
        }

        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, v: __m256, n: usize) {
            // A masked store is slow on some processors.
            if n >= Self::LANES {
                // SAFETY: the caller's promise, and `self`.
                return unsafe { _mm256_storeu_ps(p, v) };
            }
            // SAFETY: the caller's promise, and `self`; masked lanes are not written.
            unsafe { _mm256_maskstore_ps(p, mask(n), v) }
        }

        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            // SAFETY: `self` proves that the processor has the instruction.
            unsafe { _mm256_set1_ps(x) }
        }

        value!(fma(a, b, c) = _mm256_fmadd_ps(a, b, c));
        value!(add(a, b) = _mm256_add_ps(a, b));
        value!(sub(a, b) = _mm256_sub_ps(a, b));
        value!(mul(a, b) = _mm256_mul_ps(a, b));
        value!(max(a, b) = _mm256_max_ps(a, b));
        value!(
            rectified(g, y, slope) = {
                let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(y, _mm256_setzero_ps());
                _mm256_blendv_ps(_mm256_mul_ps(g, slope), g, positive)
            }
        );
    }

    /// All bits set in the first `n` of eight lanes.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn mask(n: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(n.min(8) as i32), lane)
        }
    }
}

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

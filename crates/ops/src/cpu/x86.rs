//! Vectors of sixteen and eight elements: AVX-512, and AVX2 with FMA.

use std::arch::x86_64::*;

use super::simd::Simd;

/// Proof of AVX-512F. Only `Level::available` creates one, after detection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(pub(super) ());

/// Proof of AVX2 and FMA. Only `Level::available` creates one, after detection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(pub(super) ());

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

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> __m512 {
        // SAFETY: the caller's promise, and `self`.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: __m512) {
        // SAFETY: the caller's promise, and `self`.
        unsafe {
            let bits = _mm512_srli_epi32::<16>(_mm512_castps_si512(self.rounded_to_bf16(v)));
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(bits));
        }
    }

    #[inline(always)]
    unsafe fn transpose16(self, from: *const u32, from_row: usize, to: *mut u32, to_row: usize) {
        // SAFETY: the caller's promise, and `self`.
        unsafe {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm512_loadu_si512(from.add(i * from_row).cast());
            }
            // 4x4 matrices of elements, in each quarter of four rows.
            let mut quarters = rows;
            for i in (0..16).step_by(4) {
                let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
                let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
                quarters[i] = _mm512_unpacklo_epi64(ab, cd);
                quarters[i + 1] = _mm512_unpackhi_epi64(ab, cd);
                let (ab, cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
                quarters[i + 2] = _mm512_unpacklo_epi64(ab, cd);
                quarters[i + 3] = _mm512_unpackhi_epi64(ab, cd);
            }
            // The 4x4 matrix of quarters.
            for i in 0..4 {
                let [a, b, c, d] = [quarters[i], quarters[i + 4], quarters[i + 8], quarters[i + 12]];
                let (ab, cd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
                let (upper, lower) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
                let columns = [
                    _mm512_shuffle_i32x4::<0x88>(ab, cd),
                    _mm512_shuffle_i32x4::<0x88>(upper, lower),
                    _mm512_shuffle_i32x4::<0xdd>(ab, cd),
                    _mm512_shuffle_i32x4::<0xdd>(upper, lower),
                ];
                for (quarter, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_si512(to.add((4 * quarter + i) * to_row).cast(), column);
                }
            }
        }
    }

    #[inline(always)]
    fn rounded_to_bf16(self, v: __m512) -> __m512 {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let even = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
            let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let chosen = _mm512_mask_blend_epi32(is_nan, up, quiet);
            _mm512_castsi512_ps(_mm512_and_si512(chosen, _mm512_set1_epi32(0xffff_0000_u32 as i32)))
        }
    }
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

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> __m256 {
        // SAFETY: the caller's promise, and `self`.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut u16, v: __m256) {
        // SAFETY: the caller's promise, and `self`.
        unsafe {
            let bits = _mm256_srli_epi32::<16>(_mm256_castps_si256(self.rounded_to_bf16(v)));
            // Packs within each half: the second and the third quarter change places.
            let packed = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi32(bits, bits));
            _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(packed));
        }
    }

    #[inline(always)]
    fn rounded_to_bf16(self, v: __m256) -> __m256 {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            let bits = _mm256_castps_si256(v);
            let even = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff)));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v);
            let chosen = _mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(quiet), is_nan);
            let upper = _mm256_castsi256_ps(_mm256_set1_epi32(0xffff_0000_u32 as i32));
            _mm256_and_ps(chosen, upper)
        }
    }
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

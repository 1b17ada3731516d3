//! Conversions of numbers between `f32` and `bf16`.
//!
//! A `bf16` is the upper half of an `f32`: 8 bits of precision, the range of an `f32`. Rounding is to the
//! nearest, ties to even; NaN stays NaN.

use half::bf16;

/// The bits of `x` rounded to a `bf16`.
#[inline(always)]
fn rounded_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    // A NaN whose upper half has an empty mantissa would become an infinity: bit 22 keeps it a NaN.
    let quiet = bits | 0x0040_0000;
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if x.is_nan() { quiet } else { rounded }) >> 16
}

/// `x` rounded to a `bf16`.
#[inline(always)]
pub(crate) fn round(x: f32) -> bf16 {
    bf16::from_bits(rounded_bits(x) as u16)
}

/// `x` rounded to a `bf16`, as an `f32`.
#[inline(always)]
pub(crate) fn round_f32(x: f32) -> f32 {
    f32::from_bits(rounded_bits(x) << 16)
}

/// `x` as an `f32`.
#[inline(always)]
pub(crate) fn wide(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `bf16`, its neighbours halfway to the next, and the values beside those.
    #[test]
    fn rounding_is_to_the_nearest_and_to_even() {
        for upper in 0..=u16::MAX {
            for lower in [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(upper) << 16 | lower);
                let want = bf16::from_f32(x);
                let got = round(x);
                assert!(
                    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                    "{x:e}: {got:e}, not {want:e}"
                );
                assert_eq!(round_f32(x).to_bits(), u32::from(got.to_bits()) << 16);
            }
        }
    }
}

//! Conversions of slices between `f32` and `bf16`.

use std::mem::MaybeUninit;

use half::bf16;
use rayon::prelude::*;

use super::filled::filled;
use super::level::Level;
use super::scalar::{round, round_f32, wide};
use super::simd::{Kernel, Simd};

/// Elements that one task passes over.
pub(crate) const ELEMENTS: usize = 1 << 14;

struct Widen<'a> {
    x: &'a [bf16],
    out: &'a mut [f32],
}

impl Kernel for Widen<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = wide(*x);
        }
    }
}

/// Writes each `bf16` as an `f32`, on this thread.
pub(crate) fn widen_block(level: Level, x: &[bf16], out: &mut [f32]) {
    assert!(x.len() == out.len());
    level.run(Widen { x, out });
}

/// Writes each `bf16` as an `f32`.
pub(crate) fn widen(level: Level, x: &[bf16], out: &mut [f32]) {
    assert!(x.len() == out.len());
    out.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).for_each(|(out, x)| widen_block(level, x, out));
}

struct Narrow<'a> {
    x: &'a [f32],
    out: &'a mut [MaybeUninit<bf16>],
}

impl Kernel for Narrow<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            out.write(round(*x));
        }
    }
}

/// Writes each `f32` rounded to a `bf16`, on this thread.
pub(crate) fn narrow_block(level: Level, x: &[f32], out: &mut [MaybeUninit<bf16>]) {
    assert!(x.len() == out.len());
    level.run(Narrow { x, out });
}

/// Each `f32` rounded to a `bf16`.
pub(crate) fn narrow(level: Level, x: &[f32]) -> Vec<bf16> {
    // SAFETY: the chunks cover the output, and each has operands of its own length.
    unsafe {
        filled(x.len(), |out| {
            out.par_chunks_mut(ELEMENTS)
                .zip(x.par_chunks(ELEMENTS))
                .for_each(|(out, x)| narrow_block(level, x, out));
        })
    }
}

struct RoundScaled<'a> {
    x: &'a [f32],
    factor: f32,
    out: &'a mut [f32],
}

impl Kernel for RoundScaled<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = round_f32(self.factor * x);
        }
    }
}

/// Writes `factor·x`, rounded to a `bf16`, as an `f32`.
pub(crate) fn round_scaled(level: Level, x: &[f32], factor: f32, out: &mut [f32]) {
    assert!(x.len() == out.len());
    out.par_chunks_mut(ELEMENTS)
        .zip(x.par_chunks(ELEMENTS))
        .for_each(|(out, x)| level.run(RoundScaled { x, factor, out }));
}

struct WidenMasked<'a> {
    g: &'a [bf16],
    mask: &'a [bf16],
    slope: f32,
    rounded: bool,
    out: &'a mut [f32],
}

impl Kernel for WidenMasked<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for ((out, g), y) in self.out.iter_mut().zip(self.g).zip(self.mask) {
            let (g, y) = (wide(*g), wide(*y));
            let masked = if y > 0.0 { g } else { self.slope * g };
            *out = if self.rounded { round_f32(masked) } else { masked };
        }
    }
}

/// Writes `g`, times the slope where the mask is not positive, as an `f32`: `rounded` to a `bf16`, or
/// as it is. On this thread.
pub(crate) fn widen_masked_block(
    level: Level,
    g: &[bf16],
    (mask, slope): (&[bf16], f32),
    rounded: bool,
    out: &mut [f32],
) {
    assert!(g.len() == out.len() && mask.len() == out.len());
    level.run(WidenMasked { g, mask, slope, rounded, out });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_any_length_are_converted_the_same_at_every_level() {
        for len in [0, 1, 15, 40, ELEMENTS + 3] {
            let x = super::super::testing::numbers(len, 7);
            let y = super::super::testing::numbers(len, 8);
            for &level in Level::available() {
                let narrowed = narrow(level, &x);
                let mut widened = vec![0.0; len];
                widen(level, &narrowed, &mut widened);
                let mut scaled = vec![0.0; len];
                round_scaled(level, &x, 1.0, &mut scaled);
                assert_eq!(widened, scaled, "{level:?}");
                assert!(x.iter().zip(&widened).all(|(x, w)| round_f32(*x) == *w), "{level:?}");
                for rounded in [false, true] {
                    let mut masked = vec![0.0; len];
                    widen_masked_block(level, &narrowed, (&narrow(level, &y), 0.2), rounded, &mut masked);
                    let last = |product| if rounded { round_f32(product) } else { product };
                    let want = |(x, y): (&f32, &f32)| if *y > 0.0 { *x } else { last(0.2 * x) };
                    assert!(widened.iter().zip(&y).map(want).eq(masked), "{level:?}, rounded: {rounded}");
                }
            }
        }
    }
}

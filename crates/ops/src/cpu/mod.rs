//! Building blocks of the CPU kernels: vectors, blocked matrix products, conversions to and from `bf16`,
//! working memory and passes over slices.
//!
//! Results do not depend on the number of threads: work is divided by shapes alone, and every sum
//! has one order. Unsafe code in this module and in the kernels of the operators is confined to
//! vector instructions on slices whose lengths were checked, and to output buffers that are
//! written in full.

#![allow(unsafe_code)]

mod element;
pub(crate) mod elementwise;
mod filled;
mod gemm;
mod level;
pub(crate) mod matmul;
#[cfg(any(target_arch = "aarch64", test))]
mod neon;
mod plain;
pub(crate) mod rounding;
pub(crate) mod scalar;
pub(crate) mod scratch;
mod simd;
pub(crate) mod tiles;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use element::Element;
pub(crate) use filled::filled;
pub(crate) use gemm::{PANEL, Product, Strides, padded};
pub(crate) use level::Level;
pub(crate) use simd::{Kernel, Simd};

/// Whether this processor multiplies matrices of `bf16` faster than those of `f32`: whether it has AMX-BF16, and
/// the system permits it. The first call asks the system, for the whole process.
///
/// AVX512-BF16 alone is not counted: it halves the time of a direct convolution, and the Winograd form in `f32`
/// does a quarter of the multiplications.
pub fn has_fast_bf16() -> bool {
    tiles::Tiles::detect().is_some()
}

/// The names of the kernels that run on this processor: the vector instructions, and the tile instructions for
/// `bf16`, if there are any.
pub fn kernels() -> Vec<&'static str> {
    let tiles = if has_fast_bf16() { Some("AMX") } else { None };
    [Level::detect().name()].into_iter().chain(tiles).collect()
}

/// Inputs and comparisons for tests of kernels.
#[cfg(test)]
pub(crate) mod testing {
    use half::bf16;

    use super::{Level, scalar};

    /// Standard normal numbers, the same for the same seed.
    pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = crate::rng::Key::new(seed).rng();
        (0..len).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    /// As [`numbers`], rounded.
    pub(crate) fn rounded(len: usize, seed: u64) -> Vec<bf16> {
        numbers(len, seed).into_iter().map(scalar::round).collect()
    }

    /// The same numbers as `f32`.
    pub(crate) fn wide(x: &[bf16]) -> Vec<f32> {
        x.iter().map(|x| x.to_f32()).collect()
    }

    /// Asserts that every level of this processor, and NEON, computes the same as plain arrays, up
    /// to 1e-5 of the largest element.
    pub(crate) fn assert_levels_agree<const N: usize>(name: &str, kernels: impl Fn(Level) -> [Vec<f32>; N]) {
        let plain = kernels(Level::Plain);
        for &level in Level::available() {
            for (which, (got, want)) in kernels(level).iter().zip(&plain).enumerate() {
                let largest = want.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
                let worst = got.iter().zip(want).fold(0f32, |m, (g, w)| m.max((g - w).abs()));
                assert!(
                    got.len() == want.len() && worst < 1e-5 * largest,
                    "{name}, result {which} at {level:?}: {worst} of {largest}"
                );
            }
        }
    }
}

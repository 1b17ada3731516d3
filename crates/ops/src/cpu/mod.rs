//! Building blocks of the CPU kernels for `f32`: vectors, blocked matrix products, working memory
//! and passes over slices.
//!
//! Results do not depend on the number of threads: work is divided by shapes alone, and every sum
//! has one order. Unsafe code in this module and in the kernels of the operators is confined to
//! vector instructions on slices whose lengths were checked, and to output buffers that are
//! written in full.

#![allow(unsafe_code)]

pub(crate) mod elementwise;
mod gemm;
mod level;
pub(crate) mod matmul;
#[cfg(any(target_arch = "aarch64", test))]
mod neon;
mod plain;
pub(crate) mod scratch;
mod simd;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::mem::MaybeUninit;

pub(crate) use gemm::{PANEL, Product, Strides, padded};
pub(crate) use level::Level;
pub(crate) use simd::{Kernel, Simd};

/// A vector of `len` elements that `fill` writes.
///
/// # Safety
/// `fill` writes every element.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and by the caller's promise every element is written.
    unsafe { out.set_len(len) };
    out
}

/// Inputs and comparisons for tests of kernels.
#[cfg(test)]
pub(crate) mod testing {
    use super::Level;

    /// Standard normal numbers, the same for the same seed.
    pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = crate::rng::Key::new(seed).rng();
        (0..len).map(|_| StandardNormal.sample(&mut rng)).collect()
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

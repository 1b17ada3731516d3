//! Sums over all elements of a slice.

#![allow(unsafe_code)]

use rayon::prelude::*;

use crate::cpu::elementwise::{ELEMENTS, dot};
use crate::cpu::{Kernel, Level, Simd};

struct SumOfSquares<'a> {
    x: &'a [f32],
    sum: &'a mut f32,
}

impl Kernel for SumOfSquares<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: the slice has its own length.
        *self.sum = unsafe { dot(s, self.x.as_ptr(), self.x.as_ptr(), self.x.len()) };
    }
}

/// `Σ x²`, summed in blocks of [`ELEMENTS`].
pub(crate) fn sum_of_squares(level: Level, x: &[f32]) -> f32 {
    let block = |x: &[f32]| {
        let mut sum = 0.0;
        level.run(SumOfSquares { x, sum: &mut sum });
        sum
    };
    let mut sums = vec![0.0; x.len().div_ceil(ELEMENTS)];
    sums.par_iter_mut().zip(x.par_chunks(ELEMENTS)).with_min_len(4).for_each(|(sum, x)| *sum = block(x));
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{assert_levels_agree, numbers};

    #[test]
    fn levels_agree() {
        let x = numbers(50_000, 1);
        assert_levels_agree("sum of squares", |level| [vec![sum_of_squares(level, &x)]]);
    }
}

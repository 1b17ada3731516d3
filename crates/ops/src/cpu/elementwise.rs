//! Passes over slices that several operators need.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::element::Element;
use super::filled::filled;
use super::level::Level;
use super::simd::{Kernel, Simd};

pub(crate) use super::rounding::ELEMENTS;

/// Pixels that one task reduces.
pub(crate) const PIXELS: usize = 512;

/// `Σ aᵢ·bᵢ`, one running sum for each lane.
///
/// # Safety
/// `n` elements can be read from `a` and from `b`.
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd, A: Element, B: Element>(s: S, a: *const A, b: *const B, n: usize) -> f32 {
    let mut sum = s.splat(0.0);
    let mut at = 0;
    let mut lanes = [0f32; 16];
    // SAFETY: the caller's promise; the last vector is cut; 16 lanes hold the vector of every level.
    unsafe {
        while at < n {
            let a = A::load_first(s, a.add(at), n - at);
            sum = s.fma(a, B::load_first(s, b.add(at), n - at), sum);
            at += S::LANES;
        }
        s.store(lanes.as_mut_ptr(), sum);
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    total
}

struct LinearCombination<'a, E> {
    a: (f32, &'a [E]),
    b: (f32, &'a [E]),
    out: &'a mut [MaybeUninit<E>],
}

impl<E: Element> Kernel for LinearCombination<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ((p, a), (q, b)) = (self.a, self.b);
        for ((out, a), b) in self.out.iter_mut().zip(a).zip(b) {
            out.write(E::of(p * a.to_f32() + q * b.to_f32()));
        }
    }
}

/// `p·a + q·b`, element by element.
pub(crate) fn linear_combination<E: Element>(
    level: Level,
    (p, a): (f32, &[E]),
    (q, b): (f32, &[E]),
) -> Vec<E> {
    assert!(a.len() == b.len());
    // SAFETY: the chunks cover the output, and each chunk has operands of its own length.
    unsafe {
        filled(a.len(), |out| {
            let operands = a.par_chunks(ELEMENTS).zip(b.par_chunks(ELEMENTS));
            out.par_chunks_mut(ELEMENTS).zip(operands).for_each(|(out, (a, b))| {
                level.run(LinearCombination { a: (p, a), b: (q, b), out });
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_levels_agree, numbers};
    use super::*;

    #[test]
    fn levels_agree() {
        for len in [1, 7, 16, 40_000] {
            let (a, b) = (numbers(len, 1), numbers(len, 2));
            assert_levels_agree("linear combination", |level| {
                [linear_combination(level, (0.3, &a), (0.7, &b))]
            });
        }
    }
}

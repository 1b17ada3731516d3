//! Sums and repetitions of 2x2 pixels.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::cpu::{Element, Kernel, Level, Simd, filled};

struct Sum2<'a, E, T> {
    above: &'a [E],
    below: &'a [E],
    factor: f32,
    channels: usize,
    out: &'a mut [MaybeUninit<T>],
}

impl<E: Element, T: Element> Kernel for Sum2<'_, E, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let pair = 2 * self.channels;
        let rows = self.above.chunks_exact(pair).zip(self.below.chunks_exact(pair));
        for (out, (above, below)) in self.out.chunks_exact_mut(self.channels).zip(rows) {
            let ((a, b), (c, d)) = (above.split_at(self.channels), below.split_at(self.channels));
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let sum = (a.to_f32() + b.to_f32()) + (c.to_f32() + d.to_f32());
                out.write(T::of(self.factor * sum));
            }
        }
    }
}

/// `factor` times the sum of each 2x2 pixels, for images with even sides.
pub(crate) fn sum2<E: Element, T: Element>(
    level: Level,
    x: &[E],
    width: usize,
    channels: usize,
    factor: f32,
) -> Vec<T> {
    let row = width * channels;
    assert!(width.is_multiple_of(2) && x.len().is_multiple_of(2 * row));
    // SAFETY: the rows cover the output, and the kernel writes every pixel of a row.
    unsafe {
        filled(x.len() / 4, |out| {
            let rows = out.par_chunks_mut(row / 2).zip(x.par_chunks_exact(2 * row));
            rows.with_min_len(4).for_each(|(out, x)| {
                let (above, below) = x.split_at(row);
                level.run(Sum2 { above, below, factor, channels, out });
            });
        })
    }
}

/// Each pixel repeated as 2x2 pixels, times `factor`.
pub(crate) fn repeat2<E: Element>(x: &[E], width: usize, channels: usize, factor: f32) -> Vec<E> {
    let row = width * channels;
    assert!(x.len().is_multiple_of(row));
    // SAFETY: pairs of rows cover the output; of each pair the first row is written pixel by pixel,
    // and the second is its copy.
    unsafe {
        filled(x.len() * 4, |out| {
            let rows = out.par_chunks_mut(4 * row).zip(x.par_chunks_exact(row));
            rows.with_min_len(4).for_each(|(out, x)| {
                let (above, below) = out.split_at_mut(2 * row);
                for (out, x) in above.chunks_exact_mut(2 * channels).zip(x.chunks_exact(channels)) {
                    let (left, right) = out.split_at_mut(channels);
                    for ((left, right), x) in left.iter_mut().zip(right).zip(x) {
                        let x = E::of(factor * x.to_f32());
                        left.write(x);
                        right.write(x);
                    }
                }
                below.copy_from_slice(above);
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{assert_levels_agree, numbers};

    #[test]
    fn levels_agree() {
        for channels in [3, 8, 21, 48] {
            let x = numbers(4 * 6 * channels, 1);
            assert_levels_agree("sum of 2x2 pixels", |level| {
                [sum2::<f32, f32>(level, &x, 2, channels, 0.25)]
            });
        }
    }
}

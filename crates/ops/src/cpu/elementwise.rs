//! One pass over a tensor.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::simd::{Kernel, Level, Simd};
use super::{Mask, filled};

/// Numbers that one task passes over.
const NUMBERS: usize = 1 << 14;
/// Pixels that one task sums.
pub(super) const PIXELS: usize = 512;

struct Sum<'a> {
    g: &'a [f32],
    mask: Mask<'a>,
    sum: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.sum.len();
        match self.mask {
            None => {
                for row in self.g.chunks_exact(channels) {
                    for (sum, g) in self.sum.iter_mut().zip(row) {
                        *sum += g;
                    }
                }
            }
            Some((mask, slope)) => {
                for (row, mask) in self.g.chunks_exact(channels).zip(mask.chunks_exact(channels)) {
                    for ((sum, g), y) in self.sum.iter_mut().zip(row).zip(mask) {
                        *sum += if *y > 0.0 { *g } else { slope * g };
                    }
                }
            }
        }
    }
}

/// The sum of `mask ⊙ g` over all pixels.
pub(crate) fn bias_gradient(level: Level, g: &[f32], mask: Mask, channels: usize) -> Vec<f32> {
    let block = PIXELS * channels;
    let mut partial = vec![0.0; g.len().div_ceil(block).max(1) * channels];
    partial.par_chunks_mut(channels).enumerate().for_each(|(i, sum)| {
        let range = i * block..((i + 1) * block).min(g.len());
        let mask = mask.map(|(mask, slope)| (&mask[range.clone()], slope));
        level.run(Sum { g: &g[range], mask, sum });
    });
    let mut sum = partial[..channels].to_vec();
    for partial in partial.chunks_exact(channels).skip(1) {
        for (sum, value) in sum.iter_mut().zip(partial) {
            *sum += value;
        }
    }
    sum
}

struct Squares<'a> {
    x: &'a [f32],
    sum: &'a mut f32,
}

impl Kernel for Squares<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: the slice has its own length.
        *self.sum = unsafe { dot(s, self.x.as_ptr(), self.x.as_ptr(), self.x.len()) };
    }
}

/// `Σ x²`, added up in blocks.
pub(crate) fn sum_of_squares(level: Level, x: &[f32]) -> f32 {
    const BLOCK: usize = 1 << 14;
    let block = |x: &[f32]| {
        let mut sum = 0.0;
        level.run(Squares { x, sum: &mut sum });
        sum
    };
    let mut sums = vec![0.0; x.len().div_ceil(BLOCK)];
    sums.par_iter_mut().zip(x.par_chunks(BLOCK)).with_min_len(4).for_each(|(sum, x)| *sum = block(x));
    sums.iter().sum()
}

/// `row` for every pixel, times the mask.
pub(crate) fn spread(row: &[f32], mask: Mask, pixels: usize) -> Vec<f32> {
    let mut out = row.repeat(pixels);
    if let Some((mask, slope)) = mask {
        for (out, y) in out.iter_mut().zip(mask) {
            if *y <= 0.0 || y.is_nan() {
                *out *= slope;
            }
        }
    }
    out
}

/// # Safety
/// `n` numbers can be read from each.
#[inline(always)]
pub(super) unsafe fn dot<S: Simd>(s: S, a: *const f32, b: *const f32, n: usize) -> f32 {
    let mut sum = s.splat(0.0);
    let mut at = 0;
    let mut lanes = [0f32; 16];
    // SAFETY: the caller's promise; the last vector is cut; 16 lanes hold every level's vector.
    unsafe {
        while at < n {
            let a = s.load_first(a.add(at), n - at);
            sum = s.fma(a, s.load_first(b.add(at), n - at), sum);
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

struct Blend<'a> {
    a: (f32, &'a [f32]),
    b: (f32, &'a [f32]),
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Blend<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let ((p, a), (q, b)) = (self.a, self.b);
        for ((out, a), b) in self.out.iter_mut().zip(a).zip(b) {
            out.write(p * a + q * b);
        }
    }
}

/// `p·a + q·b`, number by number.
pub(crate) fn blend(level: Level, (p, a): (f32, &[f32]), (q, b): (f32, &[f32])) -> Vec<f32> {
    assert!(a.len() == b.len());
    filled(a.len(), |out| {
        let operands = a.par_chunks(NUMBERS).zip(b.par_chunks(NUMBERS));
        out.par_chunks_mut(NUMBERS).zip(operands).for_each(|(out, (a, b))| {
            level.run(Blend { a: (p, a), b: (q, b), out });
        });
    })
}

/// `factor·x`, number by number.
pub(crate) fn scaled(x: &[f32], factor: f32) -> Vec<f32> {
    filled(x.len(), |out| {
        out.par_chunks_mut(NUMBERS).zip(x.par_chunks(NUMBERS)).for_each(|(out, x)| {
            for (out, x) in out.iter_mut().zip(x) {
                out.write(factor * x);
            }
        });
    })
}

struct Halve<'a> {
    above: &'a [f32],
    below: &'a [f32],
    factor: f32,
    channels: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Halve<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let pair = 2 * self.channels;
        let rows = self.above.chunks_exact(pair).zip(self.below.chunks_exact(pair));
        for (out, (above, below)) in self.out.chunks_exact_mut(self.channels).zip(rows) {
            let ((a, b), (c, d)) = (above.split_at(self.channels), below.split_at(self.channels));
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                out.write(self.factor * ((a + b) + (c + d)));
            }
        }
    }
}

/// Sums of 2x2 pixels, times `factor`, of pictures with even sides.
pub(crate) fn halve(level: Level, x: &[f32], width: usize, channels: usize, factor: f32) -> Vec<f32> {
    let row = width * channels;
    assert!(width.is_multiple_of(2) && x.len().is_multiple_of(2 * row));
    filled(x.len() / 4, |out| {
        out.par_chunks_mut(row / 2).zip(x.par_chunks_exact(2 * row)).with_min_len(4).for_each(|(out, x)| {
            let (above, below) = x.split_at(row);
            level.run(Halve { above, below, factor, channels, out });
        });
    })
}

/// Every pixel as 2x2 equal ones, times `factor`.
pub(crate) fn double(x: &[f32], width: usize, channels: usize, factor: f32) -> Vec<f32> {
    let row = width * channels;
    assert!(x.len().is_multiple_of(row));
    filled(x.len() * 4, |out| {
        out.par_chunks_mut(4 * row).zip(x.par_chunks_exact(row)).with_min_len(4).for_each(|(out, x)| {
            let (above, below) = out.split_at_mut(2 * row);
            for (out, x) in above.chunks_exact_mut(2 * channels).zip(x.chunks_exact(channels)) {
                let (left, right) = out.split_at_mut(channels);
                for ((left, right), x) in left.iter_mut().zip(right).zip(x) {
                    left.write(factor * x);
                    right.write(factor * x);
                }
            }
            below.copy_from_slice(above);
        });
    })
}

//! One pass over a tensor.

use rayon::prelude::*;

use super::simd::{Kernel, Level, Simd};
use super::{Mask, filled};

/// Pixels that one task sums.
const PIXELS: usize = 512;

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

/// `x` and `g` of a few pixels to the pixel norm of `x`, or, with `g`, its backward.
struct PixelNorm<'a> {
    x: &'a [f32],
    g: Option<&'a [f32]>,
    channels: usize,
    out: &'a mut [std::mem::MaybeUninit<f32>],
}

impl Kernel for PixelNorm<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, g, channels, out } = self;
        assert!(out.len() == x.len() && x.len().is_multiple_of(channels));
        if let Some(g) = g {
            assert!(g.len() == x.len());
        }
        let mut start = 0;
        while start < x.len() {
            // SAFETY: a whole pixel of each slice, whose lengths were compared, begins at `start`.
            unsafe {
                let x = x.as_ptr().add(start);
                let out = out.as_mut_ptr().cast::<f32>().add(start);
                let r = 1.0 / (dot(s, x, x, channels) / channels as f32 + 1e-8).sqrt();
                match g {
                    None => combine(s, (r, x), (0.0, x), channels, out),
                    Some(g) => {
                        let g = g.as_ptr().add(start);
                        let along = dot(s, x, g, channels) / channels as f32;
                        combine(s, (r, g), (-along * r * r * r, x), channels, out);
                    }
                }
            }
            start += channels;
        }
    }
}

/// # Safety
/// `n` numbers can be read from each.
#[inline(always)]
unsafe fn dot<S: Simd>(s: S, a: *const f32, b: *const f32, n: usize) -> f32 {
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

/// `p·a + q·b`
///
/// # Safety
/// `n` numbers can be read from `a` and `b`, and written to `out`.
#[inline(always)]
unsafe fn combine<S: Simd>(s: S, a: (f32, *const f32), b: (f32, *const f32), n: usize, out: *mut f32) {
    let (p, q) = (s.splat(a.0), s.splat(b.0));
    let mut at = 0;
    // SAFETY: the caller's promise; the last vector is cut.
    unsafe {
        while at < n {
            let sum = s.mul(p, s.load_first(a.1.add(at), n - at));
            let sum = s.fma(q, s.load_first(b.1.add(at), n - at), sum);
            s.store_first(out.add(at), sum, n - at);
            at += S::LANES;
        }
    }
}

/// `r·x` with `r = 1 / sqrt(mean(x²) + 1e-8)` over each pixel's channels, or with `g` its backward
/// `r·g - r³·mean(x·g)·x`.
pub(crate) fn pixel_norm(level: Level, x: &[f32], g: Option<&[f32]>, channels: usize) -> Vec<f32> {
    let block = PIXELS * channels;
    assert!(x.len().is_multiple_of(channels) && g.is_none_or(|g| g.len() == x.len()));
    filled(x.len(), |out| {
        out.par_chunks_mut(block).enumerate().for_each(|(i, out)| {
            let range = i * block..i * block + out.len();
            level.run(PixelNorm { x: &x[range.clone()], g: g.map(|g| &g[range]), channels, out });
        });
    })
}

struct Halve<'a> {
    above: &'a [f32],
    below: &'a [f32],
    factor: f32,
    channels: usize,
    out: &'a mut [f32],
}

impl Kernel for Halve<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let pair = 2 * self.channels;
        let rows = self.above.chunks_exact(pair).zip(self.below.chunks_exact(pair));
        for (out, (above, below)) in self.out.chunks_exact_mut(self.channels).zip(rows) {
            let ((a, b), (c, d)) = (above.split_at(self.channels), below.split_at(self.channels));
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out = self.factor * ((a + b) + (c + d));
            }
        }
    }
}

/// Sums of 2x2 pixels, times `factor`, of pictures with even sides.
pub(crate) fn halve(level: Level, x: &[f32], width: usize, channels: usize, factor: f32) -> Vec<f32> {
    let row = width * channels;
    let mut out = vec![0.0; x.len() / 4];
    out.par_chunks_mut(row / 2).zip(x.par_chunks_exact(2 * row)).with_min_len(4).for_each(|(out, x)| {
        let (above, below) = x.split_at(row);
        level.run(Halve { above, below, factor, channels, out });
    });
    out
}

/// Every pixel as 2x2 equal ones, times `factor`.
pub(crate) fn double(x: &[f32], width: usize, channels: usize, factor: f32) -> Vec<f32> {
    let row = width * channels;
    let mut out = vec![0.0; x.len() * 4];
    out.par_chunks_mut(4 * row).zip(x.par_chunks_exact(row)).with_min_len(4).for_each(|(out, x)| {
        let (above, below) = out.split_at_mut(2 * row);
        for (out, x) in above.chunks_exact_mut(2 * channels).zip(x.chunks_exact(channels)) {
            let (left, right) = out.split_at_mut(channels);
            for ((left, right), x) in left.iter_mut().zip(right).zip(x) {
                *left = factor * x;
                *right = factor * x;
            }
        }
        below.copy_from_slice(above);
    });
    out
}

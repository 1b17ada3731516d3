//! One pass over a tensor.

use rayon::prelude::*;

use super::Mask;
use super::simd::{Kernel, Level, Simd};

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

pub(super) fn bias_gradient(level: Level, g: &[f32], mask: Mask, channels: usize) -> Vec<f32> {
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

pub(super) fn spread(row: &[f32], mask: Mask, pixels: usize) -> Vec<f32> {
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

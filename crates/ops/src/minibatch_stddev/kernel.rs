//! The kernels of minibatch standard deviation and its gradient.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::cpu::{Kernel, Level, Simd, filled, scratch};

/// Mean and reciprocal standard deviation of each feature over a group: `(G, F)` to two rows of F.
struct Statistics<'a> {
    x: &'a [f32],
    mean: &'a mut [f32],
    /// `1 / sqrt(var + 1e-8)` with the biased variance.
    reciprocal: &'a mut [f32],
}

impl Kernel for Statistics<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { x, mean, reciprocal } = self;
        let share = mean.len() as f32 / x.len() as f32;
        mean.fill(0.0);
        for image in x.chunks_exact(mean.len()) {
            for (mean, x) in mean.iter_mut().zip(image) {
                *mean += share * x;
            }
        }
        reciprocal.fill(1e-8);
        for image in x.chunks_exact(mean.len()) {
            for ((variance, mean), x) in reciprocal.iter_mut().zip(&*mean).zip(image) {
                *variance += share * (x - mean) * (x - mean);
            }
        }
        for value in reciprocal.iter_mut() {
            *value = 1.0 / value.sqrt();
        }
    }
}

/// Calls `f` with the mean and the reciprocal standard deviation of each feature of a group.
fn with_statistics<R>(level: Level, x: &[f32], features: usize, f: impl FnOnce(&[f32], &[f32]) -> R) -> R {
    scratch::with(2 * features, |buffer| {
        let (mean, reciprocal) = buffer.split_at_mut(features);
        level.run(Statistics { x, mean, reciprocal });
        f(mean, reciprocal)
    })
}

/// `(B, pixels, channels)` with an additional channel: the mean over a group's features of their
/// standard deviation. `group` divides the batch.
pub(crate) fn forward(level: Level, x: &[f32], group: usize, pixels: usize, channels: usize) -> Vec<f32> {
    let features = pixels * channels;
    assert!(x.len().is_multiple_of(group * features));
    let write = |(out, x): (&mut [MaybeUninit<f32>], &[f32])| {
        let sum = with_statistics(level, x, features, |_, reciprocal| {
            reciprocal.iter().map(|r| 1.0 / f64::from(*r)).sum::<f64>()
        });
        let mean = (sum / features as f64) as f32;
        for (out, x) in out.chunks_exact_mut(channels + 1).zip(x.chunks_exact(channels)) {
            let (last, copied) = out.split_last_mut().expect("one channel more");
            for (copied, x) in copied.iter_mut().zip(x) {
                copied.write(*x);
            }
            last.write(mean);
        }
    };
    // SAFETY: the groups cover the output, and every channel of every pixel of a group is written.
    unsafe {
        filled(x.len() / channels * (channels + 1), |out| {
            let groups = out.par_chunks_mut(group * pixels * (channels + 1));
            groups.zip(x.par_chunks(group * features)).for_each(write);
        })
    }
}

/// The gradient of the images, given that of the result: `g + Σ g_last / (F·G) · (x - mean) / deviation`
/// for F features of G images, with the sum over the pixels of the group.
pub(crate) fn gradient(
    level: Level,
    x: &[f32],
    g: &[f32],
    group: usize,
    pixels: usize,
    channels: usize,
) -> Vec<f32> {
    let features = pixels * channels;
    assert!(x.len().is_multiple_of(group * features) && g.len() == x.len() / channels * (channels + 1));
    // SAFETY: the groups cover the output, and the kernel writes every pixel of a group.
    unsafe {
        filled(x.len(), |dx| {
            let operands = x.par_chunks(group * features).zip(g.par_chunks(group * pixels * (channels + 1)));
            dx.par_chunks_mut(group * features).zip(operands).for_each(|(dx, (x, g))| {
                let all: f32 = g.chunks_exact(channels + 1).map(|g| g[channels]).sum();
                let share = all / (group * features) as f32;
                with_statistics(level, x, features, |mean, reciprocal| {
                    level.run(Gradient { x, g, mean, reciprocal, share, channels, dx });
                });
            });
        })
    }
}

/// `g + share · (x - mean) · reciprocal` of one group, without the last channel of `g`.
struct Gradient<'a> {
    x: &'a [f32],
    g: &'a [f32],
    mean: &'a [f32],
    reciprocal: &'a [f32],
    share: f32,
    channels: usize,
    dx: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Gradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { x, g, mean, reciprocal, share, channels, dx } = self;
        // Once for each image.
        let statistics = mean.chunks_exact(channels).zip(reciprocal.chunks_exact(channels)).cycle();
        let pixels = x.chunks_exact(channels).zip(g.chunks_exact(channels + 1));
        for ((dx, (x, g)), (mean, reciprocal)) in dx.chunks_exact_mut(channels).zip(pixels).zip(statistics) {
            let statistics = mean.iter().zip(reciprocal);
            for (((dx, x), g), (mean, reciprocal)) in dx.iter_mut().zip(x).zip(g).zip(statistics) {
                dx.write(g + share * (x - mean) * reciprocal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{assert_levels_agree, numbers};

    #[test]
    fn levels_agree() {
        for channels in [3, 8, 21, 48] {
            let (batch, pixels) = (4, 6);
            let x = numbers(batch * pixels * channels, 1);
            let g = numbers(batch * pixels * (channels + 1), 2);
            assert_levels_agree("minibatch stddev", |level| {
                [forward(level, &x, 2, pixels, channels), gradient(level, &x, &g, 2, pixels, channels)]
            });
        }
    }
}

//! Pixelwise feature normalisation, alone and with a scale and a shift of each channel.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::elementwise::{PIXELS, dot};
use super::simd::{Kernel, Level, Simd};
use super::{filled, scratch};

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

/// The pixel norm of one image's pixels, scaled and shifted.
struct Modulated<'a> {
    x: &'a [f32],
    /// Gamma, then beta.
    affine: &'a [f32],
    channels: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Modulated<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, affine, channels, out } = self;
        assert!(out.len() == x.len() && x.len().is_multiple_of(channels) && affine.len() == 2 * channels);
        let mut start = 0;
        while start < x.len() {
            // SAFETY: a whole pixel of `x` and `out` begins at `start`; both halves of `affine` hold
            // a pixel's channels; the last vector is cut.
            unsafe {
                let x = x.as_ptr().add(start);
                let out = out.as_mut_ptr().cast::<f32>().add(start);
                let r = s.splat(1.0 / (dot(s, x, x, channels) / channels as f32 + 1e-8).sqrt());
                let mut at = 0;
                while at < channels {
                    let n = channels - at;
                    let gamma = s.load_first(affine.as_ptr().add(at), n);
                    let beta = s.load_first(affine.as_ptr().add(channels + at), n);
                    let y = s.mul(r, s.load_first(x.add(at), n));
                    s.store_first(out.add(at), s.fma(gamma, y, s.add(y, beta)), n);
                    at += S::LANES;
                }
            }
            start += channels;
        }
    }
}

/// The numbers of one image, if `x` is a batch of images and `affine` has gamma and beta for each.
fn image_len(x: &[f32], affine: &[f32], batch: usize, channels: usize) -> usize {
    let image = x.len() / batch;
    assert!(x.len() == batch * image && image.is_multiple_of(channels));
    assert!(affine.len() == batch * 2 * channels);
    image
}

/// `(1 + gamma) · x / rms(x) + beta`, with gamma and beta of each image.
pub(crate) fn modulated_pixel_norm(
    level: Level,
    x: &[f32],
    affine: &[f32],
    batch: usize,
    channels: usize,
) -> Vec<f32> {
    let image = image_len(x, affine, batch, channels);
    let block = (PIXELS * channels).min(image);
    filled(x.len(), |out| {
        let images = out.chunks_mut(image).zip(x.chunks(image)).zip(affine.chunks(2 * channels));
        let tasks: Vec<_> = images
            .flat_map(|((out, x), affine)| {
                out.chunks_mut(block).zip(x.chunks(block)).map(move |p| (p, affine))
            })
            .collect();
        tasks
            .into_par_iter()
            .for_each(|((out, x), affine)| level.run(Modulated { x, affine, channels, out }));
    })
}

/// Gradients of one image's pixels, and their share in those of gamma and beta.
struct ModulatedGradient<'a> {
    x: &'a [f32],
    affine: &'a [f32],
    g: &'a [f32],
    channels: usize,
    dx: &'a mut [MaybeUninit<f32>],
    /// Added up, gamma then beta.
    d_affine: &'a mut [f32],
    /// A pixel's `g · (1 + gamma)`.
    scaled: &'a mut [f32],
}

impl Kernel for ModulatedGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, affine, g, channels, dx, d_affine, scaled } = self;
        assert!(dx.len() == x.len() && g.len() == x.len() && x.len().is_multiple_of(channels));
        assert!(affine.len() == 2 * channels && d_affine.len() == 2 * channels && scaled.len() == channels);
        let mut start = 0;
        while start < x.len() {
            // SAFETY: as in `Modulated`, for all slices, whose lengths were compared.
            unsafe {
                let (x, g) = (x.as_ptr().add(start), g.as_ptr().add(start));
                let dx = dx.as_mut_ptr().cast::<f32>().add(start);
                let r = 1.0 / (dot(s, x, x, channels) / channels as f32 + 1e-8).sqrt();
                let mut at = 0;
                while at < channels {
                    let n = channels - at;
                    let gradient = s.load_first(g.add(at), n);
                    let gamma = s.load_first(affine.as_ptr().add(at), n);
                    s.store_first(scaled.as_mut_ptr().add(at), s.fma(gamma, gradient, gradient), n);
                    let (d_gamma, d_beta) =
                        (d_affine.as_mut_ptr().add(at), d_affine.as_mut_ptr().add(channels + at));
                    let y = s.mul(s.splat(r), s.load_first(x.add(at), n));
                    s.store_first(d_gamma, s.fma(gradient, y, s.load_first(d_gamma, n)), n);
                    s.store_first(d_beta, s.add(gradient, s.load_first(d_beta, n)), n);
                    at += S::LANES;
                }
                let along = dot(s, x, scaled.as_ptr(), channels) / channels as f32;
                combine(s, (r, scaled.as_ptr()), (-along * r * r * r, x), channels, dx);
            }
            start += channels;
        }
    }
}

/// Gradients of `x` and of `affine`. Each image's sums have one order.
pub(crate) fn modulated_pixel_norm_gradient(
    level: Level,
    x: &[f32],
    affine: &[f32],
    g: &[f32],
    batch: usize,
    channels: usize,
) -> (Vec<f32>, Vec<f32>) {
    let image = image_len(x, affine, batch, channels);
    assert!(g.len() == x.len());
    let mut d_affine = vec![0.0; affine.len()];
    let dx = filled(x.len(), |dx| {
        dx.par_chunks_mut(image)
            .zip(x.par_chunks(image).zip(g.par_chunks(image)))
            .zip(affine.par_chunks(2 * channels).zip(d_affine.par_chunks_mut(2 * channels)))
            .for_each(|((dx, (x, g)), (affine, d_affine))| {
                scratch::with(channels, |scaled| {
                    level.run(ModulatedGradient { x, affine, g, channels, dx, d_affine, scaled });
                });
            });
    });
    (dx, d_affine)
}

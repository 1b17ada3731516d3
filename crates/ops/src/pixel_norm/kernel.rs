//! The kernels of pixel norm, modulated pixel norm and their gradients.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::cpu::elementwise::{PIXELS, dot};
use crate::cpu::{Element, Kernel, Level, Simd, filled, scratch};

/// The pixel norm of a block of pixels, or its gradient if `g` is given.
struct PixelNorm<'a, E> {
    x: &'a [E],
    g: Option<&'a [E]>,
    channels: usize,
    out: &'a mut [MaybeUninit<E>],
}

impl<E: Element> Kernel for PixelNorm<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, g, channels, out } = self;
        assert!(out.len() == x.len() && x.len().is_multiple_of(channels));
        if let Some(g) = g {
            assert!(g.len() == x.len());
        }
        let mut start = 0;
        while start < x.len() {
            // SAFETY: a whole pixel of each slice begins at `start`; the lengths were compared.
            unsafe {
                let x = x.as_ptr().add(start);
                let out = out.as_mut_ptr().cast::<E>().add(start);
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

/// `out = p·a + q·b`.
///
/// # Safety
/// `n` elements can be read from `a` and `b` and written to `out`.
#[inline(always)]
unsafe fn combine<S: Simd, A: Element, E: Element>(
    s: S,
    a: (f32, *const A),
    b: (f32, *const E),
    n: usize,
    out: *mut E,
) {
    let (p, q) = (s.splat(a.0), s.splat(b.0));
    let mut at = 0;
    // SAFETY: the caller's promise; the last vector is cut.
    unsafe {
        while at < n {
            let sum = s.mul(p, A::load_first(s, a.1.add(at), n - at));
            let sum = s.fma(q, E::load_first(s, b.1.add(at), n - at), sum);
            E::store_first(s, out.add(at), sum, n - at);
            at += S::LANES;
        }
    }
}

/// `r·x` with `r = 1 / sqrt(mean(x²) + 1e-8)` over the channels of each pixel. With `g`, the gradient
/// `r·g - r³·mean(x·g)·x`.
pub(crate) fn pixel_norm<E: Element>(level: Level, x: &[E], g: Option<&[E]>, channels: usize) -> Vec<E> {
    let block = PIXELS * channels;
    assert!(x.len().is_multiple_of(channels) && g.is_none_or(|g| g.len() == x.len()));
    // SAFETY: the blocks cover the output, and the kernel writes every pixel of a block.
    unsafe {
        filled(x.len(), |out| {
            out.par_chunks_mut(block).enumerate().for_each(|(i, out)| {
                let range = i * block..i * block + out.len();
                level.run(PixelNorm { x: &x[range.clone()], g: g.map(|g| &g[range]), channels, out });
            });
        })
    }
}

/// The modulated pixel norm of pixels of one image.
struct Modulated<'a, E> {
    x: &'a [E],
    /// Gamma, then beta.
    affine: &'a [f32],
    channels: usize,
    out: &'a mut [MaybeUninit<E>],
}

impl<E: Element> Kernel for Modulated<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, affine, channels, out } = self;
        assert!(out.len() == x.len() && x.len().is_multiple_of(channels) && affine.len() == 2 * channels);
        let mut start = 0;
        while start < x.len() {
            // SAFETY: a whole pixel of `x` and `out` begins at `start`; both halves of `affine` have the
            // channels of a pixel; the last vector is cut.
            unsafe {
                let x = x.as_ptr().add(start);
                let out = out.as_mut_ptr().cast::<E>().add(start);
                let r = s.splat(1.0 / (dot(s, x, x, channels) / channels as f32 + 1e-8).sqrt());
                let mut at = 0;
                while at < channels {
                    let n = channels - at;
                    let gamma = s.load_first(affine.as_ptr().add(at), n);
                    let beta = s.load_first(affine.as_ptr().add(channels + at), n);
                    let y = s.mul(r, E::load_first(s, x.add(at), n));
                    E::store_first(s, out.add(at), s.fma(gamma, y, s.add(y, beta)), n);
                    at += S::LANES;
                }
            }
            start += channels;
        }
    }
}

/// The number of elements of an image. Panics unless `x` is a batch of images and `affine` has gamma
/// and beta for each.
fn image_len<E>(x: &[E], affine: &[f32], batch: usize, channels: usize) -> usize {
    let image = x.len() / batch;
    assert!(x.len() == batch * image && image.is_multiple_of(channels));
    assert!(affine.len() == batch * 2 * channels);
    image
}

/// `(1 + gamma) · x / rms(x) + beta`, with one gamma and beta for each image.
pub(crate) fn modulated_pixel_norm<E: Element>(
    level: Level,
    x: &[E],
    affine: &[f32],
    batch: usize,
    channels: usize,
) -> Vec<E> {
    let image = image_len(x, affine, batch, channels);
    let block = (PIXELS * channels).min(image);
    let write = |out: &mut [MaybeUninit<E>]| {
        let images = out.chunks_mut(image).zip(x.chunks(image)).zip(affine.chunks(2 * channels));
        let tasks: Vec<_> = images
            .flat_map(|((out, x), affine)| {
                out.chunks_mut(block).zip(x.chunks(block)).map(move |p| (p, affine))
            })
            .collect();
        tasks
            .into_par_iter()
            .for_each(|((out, x), affine)| level.run(Modulated { x, affine, channels, out }));
    };
    // SAFETY: the blocks of the images cover the output, and the kernel writes every pixel of a block.
    unsafe { filled(x.len(), write) }
}

/// The gradients of one image's pixels, of its gamma and of its beta.
struct ModulatedGradient<'a, E> {
    x: &'a [E],
    affine: &'a [f32],
    g: &'a [E],
    channels: usize,
    dx: &'a mut [MaybeUninit<E>],
    /// Sums over pixels, gamma then beta.
    d_affine: &'a mut [f32],
    /// `g · (1 + gamma)` of one pixel.
    scaled: &'a mut [f32],
}

impl<E: Element> Kernel for ModulatedGradient<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, affine, g, channels, dx, d_affine, scaled } = self;
        assert!(dx.len() == x.len() && g.len() == x.len() && x.len().is_multiple_of(channels));
        assert!(affine.len() == 2 * channels && d_affine.len() == 2 * channels && scaled.len() == channels);
        let mut start = 0;
        while start < x.len() {
            // SAFETY: as in `Modulated`, for all slices; their lengths were compared.
            unsafe {
                let (x, g) = (x.as_ptr().add(start), g.as_ptr().add(start));
                let dx = dx.as_mut_ptr().cast::<E>().add(start);
                let r = 1.0 / (dot(s, x, x, channels) / channels as f32 + 1e-8).sqrt();
                let mut at = 0;
                while at < channels {
                    let n = channels - at;
                    let gradient = E::load_first(s, g.add(at), n);
                    let gamma = s.load_first(affine.as_ptr().add(at), n);
                    s.store_first(scaled.as_mut_ptr().add(at), s.fma(gamma, gradient, gradient), n);
                    let (d_gamma, d_beta) =
                        (d_affine.as_mut_ptr().add(at), d_affine.as_mut_ptr().add(channels + at));
                    let y = s.mul(s.splat(r), E::load_first(s, x.add(at), n));
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

/// The gradient of `x`; that of `affine` is added to `d_affine`. The sums over the pixels of an image have one
/// order.
pub(crate) fn modulated_pixel_norm_gradient<E: Element>(
    level: Level,
    x: &[E],
    affine: &[f32],
    g: &[E],
    (batch, channels): (usize, usize),
    d_affine: &mut [f32],
) -> Vec<E> {
    let image = image_len(x, affine, batch, channels);
    assert!(g.len() == x.len() && d_affine.len() == affine.len());
    let affines = affine.par_chunks(2 * channels).zip(d_affine.par_chunks_mut(2 * channels));
    let write = |dx: &mut [MaybeUninit<E>]| {
        dx.par_chunks_mut(image).zip(x.par_chunks(image).zip(g.par_chunks(image))).zip(affines).for_each(
            |((dx, (x, g)), (affine, d_affine))| {
                scratch::with(channels, |scaled| {
                    level.run(ModulatedGradient { x, affine, g, channels, dx, d_affine, scaled });
                });
            },
        );
    };
    // SAFETY: the images cover the output, and the kernel writes every pixel of an image.
    unsafe { filled(x.len(), write) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{assert_levels_agree, numbers};

    #[test]
    fn levels_agree() {
        for channels in [3, 8, 21, 48] {
            let (batch, pixels) = (4, 6);
            let count = batch * pixels * channels;
            let (x, g, affine) = (numbers(count, 1), numbers(count, 2), numbers(2 * batch * channels, 3));
            assert_levels_agree("pixel norm", |level| {
                let mut d_affine = vec![0.0; affine.len()];
                let sizes = (batch, channels);
                let dx = modulated_pixel_norm_gradient(level, &x, &affine, &g, sizes, &mut d_affine);
                [
                    pixel_norm(level, &x, None, channels),
                    pixel_norm(level, &x, Some(&g), channels),
                    modulated_pixel_norm(level, &x, &affine, batch, channels),
                    dx,
                    d_affine,
                ]
            });
        }
    }
}

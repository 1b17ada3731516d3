//! The last operations of a direct convolution.

use std::mem::MaybeUninit;

use half::bf16;

use super::super::shapes::Epilogue;
use super::grid::NO_PIXEL;
use crate::cpu::tiles::{Block, SIDE};
use crate::cpu::{Element, Kernel, Simd};

/// Writes the pixels of a block.
pub(super) struct Write<'a, 'b, T> {
    pub(super) sums: &'a Block,
    /// The pixel of each position, or [`NO_PIXEL`].
    pub(super) pixels: &'a [u32],
    /// The first pixel of `out`.
    pub(super) first_pixel: usize,
    /// The first output channel of the block, and all of them.
    pub(super) channel: usize,
    pub(super) channels: usize,
    pub(super) epilogue: &'a Epilogue<'a, bf16>,
    pub(super) out: &'b mut [MaybeUninit<T>],
}

impl<T: Element> Kernel for Write<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { sums, pixels, first_pixel, channel, channels, epilogue, out } = self;
        let Epilogue { bias, slope, mask, .. } = *epilogue;
        let count = SIDE.min(channels - channel);
        let bias = bias.map_or(&[][..], |bias| &bias[channel..channel + count]);
        for (&pixel, sums) in pixels.iter().zip(sums.0.as_chunks::<SIDE>().0) {
            if pixel == NO_PIXEL {
                continue;
            }
            let at = (pixel as usize - first_pixel) * channels + channel;
            let out = &mut out[at..at + count];
            let mask = mask.map(|(y, slope)| {
                let at = pixel as usize * channels + channel;
                (&y[at..at + count], slope)
            });
            let mut lane = 0;
            while lane < count {
                let n = count - lane;
                // SAFETY: the sums have SIDE elements, a multiple of the lanes; the bias (if there is one), the
                // mask and the output have `count` elements, of which the first `n` from `lane` on are used.
                unsafe {
                    let mut v = s.load(sums.as_ptr().add(lane));
                    if !bias.is_empty() {
                        v = s.add(v, s.load_first(bias.as_ptr().add(lane), n));
                    }
                    if let Some(slope) = slope {
                        v = s.rectified(v, v, s.splat(slope));
                    }
                    if let Some((y, slope)) = mask {
                        let y = bf16::load_first(s, y.as_ptr().add(lane), n);
                        v = s.rectified(v, y, s.splat(slope));
                    }
                    T::store_first(s, out.as_mut_ptr().add(lane).cast(), v, n);
                }
                lane += S::LANES;
            }
        }
    }
}

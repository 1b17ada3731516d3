//! Noise inputs of the generator: StyleGAN (arXiv:1812.04948, §3.2), noise for the details that no code
//! describes.
//!
//! The noise maps of an image are the last columns of its latent, so that an image is a function of its
//! latent alone, and other captions with the same seed have the same maps.

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use t2f_ops::{ConvOptions, conv2d};

use super::layers::entered;
use crate::error::Result;

/// The pixels of all noise maps of an image: one map at 4x4, two at each level above,
/// `16 + 2 Σ_{l=1}^{max_level} (4·2^l)²`.
pub(crate) fn noise_map_size(max_level: usize) -> usize {
    16 + (1..=max_level).map(|level| 2 * (16 << (2 * level))).sum::<usize>()
}

/// The noise maps of latents, taken one after another from the lowest level upwards.
pub(super) struct NoiseMaps {
    latent: Tensor,
    next: usize,
}

impl NoiseMaps {
    /// The maps in the columns of `latent` from `first` on.
    pub fn new(latent: &Tensor, first: usize) -> Self {
        Self { latent: latent.clone(), next: first }
    }

    /// `(B, H, W, 1)`
    fn take(&mut self, batch: usize, height: usize, width: usize) -> Result<Tensor> {
        let map = self.latent.narrow(1, self.next, height * width)?;
        self.next += height * width;
        Ok(map.contiguous()?.reshape((batch, height, width, 1))?)
    }
}

/// `y[b, i, j, c] = x[b, i, j, c] + strength[c] · noise[b, i, j]`, with strengths that start at 0.
///
/// The noise is added to the rectified convolution, before pixel norm and modulation. StyleGAN adds it
/// before the rectifier, which is a part of the convolution's kernel here.
#[derive(Debug)]
pub(super) struct NoiseInput {
    strength: Tensor, // (1, 1, 1, C): a 1x1 convolution of the map
}

impl NoiseInput {
    pub fn new(channels: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self { strength: vb.get_with_hints((1, 1, 1, channels), "strength", Init::Const(0.0))? })
    }

    /// Adds the next of the maps. `(B, H, W, C)` → `(B, H, W, C)`
    pub fn add(&self, x: &Tensor, maps: &mut NoiseMaps) -> Result<Tensor> {
        let (batch, height, width, _) = x.dims4()?;
        let map = maps.take(batch, height, width)?;
        let options = ConvOptions { dtype: entered(x.dtype()), ..ConvOptions::default() };
        Ok(x.add(&conv2d(&map, &self.strength, None, options)?)?)
    }
}

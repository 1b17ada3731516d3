//! ProGAN's generator.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use t2f_ops::{modulated_pixel_norm, pixel_norm};
use t2f_ops::{to_nchw, upsample2};

use super::layers::{Compat, Conv, ConvShape, Unfold};
use super::noise::{NoiseInput, NoiseMaps, noise_map_size};
use crate::error::{Result, check_argument};
use crate::generator::{Generator, GeneratorShape};
use crate::growth::Growth;

/// Variants of [`GrowingGenerator`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorOptions {
    /// Whether the latent modulates every convolution above 4x4 (DF-GAN).
    pub modulation: bool,
    /// Whether each 3x3 convolution is followed by a noise input; the last columns of a latent are then the
    /// noise maps.
    pub noise_inputs: bool,
    /// Another program whose layers are reproduced exactly.
    pub compat: Option<Compat>,
}

/// ProGAN's generator (appendix A of arXiv:1710.10196) with T2F's widths.
///
/// Latent normalised; 4x4 layer, 3x3 convolution; then per level a doubling and two 3x3
/// convolutions. Every convolution but `toRGB` is followed by a leaky rectifier and pixel norm.
/// `toRGB` is linear. With `compat = "t2f"` neither the latent nor the 4x4 layer is normalised.
///
/// Parameters: `initial_block.conv_{1,2}`, `layers.{level-1}.conv_{1,2}`, `rgb_converters.{level}`,
/// with `modulation`, `layers.{level-1}.modulation_{1,2}`, and, with `noise_inputs`,
/// `initial_block.noise_2.strength` and `layers.{level-1}.noise_{1,2}.strength`.
#[derive(Debug)]
pub struct GrowingGenerator {
    latent_size: usize,
    /// The columns of the latent before the noise maps.
    code_size: usize,
    compat: Option<Compat>,
    unfold: Unfold,
    initial: Conv,
    initial_noise: Option<NoiseInput>,
    blocks: Vec<Block>,
    to_rgb: Vec<Conv>,
}

#[derive(Debug)]
struct Block {
    conv_1: Conv,
    conv_2: Conv,
    /// Gamma and beta of [`modulated_pixel_norm`] after each convolution, linear in the latent, through
    /// which the text reaches every resolution. They start as identity.
    modulations: Option<[Conv; 2]>,
    noises: Option<[NoiseInput; 2]>,
}

impl GrowingGenerator {
    /// Builds all levels; those above the level in use take no part and get no gradient.
    ///
    /// # Errors
    /// If the latent has no columns beside the noise maps, or a parameter is missing.
    pub fn new(shape: &GeneratorShape, options: GeneratorOptions, vb: VarBuilder) -> Result<Self> {
        let (latent_size, widths) = (shape.latent_size, &shape.channels);
        let GeneratorOptions { modulation: modulated, noise_inputs, compat } = options;
        let maps = if noise_inputs { noise_map_size(widths.len() - 1) } else { 0 };
        let expected = format_args!("more than the {maps} pixels of the noise maps");
        check_argument(latent_size > maps, "latent size", latent_size, expected)?;
        let code_size = latent_size - maps;
        let noise =
            |channels, vb: VarBuilder| noise_inputs.then(|| NoiseInput::new(channels, &vb)).transpose();
        let first = vb.pp("initial_block");
        let unfold = Unfold::new(code_size, widths[0], compat, &first.pp("conv_1"))?;
        let conv = |inputs, outputs, vb: &VarBuilder| {
            Conv::rectified(ConvShape { kernel: 3, inputs, outputs }, compat, vb).map(Conv::padded)
        };
        let initial = conv(widths[0], widths[0], &first.pp("conv_2"))?;
        let initial_noise = noise(widths[0], first.pp("noise_2"))?;
        let mut blocks = Vec::new();
        for (i, pair) in widths.windows(2).enumerate() {
            let vb = vb.pp("layers").pp(i);
            let shape = ConvShape { kernel: 1, inputs: code_size, outputs: 2 * pair[1] };
            let modulation = |name: &str| Conv::silent(shape, &vb.pp(name));
            let modulations = match modulated {
                true => Some([modulation("modulation_1")?, modulation("modulation_2")?]),
                false => None,
            };
            blocks.push(Block {
                conv_1: conv(pair[0], pair[1], &vb.pp("conv_1"))?.upsampling(),
                conv_2: conv(pair[1], pair[1], &vb.pp("conv_2"))?,
                modulations,
                noises: noise(pair[1], vb.pp("noise_1"))?
                    .zip(noise(pair[1], vb.pp("noise_2"))?)
                    .map(<[_; 2]>::from),
            });
        }
        let mut to_rgb = Vec::new();
        for (level, &inputs) in widths.iter().enumerate() {
            let shape = ConvShape { kernel: 1, inputs, outputs: 3 };
            to_rgb.push(Conv::new(shape, compat, &vb.pp("rgb_converters").pp(level))?);
        }
        Ok(Self { latent_size, code_size, compat, unfold, initial, initial_noise, blocks, to_rgb })
    }
}

impl Block {
    fn forward(&self, x: &Tensor, latent: &Tensor, maps: &mut NoiseMaps) -> Result<Tensor> {
        let mut normed = |x: Tensor, which: usize| -> Result<Tensor> {
            let x = match &self.noises {
                Some(noises) => noises[which].add(&x, maps)?,
                None => x,
            };
            Ok(match &self.modulations {
                Some(modulations) => modulated_pixel_norm(&x, &modulations[which].forward_vector(latent)?)?,
                None => pixel_norm(&x)?,
            })
        };
        let x = normed(self.conv_1.forward(x)?, 0)?; // (B, 2H, 2W, C)
        normed(self.conv_2.forward(&x)?, 1)
    }
}

impl Generator for GrowingGenerator {
    fn forward(&self, latent: &Tensor, at: Growth) -> Result<Tensor> {
        at.check(self.max_level())?;
        let (_, size) = latent.dims2()?;
        check_argument(size == self.latent_size, "latent", size, self.latent_size)?;
        let mut maps = NoiseMaps::new(latent, self.code_size);
        let latent = &latent.narrow(1, 0, self.code_size)?.contiguous()?;
        let (latent, mut x) = match self.compat {
            None => {
                let latent = pixel_norm(latent)?;
                let x = pixel_norm(&self.unfold.forward(&latent)?)?;
                (latent, x)
            }
            Some(Compat::T2f) => (latent.clone(), self.unfold.forward(latent)?),
        };
        x = self.initial.forward(&x)?; // (B, 4, 4, C)
        if let Some(noise) = &self.initial_noise {
            x = noise.add(&x, &mut maps)?;
        }
        x = pixel_norm(&x)?;
        let mut below = x.clone();
        for block in &self.blocks[..at.level] {
            below = x;
            x = block.forward(&below, &latent, &mut maps)?;
        }
        let new = self.to_rgb[at.level].forward(&x)?; // (B, R, R, 3)
        // Doubling commutes with a 1x1 convolution, and is cheaper on 3 channels.
        let image = at.blend(new, || Ok(upsample2(&self.to_rgb[at.level - 1].forward(&below)?)?))?;
        Ok(to_nchw(&image)?)
    }

    fn latent_size(&self) -> usize {
        self.latent_size
    }

    fn max_level(&self) -> usize {
        self.blocks.len()
    }
}

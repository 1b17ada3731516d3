//! ProGAN's generator.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_ops::{modulated_pixel_norm, pixel_norm};
use t2f_ops::{to_nchw, upsample2, upsample2_smooth};

use super::layers::{Compat, Conv, ConvShape, Skip, Unfold};
use super::noise::{NoiseInput, NoiseMaps, noise_map_size};
use crate::error::{Result, check_argument};
use crate::generator::{Generator, GeneratorShape};
use crate::growth::Growth;

/// The doubling of feature maps in the generator and, with residual levels, of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resample {
    /// Each pixel four times, as ProGAN does. Differences between neighbours are then largest at multiples of 2,
    /// 4 and 8 pixels.
    #[default]
    Nearest,
    /// Bilinear, [`upsample2_smooth`], as StyleGAN2 does.
    Smooth,
}

impl Resample {
    /// `(B, H, W, C)` → `(B, 2H, 2W, C)`
    fn double(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Nearest => upsample2(x)?,
            Self::Smooth => upsample2_smooth(x)?,
        })
    }
}

/// Variants of [`GrowingGenerator`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorOptions {
    /// Whether the latent modulates every convolution above 4x4 (DF-GAN).
    pub modulation: bool,
    /// Whether each 3x3 convolution is followed by a noise input; the last columns of a latent are then the
    /// noise maps.
    pub noise_inputs: bool,
    /// Whether a level above 4x4 adds to the doubled level below.
    pub residual: bool,
    /// The doubling of levels. The blend of a fade-in doubles by nearest neighbour in any case, as that of
    /// real images does.
    pub resample: Resample,
    /// Another program whose layers are reproduced exactly.
    pub compat: Option<Compat>,
}

/// ProGAN's generator (appendix A of arXiv:1710.10196) with T2F's widths.
///
/// Latent normalised; 4x4 layer, 3x3 convolution; then per level a doubling and two 3x3
/// convolutions. Every convolution but `toRGB` is followed by a leaky rectifier and pixel norm.
/// `toRGB` is linear. With `compat = "t2f"` neither the latent nor the 4x4 layer is normalised.
///
/// With `residual` a level is `y = skip(up(x)) + conv_2(norm(act(conv_1(up(norm(x))))))` after R3GAN
/// (arXiv:2501.05441, §3): `up` is the doubling, `skip` the identity or, where the numbers of channels differ,
/// a linear 1x1 convolution, `norm` the pixel norm with its modulation, and the linear `conv_2` starts at 0. Its
/// `toRGB` starts at 0, too, and adds to the doubled image of the level below, so that a new level starts as
/// that image, with or without a fade-in. The sum is not scaled by 1/√2: it starts with the variance of `x`.
/// R3GAN has grouped convolutions between two of 1x1 and no normalization; ours are two of 3x3, and the
/// pixel norm, through which the latent modulates, is before each of them.
///
/// Parameters: `initial_block.conv_{1,2}`, `layers.{level-1}.conv_{1,2}`, `rgb_converters.{level}`,
/// with `modulation`, `layers.{level-1}.modulation_{1,2}`, and, with `noise_inputs`,
/// `initial_block.noise_2.strength` and `layers.{level-1}.noise_{1,2}.strength`,
/// and, with `residual`, `layers.{level-1}.skip`, where the numbers of channels differ.
#[derive(Debug)]
pub struct GrowingGenerator {
    latent_size: usize,
    /// The columns of the latent before the noise maps.
    code_size: usize,
    residual: bool,
    resample: Resample,
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
    /// Gamma and beta of [`modulated_pixel_norm`] after each convolution, or before it in a residual level,
    /// linear in the latent, through which the text reaches every resolution. They start as identity.
    modulations: [Option<Conv>; 2],
    noises: [Option<NoiseInput>; 2],
    /// The skip path of a residual level.
    skip: Option<Skip>,
    resample: Resample,
}

impl GrowingGenerator {
    /// Builds all levels; those above the level in use take no part and get no gradient.
    ///
    /// # Errors
    /// If the latent has no columns beside the noise maps, or a parameter is missing.
    pub fn new(shape: &GeneratorShape, options: GeneratorOptions, vb: VarBuilder) -> Result<Self> {
        let &GeneratorShape { latent_size, channels: ref widths, features } = shape;
        let GeneratorOptions { noise_inputs, residual, resample, compat, .. } = options;
        let maps = if noise_inputs { noise_map_size(widths.len() - 1) } else { 0 };
        let expected = format_args!("more than the {maps} pixels of the noise maps");
        check_argument(latent_size > maps, "latent size", latent_size, expected)?;
        let code_size = latent_size - maps;
        let first = vb.pp("initial_block");
        let unfold = Unfold::new([code_size, widths[0]], compat, features, &first.pp("conv_1"))?;
        let of_first = ConvShape { kernel: 3, inputs: widths[0], outputs: widths[0] };
        let initial = Conv::rectified(of_first, compat, &first.pp("conv_2"))?.padded();
        let noise = || NoiseInput::new(widths[0], &first.pp("noise_2"));
        let initial_noise = noise_inputs.then(noise).transpose()?;
        let blocks = widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| Block::new([pair[0], pair[1]], code_size, options, &vb.pp("layers").pp(i)))
            .collect::<Result<_>>()?;
        let mut to_rgb = Vec::new();
        for (level, &inputs) in widths.iter().enumerate() {
            let (shape, vb) =
                (ConvShape { kernel: 1, inputs, outputs: 3 }, vb.pp("rgb_converters").pp(level));
            let adds = residual && level > 0;
            let conv = if adds { Conv::silent(shape, &vb) } else { Conv::new(shape, compat, &vb) }?;
            to_rgb.push(conv.leaving(features));
        }
        Ok(Self {
            latent_size,
            code_size,
            residual,
            resample,
            compat,
            unfold,
            initial,
            initial_noise,
            blocks,
            to_rgb,
        })
    }

    /// The image of a level that has faded in, `(B, R, R, 3)`, from the features of all levels up to it.
    ///
    /// With residual levels `toRGB` is added to the doubled image of the level below, as in StyleGAN2's skip
    /// generator (arXiv:1912.04958, §4).
    fn image(&self, features: &[Tensor], level: usize) -> Result<Tensor> {
        let own = self.to_rgb[level].forward(&features[level])?;
        match self.residual && level > 0 {
            true => Ok(self.resample.double(&self.image(features, level - 1)?)?.add(&own)?),
            false => Ok(own),
        }
    }
}

impl Block {
    fn new(
        [inputs, outputs]: [usize; 2],
        code_size: usize,
        options: GeneratorOptions,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let GeneratorOptions { modulation, noise_inputs, residual, resample, compat } = options;
        let conv = |inputs, vb| Conv::rectified(ConvShape { kernel: 3, inputs, outputs }, compat, &vb);
        let modulation = |name: &str, channels: usize| {
            let shape = ConvShape { kernel: 1, inputs: code_size, outputs: 2 * channels };
            modulation.then(|| Conv::silent(shape, &vb.pp(name))).transpose()
        };
        let noise = |name: &str| noise_inputs.then(|| NoiseInput::new(outputs, &vb.pp(name))).transpose();
        let silent = || Conv::silent(ConvShape { kernel: 3, inputs: outputs, outputs }, &vb.pp("conv_2"));
        let conv_1 = conv(inputs, vb.pp("conv_1"))?.padded();
        Ok(Self {
            conv_1: if resample == Resample::Nearest { conv_1.upsampling() } else { conv_1 },
            conv_2: if residual { silent() } else { conv(outputs, vb.pp("conv_2")) }?.padded(),
            modulations: [
                modulation("modulation_1", if residual { inputs } else { outputs })?,
                modulation("modulation_2", outputs)?,
            ],
            noises: [noise("noise_1")?, noise("noise_2")?],
            skip: residual.then(|| Skip::new(inputs, outputs, &vb.pp("skip"))).transpose()?,
            resample,
        })
    }

    /// The first convolution, of the doubled input.
    fn doubled(&self, x: &Tensor) -> Result<Tensor> {
        match self.resample {
            Resample::Nearest => self.conv_1.forward(x),
            Resample::Smooth => self.conv_1.forward(&self.resample.double(x)?),
        }
    }

    /// `(B, H, W, C)` → `(B, 2H, 2W, C')`
    fn forward(&self, x: &Tensor, latent: &Tensor, maps: &mut NoiseMaps) -> Result<Tensor> {
        let normed = |x: Tensor, which: usize| -> Result<Tensor> {
            Ok(match &self.modulations[which] {
                Some(modulation) => modulated_pixel_norm(&x, &modulation.forward_vector(latent)?)?,
                None => pixel_norm(&x)?,
            })
        };
        let mut noised = |x: Tensor, which: usize| match &self.noises[which] {
            Some(noise) => noise.add(&x, maps),
            None => Ok(x),
        };
        if let Some(skip) = &self.skip {
            let y = noised(self.doubled(&normed(x.clone(), 0)?)?, 0)?;
            let y = noised(self.conv_2.forward(&normed(y, 1)?)?, 1)?;
            // Doubling commutes with a 1x1 convolution.
            return Ok(self.resample.double(&skip.forward(x)?)?.add(&y)?);
        }
        let x = normed(noised(self.doubled(x)?, 0)?, 0)?; // (B, 2H, 2W, C)
        normed(noised(self.conv_2.forward(&x)?, 1)?, 1)
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
        let mut features = vec![pixel_norm(&x)?];
        for (level, block) in self.blocks[..at.level].iter().enumerate() {
            features.push(block.forward(&features[level], &latent, &mut maps)?);
        }
        let new = self.image(&features, at.level)?; // (B, R, R, 3)
        // Doubling commutes with a 1x1 convolution, and is cheaper on 3 channels.
        let image = at.blend(new, || Ok(upsample2(&self.image(&features, at.level - 1)?)?))?;
        Ok(to_nchw(&image)?)
    }

    fn latent_size(&self) -> usize {
        self.latent_size
    }

    fn max_level(&self) -> usize {
        self.blocks.len()
    }
}

//! ProGAN's discriminator with the conditional end of T2F or of a projection discriminator.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_ops::{avg_pool2, minibatch_stddev, to_nhwc, widened};

use super::layers::{Compat, Conv, ConvShape, Skip};
use crate::discriminator::{Discriminator, DiscriminatorShape};
use crate::error::{Result, check_argument};
use crate::growth::Growth;

/// The place where the text enters the discriminator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// The compressed embedding is tiled over the 4x4 features, and three layers follow: T2F's.
    #[default]
    Concat,
    /// `score = linear(phi) + <phi, W·embedding> / √C` with `phi` the last features: an
    /// unconditional score plus a projection (Miyato and Koyama, arXiv:1802.05637). A second text
    /// for the same image costs almost nothing.
    Projection,
}

/// Variants of [`GrowingDiscriminator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscriminatorOptions {
    /// Size to which [`Head::Concat`] compresses the condition.
    pub compressed_size: usize,
    /// The largest number of images that minibatch stddev compares; 1 turns it off.
    pub stddev_group: usize,
    /// Where the text enters.
    pub head: Head,
    /// Whether a level above 4x4 adds to its pooled input.
    pub residual: bool,
    /// Another program whose layers are reproduced exactly.
    pub compat: Option<Compat>,
}

/// ProGAN's discriminator (appendix A of arXiv:1710.10196) with T2F's conditional end.
///
/// `fromRGB` with a leaky rectifier; per level two 3x3 convolutions and average pooling; at 4x4
/// minibatch stddev, a 3x3 convolution, and one of the ends that [`Head`] names. With
/// `compat = "t2f"` `fromRGB` is linear, and minibatch stddev is taken over the whole batch and
/// kept as a map.
///
/// With `residual` a level is `y = avg_pool(skip(x) + conv_2(conv_1(x)))` after R3GAN (arXiv:2501.05441, §3),
/// with a linear `conv_2` that starts at 0, and `skip` the identity or, where the numbers of channels differ, a
/// linear 1x1 convolution. The sum is not scaled by 1/√2: it starts with the variance of `x`. A new level
/// without a fade-in starts with a new `fromRGB`, so that its scores differ from those of the level below.
///
/// Parameters: `rgb_to_features.{level}`, `layers.{level-1}.conv_{1,2}`,
/// `final_block.{compressor,conv_1,conv_2,conv_3,conv_4}` (`final_block.projection` in place of
/// `compressor` and `conv_2` for the projection head), and, with `residual`, `layers.{level-1}.skip`, where the
/// numbers of channels differ.
#[derive(Debug)]
pub struct GrowingDiscriminator {
    compat: Option<Compat>,
    stddev_group: usize,
    from_rgb: Vec<Conv>,
    blocks: Vec<Block>,
    conv_1: Conv,
    end: End,
    conv_3: Conv,
    conv_4: Conv,
    channels: usize,
}

#[derive(Debug)]
struct Block {
    conv_1: Conv,
    conv_2: Conv,
    /// The skip path of a residual level.
    skip: Option<Skip>,
}

/// The layers in which the text enters.
#[derive(Debug)]
enum End {
    Concat { compressor: Conv, conv_2: Conv },
    Projection { projection: Conv },
}

impl GrowingDiscriminator {
    /// Builds all levels; those above the level in use take no part and get no gradient.
    ///
    /// With parameters from a frozen builder it scores with the same weights and gets no gradient,
    /// as the generator's step needs it.
    ///
    /// # Errors
    /// If there is no condition, or a parameter is missing.
    pub fn new(shape: &DiscriminatorShape, options: DiscriminatorOptions, vb: VarBuilder) -> Result<Self> {
        let &DiscriminatorShape { condition_size, channels: ref widths, features } = shape;
        check_argument(condition_size > 0, "size of the condition", condition_size, "at least 1")?;
        let DiscriminatorOptions { compressed_size, stddev_group, head, residual, compat } = options;
        let linear = |inputs, outputs, vb: VarBuilder| {
            Conv::new(ConvShape { kernel: 1, inputs, outputs }, compat, &vb)
        };
        let rectified = |kernel, inputs, outputs, vb: VarBuilder| {
            Conv::rectified(ConvShape { kernel, inputs, outputs }, compat, &vb)
        };
        let mut from_rgb = Vec::new();
        for (level, &width) in widths.iter().enumerate() {
            let vb = vb.pp("rgb_to_features").pp(level);
            let conv = if compat.is_some() { linear(3, width, vb) } else { rectified(1, 3, width, vb) }?;
            from_rgb.push(conv.entering(features));
        }
        let mut blocks = Vec::new();
        for (i, pair) in widths.windows(2).enumerate() {
            let vb = vb.pp("layers").pp(i);
            let (inputs, outputs) = (pair[1], pair[0]);
            let silent = || Conv::silent(ConvShape { kernel: 3, inputs, outputs }, &vb.pp("conv_2"));
            let last = if residual { silent() } else { rectified(3, inputs, outputs, vb.pp("conv_2")) };
            blocks.push(Block {
                conv_1: rectified(3, inputs, inputs, vb.pp("conv_1"))?.padded(),
                conv_2: last?.padded(),
                skip: residual.then(|| Skip::new(inputs, outputs, &vb.pp("skip"))).transpose()?,
            });
        }
        let (c, last) = (widths[0], vb.pp("final_block"));
        let end = match head {
            Head::Concat => End::Concat {
                compressor: linear(condition_size, compressed_size, last.pp("compressor"))?,
                conv_2: rectified(1, c + compressed_size, c, last.pp("conv_2"))?,
            },
            Head::Projection => {
                End::Projection { projection: linear(condition_size, c, last.pp("projection"))? }
            }
        };
        let conv_1 = rectified(3, c + 1, c, last.pp("conv_1"))?.padded();
        let conv_3 = rectified(4, c, c, last.pp("conv_3"))?;
        // The last layer of `features`.
        let (conv_1, conv_3) = match head {
            Head::Concat => (conv_1.leaving(features), conv_3),
            Head::Projection => (conv_1, conv_3.leaving(features)),
        };
        Ok(Self {
            compat,
            stddev_group,
            from_rgb,
            blocks,
            conv_1,
            end,
            conv_3,
            conv_4: linear(c, 1, last.pp("conv_4"))?,
            channels: c,
        })
    }

    /// The 4x4 features with the deviation of the minibatch as one more channel.
    fn with_stddev(&self, x: &Tensor) -> Result<Tensor> {
        let batch = x.dim(0)?;
        Ok(match self.compat {
            None => minibatch_stddev(x, stddev_group(batch, self.stddev_group))?,
            Some(Compat::T2f) => stddev_map(x)?,
        })
    }
}

impl Block {
    /// `(B, 2H, 2W, C)` → `(B, H, W, C')`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv_2.forward(&self.conv_1.forward(x)?)?;
        Ok(avg_pool2(&match &self.skip {
            Some(skip) => skip.forward(x)?.add(&y)?,
            None => y,
        })?)
    }
}

impl Discriminator for GrowingDiscriminator {
    fn features(&self, images: &Tensor, at: Growth) -> Result<Tensor> {
        at.check(self.blocks.len())?;
        let (_, _, height, width) = images.dims4()?;
        let r = at.resolution();
        check_argument(height == r && width == r, "image size", format_args!("{height}x{width}"), r)?;
        let images = to_nhwc(images)?;
        let mut x = self.from_rgb[at.level].forward(&images)?;
        if let Some((newest, older)) = self.blocks[..at.level].split_last() {
            let old = || self.from_rgb[at.level - 1].forward(&avg_pool2(&images)?);
            x = at.blend(newest.forward(&x)?, old)?;
            for block in older.iter().rev() {
                x = block.forward(&x)?;
            }
        }
        let x = self.conv_1.forward(&self.with_stddev(&x)?)?; // (B, 4, 4, C)
        match self.end {
            End::Concat { .. } => Ok(x),
            End::Projection { .. } => self.conv_3.forward(&x), // (B, 1, 1, C)
        }
    }

    fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let (b, h, w, c) = features.dims4()?;
        let score = match &self.end {
            End::Concat { compressor, conv_2 } => {
                let text = compressor.forward_vector(condition)?; // (B, compressed)
                let size = text.dim(1)?;
                let text = text.reshape((b, 1, 1, size))?.broadcast_as((b, h, w, size))?;
                let both = Tensor::cat(&[features, &text.contiguous()?], 3)?;
                self.conv_4.forward(&self.conv_3.forward(&conv_2.forward(&both)?)?)?
            }
            End::Projection { projection } => {
                let text = projection.forward_vector(condition)?.reshape((b, 1, 1, c))?;
                let fit = features.mul(&text)?.sum_keepdim(3)?.affine(1.0 / (c as f64).sqrt(), 0.0)?;
                self.conv_4.forward(features)?.add(&fit)?
            }
        };
        Ok(score.reshape(b)?)
    }

    fn feature_channels(&self) -> usize {
        self.channels
    }
}

/// The largest group size up to `wanted` that divides the batch: groups of unequal size have no
/// common deviation. A prime batch above `wanted` has groups of 1, whose deviation is 0.
fn stddev_group(batch: usize, wanted: usize) -> usize {
    (1..=wanted.min(batch)).rev().find(|&group| batch.is_multiple_of(group)).unwrap_or(1)
}

/// T2F's minibatch stddev: over the whole batch, averaged over channels only, so that every pixel
/// keeps its own deviation. `(B, H, W, C)` → `(B, H, W, C + 1)`.
fn stddev_map(x: &Tensor) -> candle_core::Result<Tensor> {
    let (b, h, w, _) = x.dims4()?;
    let wide = widened(x)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(0)?)?;
    let deviation = centred.sqr()?.mean_keepdim(0)?.affine(1.0, 1e-8)?.sqrt()?; // (1, H, W, C)
    let map = deviation.mean_keepdim(3)?.broadcast_as((b, h, w, 1))?;
    Tensor::cat(&[x, &map.contiguous()?.to_dtype(x.dtype())?], 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn stddev_groups_divide_the_batch() {
        for (batch, wanted, group) in [(8, 4, 4), (6, 4, 3), (2, 4, 2), (7, 4, 1), (1, 4, 1), (16, 16, 16)] {
            assert_eq!(stddev_group(batch, wanted), group, "batch {batch}, wanted {wanted}");
        }
    }

    /// Two images of 1x2 pixels and 2 channels: at the first pixel values differ by 2 and 4
    /// (deviations 1 and 2, mean 1.5), at the second by 0.
    #[test]
    fn t2f_keeps_a_deviation_for_each_pixel() -> Result<()> {
        let x = Tensor::new(&[0f64, 0., 5., 5., 2., 4., 5., 5.], &Device::Cpu)?.reshape((2, 1, 2, 2))?;
        let y = stddev_map(&x)?;
        assert_eq!(y.dims(), [2, 1, 2, 3]);
        let last = y.narrow(3, 2, 1)?.flatten_all()?.to_vec1::<f64>()?;
        for (got, want) in last.iter().zip([1.5, 1e-4, 1.5, 1e-4]) {
            assert!((got - want).abs() < 1e-6, "{last:?}");
        }
        Ok(())
    }
}

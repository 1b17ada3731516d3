//! The discriminator: how real an image looks, and how well it fits a text.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use t2f_ops::norm::minibatch_stddev;
use t2f_ops::resample::{avg_pool2, to_nhwc};

use crate::attributes::Attributes;
use crate::config::{Compat, GanConfig, Head};
use crate::contrast::Contrast;
use crate::error::{Result, check};
use crate::growth::Growth;
use crate::layers::{Conv, ConvShape};
use crate::loss::{Condition, LossTerms};

/// Scores images under texts, in two parts, so that one pass over an image serves several texts.
pub trait Discriminator: Send + Sync {
    /// Everything that does not see the text, minibatch statistics included.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`; result: `(B, …)`, only meant for
    /// [`score`](Self::score).
    ///
    /// # Errors
    /// If `at` is out of range, or the images are not of its resolution.
    fn features(&self, images: &Tensor, at: Growth) -> Result<Tensor>;

    /// One score for each image under its text: higher is more real and fits better; unbounded.
    ///
    /// # Shapes
    /// `features`: as [`features`](Self::features) returned them, `condition`: `(B, E + P)`, see
    /// [`Condition::condition`]; result: `(B)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor>;

    /// The discriminator's losses of heads beside the score, already weighted. None by default.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`, from the data; `features`: as [`features`](Self::features) returned
    /// them.
    ///
    /// # Errors
    /// If a shape does not fit.
    fn heads_on_real(
        &self,
        _images: &Tensor,
        _features: &Tensor,
        _texts: &Condition<'_>,
    ) -> Result<LossTerms> {
        Ok(LossTerms::default())
    }

    /// The generator's losses of those heads. None by default.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`, from the generator; `features`: theirs; `real`: images of the data
    /// under the same texts, where there are any.
    ///
    /// # Errors
    /// If a shape does not fit, or real images are needed and missing.
    fn heads_on_fake(
        &self,
        _images: &Tensor,
        _features: &Tensor,
        _real: Option<&Tensor>,
        _texts: &Condition<'_>,
    ) -> Result<LossTerms> {
        Ok(LossTerms::default())
    }

    /// Both parts at once.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`, `condition`: `(B, E + P)`; result: `(B)`.
    ///
    /// # Errors
    /// Those of the parts.
    fn forward(&self, images: &Tensor, condition: &Tensor, at: Growth) -> Result<Tensor> {
        self.score(&self.features(images, at)?, condition)
    }
}

/// ProGAN's discriminator (appendix A of arXiv:1710.10196) with T2F's conditional end.
///
/// `fromRGB` with a leaky rectifier; per level two 3x3 convolutions and average pooling; at 4x4
/// minibatch stddev, a 3x3 convolution, and one of the ends that [`Head`] names. With
/// `compat = "t2f"` `fromRGB` is linear, and minibatch stddev is taken over the whole batch and
/// kept as a map.
///
/// Parameters: `rgb_to_features.{level}`, `layers.{level-1}.conv_{1,2}`,
/// `final_block.{compressor,conv_1,conv_2,conv_3,conv_4}` (`final_block.projection` in place of
/// `compressor` and `conv_2` for the projection head), and, with a contrastive head,
/// `contrast.{image,text}`, with attribute heads `attributes.{image,text}`
/// and `attributes.reader`.
pub struct GrowingDiscriminator {
    compat: Option<Compat>,
    stddev_group: usize,
    from_rgb: Vec<Conv>,
    blocks: Vec<Block>,
    conv_1: Conv,
    end: End,
    conv_3: Conv,
    conv_4: Conv,
    contrast: Option<Contrast>,
    attributes: Option<Attributes>,
}

struct Block {
    conv_1: Conv,
    conv_2: Conv,
}

/// Where the text comes in.
enum End {
    Concat { compressor: Conv, conv_2: Conv },
    Projection { projection: Conv },
}

impl GrowingDiscriminator {
    /// Builds all levels; those above the level in use take no part and get no gradient.
    /// `attributes` are the numbers of values of the data's attributes, if it knows any.
    ///
    /// # Errors
    /// If the configuration is not valid or a parameter cannot be had.
    pub fn new(
        config: &GanConfig,
        embedding_size: usize,
        attributes: &[usize],
        vb: VarBuilder,
    ) -> Result<Self> {
        check(embedding_size > 0, "embedding_size", embedding_size, "at least 1")?;
        let widths = config.checked_channels()?;
        let compat = config.compat;
        let linear = |inputs, outputs, vb: VarBuilder| {
            Conv::new(ConvShape { kernel: 1, inputs, outputs }, compat, &vb)
        };
        let rectified = |kernel, inputs, outputs, vb: VarBuilder| {
            Conv::rectified(ConvShape { kernel, inputs, outputs }, compat, &vb)
        };
        let mut from_rgb = Vec::new();
        for (level, &width) in widths.iter().enumerate() {
            let vb = vb.pp("rgb_to_features").pp(level);
            from_rgb.push(if compat.is_some() { linear(3, width, vb) } else { rectified(1, 3, width, vb) }?);
        }
        let mut blocks = Vec::new();
        for (i, pair) in widths.windows(2).enumerate() {
            let vb = vb.pp("layers").pp(i);
            blocks.push(Block {
                conv_1: rectified(3, pair[1], pair[1], vb.pp("conv_1"))?.padded(),
                conv_2: rectified(3, pair[1], pair[0], vb.pp("conv_2"))?.padded(),
            });
        }
        let (c, last) = (widths[0], vb.pp("final_block"));
        let condition_size = embedding_size + config.attributes.plan_size(attributes);
        let end = match config.head {
            Head::Concat => End::Concat {
                compressor: linear(condition_size, config.compressed_size, last.pp("compressor"))?,
                conv_2: rectified(1, c + config.compressed_size, c, last.pp("conv_2"))?,
            },
            Head::Projection => {
                End::Projection { projection: linear(condition_size, c, last.pp("projection"))? }
            }
        };
        Ok(Self {
            compat,
            stddev_group: config.stddev_group,
            from_rgb,
            blocks,
            conv_1: rectified(3, c + 1, c, last.pp("conv_1"))?.padded(),
            end,
            conv_3: rectified(4, c, c, last.pp("conv_3"))?,
            conv_4: linear(c, 1, last.pp("conv_4"))?,
            contrast: Contrast::new(config.contrast, c, embedding_size, compat, &vb.pp("contrast"))?,
            attributes: Attributes::new(
                &config.attributes,
                attributes,
                c,
                embedding_size,
                &vb.pp("attributes"),
            )?,
        })
    }

    /// Which text of the batch an image belongs to, where there is a contrastive head.
    fn contrast(&self, features: &Tensor, texts: &Condition<'_>) -> Result<LossTerms> {
        let mut parts = LossTerms::default();
        if let Some(head) = &self.contrast {
            parts.push("contrast", head.loss(features, texts.embedding, texts.others)?);
        }
        Ok(parts)
    }

    /// The 4x4 features with what the minibatch says of them as one channel more.
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
        Ok(avg_pool2(&self.conv_2.forward(&self.conv_1.forward(x)?)?)?)
    }
}

impl Discriminator for GrowingDiscriminator {
    fn features(&self, images: &Tensor, at: Growth) -> Result<Tensor> {
        at.check(self.blocks.len())?;
        let (_, _, height, width) = images.dims4()?;
        let r = at.resolution();
        check(height == r && width == r, "image size", format_args!("{height}x{width}"), r)?;
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

    fn heads_on_real(&self, images: &Tensor, features: &Tensor, texts: &Condition<'_>) -> Result<LossTerms> {
        let mut parts = self.contrast(features, texts)?;
        if let (Some(head), Some(labels)) = (&self.attributes, texts.labels) {
            parts.extend(head.of_real(images, features, texts.embedding, labels)?);
        }
        Ok(parts)
    }

    fn heads_on_fake(
        &self,
        images: &Tensor,
        features: &Tensor,
        real: Option<&Tensor>,
        texts: &Condition<'_>,
    ) -> Result<LossTerms> {
        let mut parts = self.contrast(features, texts)?;
        if let (Some(head), Some(labels)) = (&self.attributes, texts.labels) {
            parts.extend(head.of_fake(images, features, real, labels)?);
        }
        Ok(parts)
    }
}

/// The largest group size up to `wanted` that divides the batch: groups of unequal size have no
/// common deviation. A prime batch above `wanted` is left with groups of 1, which say nothing.
fn stddev_group(batch: usize, wanted: usize) -> usize {
    (1..=wanted.min(batch)).rev().find(|&group| batch.is_multiple_of(group)).unwrap_or(1)
}

/// T2F's minibatch stddev: over the whole batch, averaged over channels only, so that every pixel
/// keeps its own deviation. `(B, H, W, C)` → `(B, H, W, C + 1)`.
fn stddev_map(x: &Tensor) -> candle_core::Result<Tensor> {
    let (b, h, w, _) = x.dims4()?;
    let centred = x.broadcast_sub(&x.mean_keepdim(0)?)?;
    let deviation = centred.sqr()?.mean_keepdim(0)?.affine(1.0, 1e-8)?.sqrt()?; // (1, H, W, C)
    let map = deviation.mean_keepdim(3)?.broadcast_as((b, h, w, 1))?;
    Tensor::cat(&[x, &map.contiguous()?], 3)
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

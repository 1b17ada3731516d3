//! A small convolutional encoder of images, shared by the attribute classifier, the latent encoder and
//! the oracle. A network of its own learns a task sooner than a head on the discriminator's features, at
//! a fraction of the cost (a classifier beside the discriminator: Lee and Seok, arXiv:1708.00598).

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use t2f_ops::{ConvOptions, avg_pool2, conv2d, to_nhwc, upsample2};

use crate::error::{Result, check, check_argument};

const SLOPE: f64 = 0.2;
/// The side of the last feature map.
const LAST_SIDE: usize = 4;
/// Stages that lead from 1024 pixels to the last feature map.
const MOST_STAGES: usize = 8;

/// Stages that halve the sides by concatenating the channels of 2x2 pixels, so that small details reach
/// a convolution before they are averaged.
#[derive(Debug)]
pub struct ImageEncoder {
    stages: Vec<Vec<(Tensor, Tensor)>>,
    side: usize,
    outputs: usize,
}

impl ImageEncoder {
    /// An error that names `option` unless these are channels of an encoder.
    pub(crate) fn check(option: &str, channels: &[usize]) -> Result<()> {
        check(
            (1..=MOST_STAGES).contains(&channels.len()) && channels.iter().all(|&c| c > 0),
            option,
            format_args!("{channels:?}"),
            format_args!("1 to {MOST_STAGES} numbers, each above 0"),
        )
    }

    /// A stage for each number of `channels`. Asks `vb` for `<stage>.{mix,see}.{weight,bias}`; the last
    /// stage has no `see`.
    ///
    /// # Errors
    /// If there is no stage or more than eight, a number is 0, or a parameter is missing.
    pub fn new(channels: &[usize], vb: &VarBuilder) -> Result<Self> {
        Self::check("channels of an image encoder", channels)?;
        let conv = |vb: VarBuilder, kernel: usize, inputs: usize, outputs: usize| -> Result<_> {
            let stdev = (2.0 / (kernel * kernel * inputs) as f64).sqrt();
            let init = Init::Randn { mean: 0.0, stdev };
            let weight = vb.get_with_hints((kernel, kernel, inputs, outputs), "weight", init)?;
            Ok((weight, vb.get_with_hints(outputs, "bias", Init::Const(0.0))?))
        };
        let (mut stages, mut inputs) = (Vec::new(), 3);
        for (index, &outputs) in channels.iter().enumerate() {
            let vb = vb.pp(index);
            let mut stage = vec![conv(vb.pp("mix"), if index == 0 { 3 } else { 1 }, 4 * inputs, outputs)?];
            if index + 1 < channels.len() {
                stage.push(conv(vb.pp("see"), 3, outputs, outputs)?);
            }
            stages.push(stage);
            inputs = outputs;
        }
        Ok(Self { stages, side: Self::side(channels), outputs: LAST_SIDE * LAST_SIDE * inputs })
    }

    /// The side of the input of so many stages, in pixels.
    pub fn side(channels: &[usize]) -> usize {
        LAST_SIDE << channels.len().min(usize::BITS as usize / 2)
    }

    /// F, the number of features of an image.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The features of images. Larger images are halved to the encoder's side, smaller ones doubled.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`, R a power of two; result: `(B, F)`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = images.dims4()?;
        check_argument(
            height == width && height.is_power_of_two(),
            "image size",
            format_args!("{height}x{width}"),
            "a square with a power of two as its side",
        )?;
        let mut x = to_nhwc(images)?;
        while x.dim(1)? < self.side {
            x = upsample2(&x)?;
        }
        while x.dim(1)? > self.side {
            x = avg_pool2(&x)?;
        }
        for stage in &self.stages {
            let (batch, height, width, channels) = x.dims4()?;
            let pairs = x.reshape((batch, height / 2, 2, width / 2, 2, channels))?;
            x = pairs.permute((0, 1, 3, 2, 4, 5))?.contiguous()?;
            x = x.reshape((batch, height / 2, width / 2, 4 * channels))?;
            for (weight, bias) in stage {
                let padding = weight.dim(0)? / 2;
                let options = ConvOptions { padding, slope: Some(SLOPE), ..ConvOptions::default() };
                x = conv2d(&x, weight, Some(bias), options)?;
            }
        }
        Ok(x.flatten_from(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use t2f_ops::init::Parameters;
    use t2f_ops::rng::Key;

    #[test]
    fn any_power_of_two_is_accepted_and_nothing_else() -> Result<()> {
        let parameters = Parameters::drawn(Key::new(1));
        let encoder = ImageEncoder::new(&[4], &parameters.builder(DType::F32, &Device::Cpu))?;
        let features = |height, width| {
            let images = Tensor::zeros((2, 3, height, width), DType::F32, &Device::Cpu)?;
            encoder.features(&images)
        };
        for side in [1, 4, 8, 32] {
            assert_eq!(features(side, side)?.dims(), [2, encoder.outputs()]);
        }
        for (height, width) in [(6, 6), (8, 16), (0, 0)] {
            let message = features(height, width).unwrap_err().to_string();
            assert!(message.contains(&format!("image size is {height}x{width}")), "{message}");
        }
        Ok(())
    }
}

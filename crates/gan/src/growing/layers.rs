//! The layers of both networks: a convolution with equalized learning rate, and its two forms at
//! the borders between vectors and feature maps.

use candle_core::{DType, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::{ConvOptions, conv2d};

use crate::error::Result;

/// A program whose layers are reproduced exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Compat {
    /// akanimax/T2F with pro-gan-pth 1.3.3: gain 1, two biases a layer, linear `fromRGB`, no pixel
    /// norm on the latent and the first layer, minibatch stddev of the whole batch as a map.
    T2f,
}

/// Slope of the leaky rectifier below zero, ProGAN appendix A.
const SLOPE: f64 = 0.2;

/// The size of a convolution's kernel and of a pixel on both sides of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    pub kernel: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// A convolution with weights from N(0, 1) and scaled to `gain / sqrt(fan_in)` at run
/// time: the equalized learning rate of ProGAN §4.1. The gain is √2 before a leaky rectifier and 1
/// where the result is linear.
///
/// T2F scales every layer by `1 / sqrt(fan_in)`, and its layers hold two biases each (its own, and
/// that of the torch layer it wraps, as `conv_bias` here), which are summed.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor, // (K, K, I, O)
    bias: Tensor,   // (O)
    conv_bias: Option<Tensor>,
    options: ConvOptions,
}

impl Conv {
    /// A linear convolution without padding.
    pub fn new(shape: ConvShape, compat: Option<Compat>, vb: &VarBuilder) -> Result<Self> {
        let mut conv = Self::with_weights(shape, NORMAL, vb)?;
        if compat == Some(Compat::T2f) {
            let bound = conv.options.scale; // 1 / sqrt(fan_in), torch's default for a bias
            conv.conv_bias = Some(vb.get_with_hints(
                shape.outputs,
                "conv_bias",
                Init::Uniform { lo: -bound, up: bound },
            )?);
        }
        Ok(conv)
    }

    /// A linear convolution of initial weights 0, with the initial result 0.
    pub fn silent(shape: ConvShape, vb: &VarBuilder) -> Result<Self> {
        Self::with_weights(shape, Init::Const(0.0), vb)
    }

    fn with_weights(shape: ConvShape, init: Init, vb: &VarBuilder) -> Result<Self> {
        let ConvShape { kernel, inputs, outputs } = shape;
        let fan_in = (kernel * kernel * inputs) as f64;
        Ok(Self {
            weight: vb.get_with_hints((kernel, kernel, inputs, outputs), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            conv_bias: None,
            options: ConvOptions { scale: 1.0 / fan_in.sqrt(), ..ConvOptions::default() },
        })
    }

    /// A convolution followed by the leaky rectifier.
    pub fn rectified(shape: ConvShape, compat: Option<Compat>, vb: &VarBuilder) -> Result<Self> {
        let mut conv = Self::new(shape, compat, vb)?;
        conv.options.slope = Some(SLOPE);
        conv.options.scale *= rectifier_gain(compat);
        Ok(conv)
    }

    /// The same with zeros around the picture, so that a 3x3 kernel keeps its size.
    pub fn padded(mut self) -> Self {
        self.options.padding = 1;
        self
    }

    /// The same on the input doubled in size.
    pub fn upsampling(mut self) -> Self {
        self.options.upsample = true;
        self
    }

    /// The same from the parameters' type to feature maps of type `features`.
    pub fn entering(mut self, features: DType) -> Self {
        self.options.dtype = entered(features);
        self
    }

    /// The same from feature maps of type `features` to the parameters' type.
    pub fn leaving(mut self, features: DType) -> Self {
        self.options.dtype = entered(features).map(|_| DType::F32);
        self
    }

    /// `(B, H, W, I)` → `(B, H', W', O)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = match &self.conv_bias {
            None => self.bias.clone(),
            Some(second) => self.bias.add(second)?,
        };
        Ok(conv2d(x, &self.weight, Some(&bias), self.options)?)
    }

    /// `(B, I)` → `(B, O)`, for a kernel of one pixel.
    pub fn forward_vector(&self, x: &Tensor) -> Result<Tensor> {
        let (b, inputs) = x.dims2()?;
        Ok(self.forward(&x.reshape((b, 1, 1, inputs))?)?.flatten_from(1)?)
    }
}

/// The skip path of a residual level: a linear 1x1 convolution where the numbers of channels differ, else
/// the identity.
#[derive(Debug)]
pub(crate) struct Skip(Option<Conv>);

impl Skip {
    pub fn new(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let shape = ConvShape { kernel: 1, inputs, outputs };
        Ok(Self((inputs != outputs).then(|| Conv::new(shape, None, vb)).transpose()?))
    }

    /// `(B, H, W, I)` → `(B, H, W, O)`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Some(conv) => conv.forward(x),
            None => Ok(x.clone()),
        }
    }
}

/// The first layer of the generator: a vector becomes a picture of 4x4 pixels.
///
/// A transposed 4x4 convolution of one pixel is a matrix product, and is stored as one, of shape
/// `(1, 1, I, 4·4·O)` with columns in (row, column, channel) order. The scale counts each input 16
/// times, `√2 / sqrt(16·I)`, which is ProGAN's "gain √2/4"; T2F's counts the outputs instead,
/// `1 / sqrt(16·O)`.
#[derive(Debug)]
pub(crate) struct Unfold {
    weight: Tensor, // (1, 1, I, 16·O)
    bias: Tensor,   // (O)
    options: ConvOptions,
}

impl Unfold {
    pub fn new(
        [inputs, outputs]: [usize; 2],
        compat: Option<Compat>,
        features: DType,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let fan = 16 * if compat.is_some() { outputs } else { inputs };
        let scale = rectifier_gain(compat) / (fan as f64).sqrt();
        Ok(Self {
            weight: vb.get_with_hints((1, 1, inputs, 16 * outputs), "weight", NORMAL)?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            options: ConvOptions {
                scale,
                slope: Some(SLOPE),
                dtype: entered(features),
                ..ConvOptions::default()
            },
        })
    }

    /// `(B, I)` → `(B, 4, 4, O)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, inputs) = x.dims2()?;
        let outputs = self.bias.dim(0)?;
        let bias = self.bias.broadcast_as((16, outputs))?.reshape(16 * outputs)?;
        let y = conv2d(&x.reshape((b, 1, 1, inputs))?, &self.weight, Some(&bias), self.options)?;
        Ok(y.reshape((b, 4, 4, outputs))?)
    }
}

/// The type to which a layer before the feature maps converts, if it is another than the parameters'.
pub(super) fn entered(features: DType) -> Option<DType> {
    (features == DType::BF16).then_some(features)
}

const NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

fn rectifier_gain(compat: Option<Compat>) -> f64 {
    match compat {
        None => std::f64::consts::SQRT_2,
        Some(Compat::T2f) => 1.0,
    }
}

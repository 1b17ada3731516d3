//! The options of a convolution.

use candle_core::DType;

/// The options of [`conv2d`](crate::conv2d).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvOptions {
    /// Rows and columns of zeros on each side of the image: 1 keeps the size for a 3x3 kernel, 0 for
    /// a 1x1 kernel.
    pub padding: usize,
    /// The factor of the weights, `scale · w`: the equalized learning rate of ProGAN §4.1
    /// (arXiv:1710.10196).
    pub scale: f64,
    /// Whether the input is first upsampled by 2 (nearest neighbour).
    pub upsample: bool,
    /// The slope of the leaky rectifier after the bias, in `[0, 1)`; without one the result is linear.
    pub slope: Option<f64>,
    /// The element type of the result; that of the input without one.
    pub dtype: Option<DType>,
}

impl Default for ConvOptions {
    /// No padding, no scaling, no upsampling, linear, the type of the input.
    fn default() -> Self {
        Self { padding: 0, scale: 1.0, upsample: false, slope: None, dtype: None }
    }
}

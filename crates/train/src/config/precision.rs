//! The element type of feature maps.

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

/// The element type of the feature maps and of the products' operands in both networks, `precision`.
///
/// Parameters, optimisers, averages, sums, norms, images, scores and losses are `f32` in any case, and so is
/// the generator of the moving average, which makes the samples, the metrics and the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// `f32`
    #[default]
    Fp32,
    /// `f32`, with the operands of products rounded to 10 bits of precision on an NVIDIA GPU; elsewhere as `fp32`.
    Tf32,
    /// `bf16`: 8 bits of precision, the range of `f32`.
    Bf16,
    /// `bf16` on a processor with AMX, else `fp32`. A run records which.
    Auto,
}

impl Precision {
    /// The same, with `auto` decided for a device.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        match self {
            Self::Auto if device.is_cpu() && t2f_ops::has_fast_bf16() => Self::Bf16,
            Self::Auto => Self::Fp32,
            decided => decided,
        }
    }

    /// The element type of feature maps on a device.
    pub fn dtype(self, device: &Device) -> DType {
        match self.on(device) {
            Self::Bf16 => DType::BF16,
            Self::Fp32 | Self::Tf32 | Self::Auto => DType::F32,
        }
    }

    /// Sets what it means for the whole process: whether GPUs may round the operands of products of `f32`.
    pub fn apply(self) {
        t2f_ops::allow_tf32(self == Self::Tf32);
    }
}

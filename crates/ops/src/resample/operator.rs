//! Average pooling and upsampling in candle's graph. Each is the adjoint of the other, up to a factor.

use candle_core::{CpuStorage, Result, Tensor};

use super::kernel;
use crate::cpu::Level;
use crate::cuda::Launch;
use crate::graph::{Elements, Operator, apply, of_one_type};

/// Average pooling over 2x2 pixels of images with even sides.
pub(crate) fn avg_pool2(x: &Tensor) -> Result<Tensor> {
    sum2(x, 0.25)
}

/// Nearest-neighbour upsampling by 2.
pub(crate) fn upsample2(x: &Tensor) -> Result<Tensor> {
    repeat2(x, 1.0)
}

/// The sum of 2x2 pixels, times a factor.
struct Sum2 {
    /// The width of the input.
    width: usize,
    channels: usize,
    factor: f32,
}

fn sum2(x: &Tensor, factor: f32) -> Result<Tensor> {
    let (b, h, width, channels) = x.dims4()?;
    apply(Sum2 { width, channels, factor }, (b, h / 2, width / 2, channels), [x])
}

impl Operator<1> for Sum2 {
    const NAME: &'static str = "avg-pool2";

    fn forward(&self, [x]: [Elements; 1]) -> Result<CpuStorage> {
        let &Self { width, channels, factor } = self;
        match x {
            Elements::F32(x) => {
                Ok(CpuStorage::F32(kernel::sum2(Level::detect(), x, width, channels, factor)))
            }
            Elements::Bf16(x) => {
                Ok(CpuStorage::BF16(kernel::sum2(Level::detect(), x, width, channels, factor)))
            }
        }
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("sum2", [self.factor], [self.width, self.channels]))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(repeat2(g, self.factor)?)])
    }
}

/// Each pixel repeated as 2x2 pixels, times a factor: the adjoint of [`Sum2`].
struct Repeat2 {
    /// The width of the input.
    width: usize,
    channels: usize,
    factor: f32,
}

fn repeat2(x: &Tensor, factor: f32) -> Result<Tensor> {
    let (b, h, width, channels) = x.dims4()?;
    apply(Repeat2 { width, channels, factor }, (b, 2 * h, 2 * width, channels), [x])
}

impl Operator<1> for Repeat2 {
    const NAME: &'static str = "upsample2";

    fn forward(&self, [x]: [Elements; 1]) -> Result<CpuStorage> {
        of_one_type!(x => kernel::repeat2(x, self.width, self.channels, self.factor))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("repeat2", [self.factor], [self.width, self.channels]))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(sum2(g, self.factor)?)])
    }
}

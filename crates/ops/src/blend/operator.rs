//! The linear combination of two tensors in candle's graph.

use candle_core::{CpuStorage, Result, Tensor};

use super::kernel;
use crate::cpu::{Level, elementwise};
use crate::cuda::Launch;
use crate::graph::{Elements, Operator, apply, of_one_type};

/// [`super::fade`] of tensors of one shape that [`crate::graph::accepts`].
pub(crate) fn fade(new: &Tensor, old: &Tensor, alpha: f64) -> Result<Tensor> {
    apply(LinearCombination(alpha as f32, (1.0 - alpha) as f32), new.shape(), [new, old])
}

/// `p·a + q·b`.
struct LinearCombination(f32, f32);

impl Operator<2> for LinearCombination {
    const NAME: &'static str = "fade";

    fn forward(&self, [a, b]: [Elements; 2]) -> Result<CpuStorage> {
        of_one_type!(a, b => elementwise::linear_combination(Level::detect(), (self.0, a), (self.1, b)))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("linear_combination", [self.0, self.1], []))
    }

    fn backward(
        &self,
        _: [&Tensor; 2],
        _: &Tensor,
        g: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let scaled = |factor, wanted: bool| wanted.then(|| apply(Scale(factor), g.shape(), [g])).transpose();
        Ok([scaled(self.0, wanted[0])?, scaled(self.1, wanted[1])?])
    }
}

/// `p·x`.
struct Scale(f32);

impl Operator<1> for Scale {
    const NAME: &'static str = "scale";

    fn forward(&self, [x]: [Elements; 1]) -> Result<CpuStorage> {
        of_one_type!(x => kernel::scale(x, self.0))
    }

    fn launch(&self) -> Option<Launch> {
        Some(Launch::elementwise("scale", [self.0], []))
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, g: &Tensor, _: [bool; 1]) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(apply(Scale(self.0), g.shape(), [g])?)])
    }
}

//! Minibatch standard deviation in candle's graph.

use candle_core::{Result, Tensor};

use super::kernel;
use crate::cpu::Level;
use crate::graph::{Operator, apply, records, with_values};

/// [`super::minibatch_stddev`] of a tensor that [`crate::graph::accepts`] and a group that fits.
pub(crate) fn minibatch_stddev(x: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, channels) = x.dims4()?;
    apply(MinibatchStddev { group, pixels: h * w, channels }, (b, h, w, channels + 1), [x])
}

/// `x` with the mean deviation of each group as an additional channel.
struct MinibatchStddev {
    group: usize,
    pixels: usize,
    channels: usize,
}

impl Operator<1> for MinibatchStddev {
    const NAME: &'static str = "minibatch-stddev";

    fn forward(&self, [x]: [&[f32]; 1]) -> Result<Vec<f32>> {
        Ok(kernel::forward(Level::detect(), x, self.group, self.pixels, self.channels))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        g: &Tensor,
        _: [bool; 1],
    ) -> Result<[Option<Tensor>; 1]> {
        let &Self { group, pixels, channels } = self;
        if records() {
            return Ok([Some(differentiable_gradient(x, g, group)?)]);
        }
        let dx =
            with_values([x, g], |[x, g]| kernel::gradient(Level::detect(), x, g, group, pixels, channels))?;
        Ok([Some(Tensor::from_vec(dx, x.shape(), x.device())?)])
    }
}

/// The gradient `g + Σ g_last / (F·G) · (x - mean) / deviation` for F features of G images, composed
/// of candle's operators.
fn differentiable_gradient(x: &Tensor, g: &Tensor, group: usize) -> Result<Tensor> {
    let (b, h, w, channels) = x.dims4()?;
    let (groups, features) = (b / group, h * w * channels);
    let x = x.reshape((groups, group, features))?;
    let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
    let deviation = centred.sqr()?.mean_keepdim(1)?.affine(1.0, 1e-8)?.sqrt()?; // (B / G, 1, F)
    let all = g.narrow(3, channels, 1)?.contiguous()?.reshape((groups, group * h * w))?.sum_keepdim(1)?;
    let share = all.affine(1.0 / (group * features) as f64, 0.0)?.reshape((groups, 1, 1))?;
    let through = centred.broadcast_div(&deviation)?.broadcast_mul(&share)?;
    g.narrow(3, 0, channels)?.contiguous()?.add(&through.reshape((b, h, w, channels))?)
}

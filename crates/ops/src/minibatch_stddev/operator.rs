//! Minibatch standard deviation in candle's graph.

use candle_core::{CpuStorage, Result, Tensor};

use super::kernel;
use crate::cpu::Level;
use crate::graph::{Elements, Operator, apply, from_storage, in_type, records, widened, with_elements};

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

    fn forward(&self, [x]: [Elements; 1]) -> Result<CpuStorage> {
        let dtype = x.dtype();
        let y = x.with_wide(|x| kernel::forward(Level::detect(), x, self.group, self.pixels, self.channels));
        Ok(in_type(y, dtype))
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
            let dx = differentiable_gradient(&widened(x)?, &widened(g)?, group)?;
            return Ok([Some(dx.to_dtype(x.dtype())?)]);
        }
        let dtype = x.dtype();
        let dx = with_elements([x, g], |[x, g]| {
            x.with_wide(|x| g.with_wide(|g| kernel::gradient(Level::detect(), x, g, group, pixels, channels)))
        })?;
        Ok([Some(from_storage(in_type(dx, dtype), x.shape())?)])
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

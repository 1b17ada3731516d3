//! The fade-in of a new resolution.

mod kernel;
mod operator;

use candle_core::{Result, Tensor};

use crate::cuda;
use crate::graph::accepts;

/// Linear blend `alpha·new + (1 - alpha)·old`, the fade-in of ProGAN §2 (arXiv:1710.10196).
///
/// # Shapes
/// `new`, `old` and the result have the same shape, of any rank.
///
/// # Errors
/// If the shapes differ.
pub fn fade(new: &Tensor, old: &Tensor, alpha: f64) -> Result<Tensor> {
    let both = |accepts: fn(&Tensor) -> bool| accepts(new) && accepts(old);
    if new.dims() == old.dims() && new.dtype() == old.dtype() && (both(accepts) || both(cuda::accepts)) {
        return operator::fade(new, old, alpha);
    }
    new.affine(alpha, 0.0)?.add(&old.affine(1.0 - alpha, 0.0)?)
}

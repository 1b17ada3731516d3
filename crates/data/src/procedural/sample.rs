//! Sampling the factors of a face.

use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use super::factors::{Face, Factor};

/// A face from the full distribution, reserved pairs included.
pub fn sample(key: Key) -> Face {
    draw(&mut key.rng())
}

/// Samples every factor from its own marginal, in order, independent of the others.
pub(super) fn draw(stream: &mut impl Rng) -> Face {
    Face::from_values(Factor::ALL.map(|factor| rng::weighted(stream, factor.weights().iter().copied())))
}

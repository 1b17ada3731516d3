//! Drawing the factors of a face.

use rand_core::Rng;
use t2f_ops::rng::{self, Key};

use super::factors::{Attributes, Factor};

/// Attributes drawn from the full distribution, reserved pairs included.
pub fn sample(key: Key) -> Attributes {
    draw(&mut key.rng())
}

/// Draws every factor from its own marginal, in order, whatever the others are.
pub(super) fn draw(stream: &mut impl Rng) -> Attributes {
    Attributes::from_values(Factor::ALL.map(|factor| weighted(stream, factor.weights())))
}

/// A position, drawn in proportion to the weights.
pub(super) fn weighted(stream: &mut impl Rng, weights: &[f64]) -> usize {
    let mut rest = rng::unit(stream) * weights.iter().sum::<f64>();
    for (position, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return position;
        }
    }
    weights.len() - 1
}

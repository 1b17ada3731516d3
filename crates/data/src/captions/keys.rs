//! The random choices of a caption: its content from one key, its words from another, each choice
//! under a name of its own.

use t2f_ops::rng::{self, Key};

/// The keys of a caption.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) content: Key,
    pub(super) words: Key,
}

impl Keys {
    /// Whether something of the content happens.
    pub(super) fn chance(self, name: &str, rate: f64) -> bool {
        rng::unit(&mut self.content.child(name).rng()) < rate
    }

    /// Whether something of the words happens.
    pub(super) fn flip(self, name: &str, rate: f64) -> bool {
        rng::unit(&mut self.words.child(name).rng()) < rate
    }

    /// One of some words.
    pub(super) fn pick<'t>(self, name: &str, options: &[&'t str]) -> &'t str {
        options[rng::below(&mut self.words.child(name).rng(), options.len())]
    }

    /// A number below `n` for the words.
    pub(super) fn below(self, name: &str, n: usize) -> usize {
        rng::below(&mut self.words.child(name).rng(), n)
    }

    /// A number in `[0, 1)` for the order of the content.
    pub(super) fn rank(self, name: &str) -> f64 {
        rng::unit(&mut self.content.child("order").child(name).rng())
    }
}

/// A position with a probability in proportion to its weight; `draw` is in `[0, 1)`.
pub(super) fn weighted(weights: impl Iterator<Item = f64> + Clone, draw: f64) -> usize {
    let mut rest = draw * weights.clone().sum::<f64>();
    let mut last = 0;
    for (position, weight) in weights.enumerate() {
        last = position;
        rest -= weight;
        if rest < 0.0 {
            break;
        }
    }
    last
}

//! The random choices of a caption: its content from one key, its words from another, each choice
//! under a name of its own.

use rand_core::Rng;
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

    /// A number for the order of the content.
    pub(super) fn rank(self, name: &str) -> u64 {
        self.content.child("order").child(name).rng().next_u64()
    }
}

//! Pairs of values that never occur together in training.
//!
//! After CLEVR's CoGenT split: each value of a pair is common in training, the two together occur
//! only in [`Split::TestComb`](super::Split::TestComb). A model that has learned the factors, and
//! not a list of faces, generates both when a caption asks for them.

use t2f_ops::rng::{self, Key};

use super::factors::{Face, Factor};
use super::sample::draw;

/// One value of one factor.
type Value = (Factor, &'static str);

/// The pairs that occur in the test part of combinations alone.
pub const RESERVED: [(Value, Value); 12] = [
    ((Factor::HairColour, "red"), (Factor::Skin, "dark")),
    ((Factor::Glasses, "sun"), (Factor::Mouth, "frown")),
    ((Factor::FacialHair, "full"), (Factor::HairLength, "long")),
    ((Factor::HairColour, "white"), (Factor::Age, "young")),
    ((Factor::Hat, "beanie"), (Factor::Earrings, "hoops")),
    ((Factor::Glasses, "square"), (Factor::HairLength, "bun")),
    ((Factor::HairTexture, "curly"), (Factor::HairColour, "blond")),
    ((Factor::Hat, "cap"), (Factor::Mouth, "grin")),
    ((Factor::Eyes, "green"), (Factor::Skin, "tan")),
    ((Factor::Marks, "freckles"), (Factor::HairColour, "black")),
    ((Factor::FacialHair, "moustache"), (Factor::Hat, "brim")),
    ((Factor::Glasses, "round"), (Factor::Age, "old")),
];

/// Whether both values of some reserved pair are visible.
pub fn has_reserved_pair(face: &Face) -> bool {
    RESERVED.iter().any(|pair| shows(face, *pair))
}

fn shows(face: &Face, (first, second): (Value, Value)) -> bool {
    face.is(first.0, first.1) && face.is(second.0, second.1)
}

/// A face from the full distribution under the condition that it has no reserved pair, which about
/// two samples in three fulfil.
pub(super) fn sample_without_pairs(key: Key) -> Face {
    let mut stream = key.rng();
    loop {
        let face = draw(&mut stream);
        if !has_reserved_pair(&face) {
            return face;
        }
    }
}

/// A face with a reserved pair; every pair is equally frequent.
pub(super) fn sample_with_pair(key: Key) -> Face {
    let mut stream = key.rng();
    let pair = RESERVED[rng::below(&mut stream, RESERVED.len())];
    loop {
        let face = draw(&mut stream);
        if shows(&face, pair) {
            return face;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frequency of each value in `n` samples.
    fn marginals(n: u64, sample: impl Fn(Key) -> Face) -> Vec<(Factor, usize, f64)> {
        let faces: Vec<Face> = (0..n).map(|i| sample(Key::new(11).at(i))).collect();
        let share = |factor: Factor, value| {
            faces.iter().filter(|face| face.get(factor) == Some(value)).count() as f64 / n as f64
        };
        let values = |factor: Factor| (0..factor.values().len()).map(move |value| (factor, value));
        Factor::ALL.into_iter().flat_map(values).map(|(f, v)| (f, v, share(f, v))).collect()
    }

    #[test]
    fn every_value_keeps_three_fifths_of_its_marginal_in_training() {
        let full = marginals(20_000, super::super::sample);
        let train = marginals(20_000, sample_without_pairs);
        for ((factor, value, full), (_, _, train)) in full.into_iter().zip(train) {
            let name = factor.values()[value];
            assert!(full > 0.015, "{} {name} is seen in {full} of all faces", factor.name());
            assert!(train >= 0.6 * full, "{} {name}: {full} falls to {train}", factor.name());
        }
    }

    #[test]
    fn every_pair_can_be_sampled() {
        for pair in RESERVED {
            let found = (0..4000).any(|i| shows(&super::super::sample::sample(Key::new(5).at(i)), pair));
            assert!(found, "{pair:?}");
        }
        assert!((0..500).all(|i| has_reserved_pair(&sample_with_pair(Key::new(5).at(i)))));
    }
}

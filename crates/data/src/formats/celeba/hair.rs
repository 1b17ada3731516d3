//! The phrases about hair: texture, colour, fringe, in one noun phrase or sentence.
//!
//! CelebA labels black, blond, brown and gray hair apart, and more than one of them may be true, or
//! none. A phrase claims the labels that it names: *salt-and-pepper hair* is black and gray. *Dark
//! hair* says that the hair is neither blond nor gray.

use rand_core::Rng;
use t2f_ops::rng;

use super::facts::Fact::{self, *};
use super::words::Slot;

/// A colour, the labels that it claims, and its weight.
struct Colour {
    word: &'static str,
    claims: &'static [(Fact, bool)],
    only_if: &'static [(Fact, bool)],
    weight: f64,
}

const fn colour(word: &'static str, weight: f64, claims: &'static [(Fact, bool)]) -> Colour {
    Colour { word, claims, only_if: &[], weight }
}

const DARK: &[(Fact, bool)] = &[(BlondHair, false), (GrayHair, false)];

const COLOURS: &[Colour] = &[
    colour("black", 5.0, &[(BlackHair, true)]),
    colour("jet-black", 0.7, &[(BlackHair, true)]),
    colour("raven", 0.4, &[(BlackHair, true)]),
    colour("brown", 5.0, &[(BrownHair, true)]),
    colour("chestnut", 0.6, &[(BrownHair, true)]),
    colour("brunette", 0.4, &[(BrownHair, true)]),
    colour("{blond}", 5.0, &[(BlondHair, true)]),
    colour("fair", 0.8, &[(BlondHair, true)]),
    colour("golden", 0.5, &[(BlondHair, true)]),
    colour("{gray}", 5.0, &[(GrayHair, true)]),
    colour("silver", 0.6, &[(GrayHair, true)]),
    colour("{graying}", 0.8, &[(GrayHair, true)]),
    Colour { word: "dark", claims: DARK, only_if: &[(BlackHair, true)], weight: 1.2 },
    Colour { word: "dark", claims: DARK, only_if: &[(BrownHair, true)], weight: 0.8 },
    colour("dark brown", 8.0, &[(BlackHair, true), (BrownHair, true)]),
    colour("light brown", 8.0, &[(BrownHair, true), (BlondHair, true)]),
    colour("salt-and-pepper", 8.0, &[(BlackHair, true), (GrayHair, true)]),
    colour("{graying} brown", 8.0, &[(BrownHair, true), (GrayHair, true)]),
    colour("{graying} {blond}", 8.0, &[(BlondHair, true), (GrayHair, true)]),
];

const TEXTURES: &[Colour] = &[
    colour("wavy", 3.0, &[(WavyHair, true)]),
    colour("curly", 0.8, &[(WavyHair, true)]),
    colour("straight", 3.0, &[(StraightHair, true)]),
    colour("sleek", 0.3, &[(StraightHair, true)]),
];

/// Words that make neither a compound such as *brown-haired* nor a predicate such as *his hair is brown*.
const ADJECTIVAL: [&str; 4] = ["raven", "brunette", "salt-and-pepper", "golden"];

/// A phrase about hair: its place, its text, its claims, and whether it speaks about the fringe.
pub(super) struct Phrase {
    pub(super) slot: Slot,
    pub(super) text: String,
    /// The same as a noun phrase.
    pub(super) noun: String,
    pub(super) claims: Vec<(Fact, bool)>,
    pub(super) fringe: bool,
}

/// A phrase about the hair of a person with these labels; `None` if no label says anything about it.
pub(super) fn phrase(is: &dyn Fn(Fact, bool) -> bool, rng: &mut impl Rng) -> Option<Phrase> {
    let fitting = |table: &'static [Colour]| {
        let fits =
            |word: &&Colour| word.claims.iter().chain(word.only_if).all(|(fact, value)| is(*fact, *value));
        table.iter().filter(fits).collect::<Vec<_>>()
    };
    let (colours, textures) = (fitting(COLOURS), fitting(TEXTURES));
    let mut colour = pick(&colours, rng).filter(|_| rng::unit(rng) < 0.85);
    let texture = pick(&textures, rng).filter(|_| rng::unit(rng) < if colour.is_some() { 0.35 } else { 0.7 });
    if colour.is_none() && texture.is_none() {
        colour = pick(&colours, rng);
    }
    let mut claims: Vec<(Fact, bool)> =
        [colour, texture].into_iter().flatten().flat_map(|word| word.claims.iter().copied()).collect();
    let fringe = is(Bangs, true) && rng::unit(rng) < 0.35;
    let (colour, texture) = (colour.map(|colour| colour.word), texture.map(|texture| texture.word));
    let words: Vec<&str> = [texture, colour].into_iter().flatten().collect();
    if words.is_empty() {
        return None;
    }
    let noun = format!("{} hair", words.join(" "));
    if fringe {
        claims.push((Bangs, true));
        let joint = ["with", "and"][rng::below(rng, 2)];
        let noun = format!("{noun} {joint} {{a-fringe}}");
        return Some(Phrase { slot: Slot::With, text: noun.clone(), noun, claims, fringe });
    }
    let plain = words.iter().all(|word| !ADJECTIVAL.contains(word));
    let (slot, text) = match (rng::below(rng, 20), colour, texture) {
        (0..=1, Some(colour), None) if plain && !colour.contains([' ', '-']) && colour != "{graying}" => {
            (Slot::Adjective(3), format!("{colour}-haired"))
        }
        (2, Some("{blond}"), None) => (Slot::Adjective(5), "{blond}".into()),
        (3..=4, ..) if plain => (Slot::Says, format!("{{His}} hair is {}", predicate(colour, texture, rng))),
        (5, ..) if plain => (Slot::Near, format!("whose hair is {}", predicate(colour, texture, rng))),
        (6, Some(colour), Some(texture)) if plain => {
            (Slot::Says, format!("{{His}} {colour} hair is {texture}"))
        }
        (7, ..) if is(Hat, false) => (Slot::Says, format!("{{His}} face is framed by {noun}")),
        (8, ..) => (Slot::With, format!("a head of {noun}")),
        (9, Some(colour), Some("straight")) if is(WavyHair, false) => {
            claims.push((WavyHair, false));
            (Slot::With, format!("{colour} hair that is straight, not wavy"))
        }
        _ => (Slot::With, noun.clone()),
    };
    Some(Phrase { slot, text, noun, claims, fringe })
}

/// `brown`, `wavy`, `brown and wavy` or `wavy and brown`.
fn predicate(colour: Option<&str>, texture: Option<&str>, rng: &mut impl Rng) -> String {
    let mut words: Vec<&str> = [colour, texture].into_iter().flatten().collect();
    if rng::below(rng, 3) == 0 {
        words.reverse();
    }
    words.join(" and ")
}

fn pick(words: &[&'static Colour], rng: &mut impl Rng) -> Option<&'static Colour> {
    let all: f64 = words.iter().map(|word| word.weight).sum();
    let mut draw = rng::unit(rng) * all;
    let chosen = words.iter().find(|word| {
        draw -= word.weight;
        draw < 0.0
    });
    chosen.or(words.last()).copied()
}

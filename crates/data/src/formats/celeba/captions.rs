//! Captions of CelebA, generated from its attributes by the grammar of captions.
//!
//! CelebA has no captions. A caption states a few of the attributes of its image; most captions leave
//! most attributes out, as people do. A caption is a function of the seed, the name of the image, the
//! number of the caption and the attributes.
//!
//! Black, blond, brown and gray hair are labelled apart, and more than one of them may be true, or none.
//! A phrase claims the labels that it names: *salt and pepper hair* is black and gray. *Dark hair*
//! says that the hair is neither blond nor gray, and *a goatee* says nothing about a beard.

use std::sync::LazyLock;

use t2f_ops::rng::Key;

use super::facts::schema;
use crate::attributes::Attributes;
use crate::captions::{Grammar, REMARKS, Wording};
use crate::dataset::Caption;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    Grammar::new(schema(), &[include_str!("lexicon.txt"), REMARKS]).expect("tests read the lexicon")
});

/// The caption of this number of an image. `None` if no attribute is known.
pub(super) fn caption(attributes: &Attributes, seed: u64, name: &str, number: usize) -> Option<Caption> {
    let key = Key::new(seed).child("captions of attributes").child(name).at(number as u64);
    GRAMMAR.caption(attributes, Wording::Full, key.child("content"), key.child("words"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use t2f_ops::rng;

    use super::*;
    use crate::attributes::Observation;

    fn position(name: &str) -> usize {
        schema().index(name).unwrap()
    }

    /// The attributes of one of many people, about as frequent as in CelebA.
    fn face(index: u64) -> Attributes {
        let mut rng = Key::new(5).at(index).rng();
        let mut draw = |rate: f64| rng::unit(&mut rng) < rate;
        let man = draw(0.42);
        let mut facts = vec![false; 40];
        for fact in &mut facts {
            *fact = draw(0.2);
        }
        let mut set = |name: &str, value: bool| facts[position(name)] = value;
        set("male", man);
        set("young", draw(0.78));
        set("smiling", draw(0.48));
        set("mouth-slightly-open", draw(0.48));
        set("bald", man && draw(0.05));
        set("blurry", draw(0.05));
        set("no-beard", !man || draw(0.6));
        for name in ["5-o-clock-shadow", "goatee", "mustache", "sideburns", "wearing-necktie"] {
            set(name, man && draw(0.2));
        }
        for name in ["heavy-makeup", "wearing-lipstick"] {
            set(name, !man && draw(0.6));
        }
        Attributes::new(facts.into_iter().map(|fact| Observation::Value(fact.into())).collect::<Vec<_>>())
    }

    fn captions(count: usize) -> Vec<(Attributes, Caption)> {
        let of = |number: usize| {
            let face = face(number as u64 / 5);
            let caption = caption(&face, 0, &format!("{:06}.jpg", number / 5), number % 5).unwrap();
            (face, caption)
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn claims_hold_and_are_few() {
        let mut counts = BTreeMap::<usize, usize>::new();
        let captions = captions(10_000);
        for (face, caption) in &captions {
            assert!(!caption.claims.is_empty() && caption.claims.holds(face), "{caption:?}");
            for claim in &caption.claims {
                *counts.entry(claim.attribute).or_default() += 1;
            }
        }
        let mean = counts.values().sum::<usize>() as f64 / 10_000.0;
        assert!((3.0..9.0).contains(&mean), "{mean} of 40 attributes");
        let share = |name: &str| counts[&position(name)] as f64 / 10_000.0;
        assert!((0.8..0.9).contains(&share("male")), "{}", share("male"));
        assert_eq!(counts.len(), schema().len(), "every attribute is stated");
    }

    #[test]
    fn captions_are_varied() {
        let captions = captions(10_000);
        let texts: BTreeSet<&str> = captions.iter().map(|(_, caption)| caption.text.as_str()).collect();
        assert!(texts.len() > 9_700, "{}", texts.len());
        let words: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| text.split(|letter: char| !letter.is_alphabetic()))
            .map(str::to_lowercase)
            .collect();
        assert!(words.len() > 500, "{}", words.len());
    }

    #[test]
    fn captions_are_well_formed_and_some_deny() {
        let mut denials = 0;
        for index in 0..6000 {
            let key = Key::new(7).at(index);
            let plain = GRAMMAR.plain(&face(index), Wording::Full, key.child("content"), key.child("words"));
            let text = plain.text;
            denials += usize::from(plain.said.iter().any(|(_, stance)| *stance != "affirmed"));
            let plain = !text.contains(['{', '}', '_', '\t']) && text.trim() == text;
            assert!(
                plain && !["  ", " ,", " .", ",,", ", ,"].iter().any(|fault| text.contains(fault)),
                "{text}"
            );
            let lower = text.to_lowercase();
            let words: Vec<&str> = lower.split_whitespace().collect();
            for pair in words.windows(2) {
                let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', 'u']);
                let article = ["a", "an"].contains(&pair[0]);
                assert!(!article || vowel == (pair[0] == "an"), "{text}");
                assert!(pair[0] != pair[1] || pair[0] == "=", "{text}");
            }
            for (subject, verbs) in [("they", ["is", "has", "wears"]), ("he", ["are", "have", "wear"])] {
                let wrong =
                    |pair: &[&str]| pair[0] == subject && verbs.contains(&pair[1].trim_end_matches(','));
                assert!(!words.windows(2).any(wrong), "{text}");
            }
        }
        let share = denials as f64 / 6000.0;
        assert!((0.15..0.32).contains(&share), "{share}");
    }

    #[test]
    fn a_caption_depends_on_seed_name_number_and_attributes_alone() {
        let face = face(3);
        let of = |seed, name, number| caption(&face, seed, name, number).unwrap();
        assert_eq!(of(0, "000001.jpg", 2), of(0, "000001.jpg", 2));
        let others = [of(1, "000001.jpg", 2), of(0, "000002.jpg", 2), of(0, "000001.jpg", 3)];
        assert!(others.iter().all(|other| *other != of(0, "000001.jpg", 2)));
        assert!(caption(&Attributes::unknown(40), 0, "000001.jpg", 0).is_none());
    }
}

//! The lexicon of the procedural faces: `lexicon/`, in the format of the grammar of captions.

use std::sync::LazyLock;

use super::factors::schema;
use crate::captions::{Grammar, REMARKS};

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let texts = [
        include_str!("lexicon/person.txt"),
        include_str!("lexicon/hair.txt"),
        include_str!("lexicon/face.txt"),
        include_str!("lexicon/wear.txt"),
        include_str!("lexicon/picture.txt"),
        REMARKS,
    ];
    Grammar::new(schema(), &texts).expect("tests read the lexicon")
});

/// The grammar of captions of procedural faces.
pub(super) fn grammar() -> &'static Grammar {
    &GRAMMAR
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use t2f_ops::rng::Key;

    use super::super::factors::{Face, Factor};
    use super::super::sample::sample;
    use super::*;
    use crate::captions::{Plain, Wording};

    fn plain(count: u64, wording: Wording) -> Vec<(Face, Plain)> {
        let one = |index| {
            let key = Key::new(17).at(index);
            let face = sample(key.child("face"));
            let plain =
                grammar().plain(&face.attributes(), wording, key.child("content"), key.child("words"));
            (face, plain)
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn the_lexicon_is_wide_and_an_eighth_of_it_is_held_out() {
        let phrases: Vec<(&str, bool)> = grammar().phrases().collect();
        assert!(phrases.len() >= 1800, "{} phrases", phrases.len());
        let held_out = phrases.iter().filter(|(_, held_out)| *held_out).count() as f64 / phrases.len() as f64;
        assert!((0.1..0.16).contains(&held_out), "{held_out}");
        let everyday = ["woman", "man", "young", "old", "a beard", "glasses", "a hat", "earrings", "smiling"];
        for word in everyday {
            assert!(phrases.contains(&(word, false)), "{word}");
        }
    }

    #[test]
    fn texts_are_well_formed() {
        for (_, Plain { text, .. }) in plain(6000, Wording::Full) {
            let faults =
                ["  ", " ,", " .", ",,", ", ,", "{", "}", " a a ", "..,", ". .", ",.", "*", "~", ":,"];
            assert!(!faults.iter().any(|fault| text.contains(fault)) && text.trim() == text, "{text}");
            let lower = text.to_lowercase();
            let words: Vec<&str> = lower.split_whitespace().collect();
            for pair in words.windows(2) {
                let vowel = pair[1].starts_with(['a', 'e', 'i', 'o', '8'])
                    && !["one", "eu"].iter().any(|start| pair[1].starts_with(start));
                assert!(pair[0] != "a" || !vowel, "{text}");
                assert!(pair[0] != "an" || vowel || pair[1].starts_with(['u', 'h', '1']), "{text}");
                assert!(pair[0] != pair[1] || pair[0] == "=", "{text}");
            }
            for (subject, verbs) in [("they", ["is", "has", "wears"]), ("he", ["are", "have", "wear"])] {
                let wrong = |pair: &[&str]| pair[0] == subject && verbs.contains(&pair[1]);
                assert!(!words.windows(2).any(wrong), "{text}");
            }
        }
    }

    #[test]
    fn claims_hold_and_leave_some_value_out() {
        for wording in [Wording::Common, Wording::Full] {
            for (face, Plain { text, claims, .. }) in plain(4000, wording) {
                assert!(claims.holds(&face.attributes()), "{text} of {face:?}");
                for claim in &claims {
                    let values = Factor::ALL[claim.attribute].values().len();
                    assert!(!claim.allowed.is_empty() && claim.allowed.len() < values, "{text}: {claim:?}");
                }
            }
        }
    }

    /// The last long word of a phrase as it stands in a text.
    fn key_word(phrase: &str) -> Option<String> {
        let mut words = phrase.rsplit(|c: char| !c.is_alphabetic() && c != '{' && c != '}');
        words.find(|word| word.len() > 2 && !word.contains(['{', '}'])).map(str::to_lowercase)
    }

    #[test]
    fn every_phrase_is_in_the_text_and_a_denied_one_follows_a_denial() {
        const DENIALS: [&str; 38] = [
            "no", "not", "without", "neither", "nor", "isn't", "aren't", "doesn't", "don't", "never",
            "lacking", "lacks", "lack", "far", "anything", "free", "none", "skip", "leave", "hasn't",
            "haven't", "minus", "sans", "refuses", "refuse", "devoid", "zero", "hates", "hate", "taken",
            "can't", "hold", "lose", "drop", "forget", "omit", "rid", "avoid",
        ];
        for (_, Plain { text, said, .. }) in plain(6000, Wording::Full) {
            let lower = text.to_lowercase();
            let letters = lower.split(|c: char| !c.is_alphabetic() && c != '\'');
            let words: Vec<&str> =
                letters.map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty()).collect();
            for (phrase, stance) in said {
                let Some(key) = key_word(&phrase) else { continue };
                let none =
                    ["none", "not any"].iter().any(|none| lower.contains(none)) || lower.contains(" no");
                let place = words.iter().rposition(|word| {
                    *word == key || word.trim_end_matches('s') == key.trim_end_matches('s')
                });
                let year = key == "old" && lower.contains("year");
                let Some(place) = place else {
                    assert!(stance == "denied" && none || year, "{phrase} ({stance}) is not in: {text}");
                    continue;
                };
                if stance == "denied" {
                    let denied =
                        words[..place].iter().any(|word| DENIALS.contains(word) || word.starts_with("non"));
                    assert!(denied || none, "{phrase} is not denied in: {text}");
                }
            }
        }
    }

    #[test]
    fn each_stance_has_its_share() {
        let captions = plain(6000, Wording::Common);
        let share = |stances: &[&str]| {
            let has =
                |(_, plain): &&(Face, Plain)| plain.said.iter().any(|(_, stance)| stances.contains(stance));
            captions.iter().filter(has).count() as f64 / captions.len() as f64
        };
        let any = share(&["denied", "contrasted", "corrected"]);
        assert!((0.20..0.32).contains(&any), "{any} with a denial, contrast or correction");
        assert!(share(&["denied"]) > 0.12, "{}", share(&["denied"]));
        assert!(share(&["contrasted"]) > 0.02 && share(&["corrected"]) > 0.02);
        let claims: usize = captions.iter().map(|(_, plain)| plain.claims.len()).sum();
        let mean = claims as f64 / captions.len() as f64;
        assert!((3.0..7.0).contains(&mean), "{mean} claims");
    }

    #[test]
    fn every_value_is_claimed_alone_often_enough() {
        let mut counts = BTreeMap::<(usize, usize), usize>::new();
        for (_, plain) in plain(12_000, Wording::Common) {
            for claim in plain.claims.iter().filter(|claim| claim.allowed.len() == 1) {
                *counts.entry((claim.attribute, claim.allowed[0])).or_default() += 1;
            }
        }
        for factor in Factor::ALL {
            for (value, name) in factor.values().iter().enumerate() {
                let count = counts.get(&(factor as usize, value)).copied().unwrap_or(0);
                assert!(count >= 24, "{} {name}: {count} of 12,000 captions", factor.name());
            }
        }
    }

    #[test]
    fn the_kinds_of_denials_and_corrections_all_occur() {
        let texts: String =
            plain(12_000, Wording::Common).into_iter().map(|(_, it)| it.text.to_lowercase() + "\n").collect();
        let forms = [
            "no glasses",
            "without glasses",
            "without a beard",
            "not wearing a",
            "doesn't have freckles",
            "n't wearing",
            "isn't smiling",
            "never wears",
            "that is not blond",
            "neither ",
            " nor a hat",
            "no beard or",
            "anything but",
            "beardless",
            "hatless",
            "lacking",
            "nothing on",
            "bare-headed",
            "no sign of",
            "far from",
            "non-",
            "instead of",
            "rather than",
            "sorry",
            "wait",
            "i mean",
            "scratch that",
            "i said",
            "but they are",
            "glasses: none",
            "not only",
            "whose hair is",
            "whose eyes are",
            "who has",
            "draw me",
            "i want",
            "can you",
            "as well as",
            "plus",
            "grandmother",
            "redhead",
            "brunette",
            "teenager",
            "pensioner",
            "bespectacled",
            "clean-shaven",
            "in a red",
            "clothes",
            "works as",
            " but no ",
            "no wait, no",
            "scratch the",
            "lose the",
            "there is no",
            "on second thought",
            "looking closer",
            "white beard",
            "long red hair",
            "no hat but",
            "is not a ",
            "actually",
        ];
        let missing: BTreeSet<&str> = forms.into_iter().filter(|form| !texts.contains(form)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn women_have_no_beards_and_hidden_factors_are_not_mentioned() {
        for (face, Plain { text, claims, .. }) in plain(4000, Wording::Full) {
            let about = |factor: Factor| claims.about(factor as usize).is_some();
            assert!(!(face.is(Factor::Sex, "woman") && about(Factor::FacialHair)), "{text}");
            for factor in Factor::ALL {
                assert!(!(face.get(factor).is_none() && about(factor)), "{} in {text}", factor.name());
            }
        }
    }
}

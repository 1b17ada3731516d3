//! Paraphrase consistency: the same claims in other words, the same noise. Is it the same face?

use serde::Serialize;
use t2f_data::procedural::{Wording, caption_with};
use t2f_data::{Caption, Dataset, Factor};
use t2f_ops::rng::{Key, below};

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::oracle::Prediction;

/// Faces and wordings that are tried for one pair.
const ATTEMPTS: u64 = 1000;

/// How alike the faces of paraphrases are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParaphraseScores {
    /// How many pairs of captions.
    pub pairs: usize,
    /// The share of scored factors on which the oracle sees the same on both faces. A generator
    /// that cannot read reaches 1: this says something beside AAn only.
    pub consistency: Estimate,
    /// The share of pairs of which it does so on every scored factor.
    pub whole: Estimate,
}

/// `count` pairs of captions that make the same claims about the same face in different words, of
/// the wordings of training.
///
/// # Errors
/// If the faces have no known attributes, or no pair is found.
pub fn paraphrases(faces: &dyn Dataset, count: usize, key: Key) -> Result<Vec<(Caption, Caption)>> {
    (0..count as u64).map(|index| one(faces, key.child("paraphrase").at(index))).collect()
}

fn one(faces: &dyn Dataset, key: Key) -> Result<(Caption, Caption)> {
    for attempt in 0..ATTEMPTS {
        let key = key.at(attempt);
        let index = below(&mut key.child("choice").rng(), faces.len());
        let face = faces.attributes(index).ok_or_else(|| {
            Error::State(format!(
                "the faces of `{}` have no known attributes, which paraphrases need",
                faces.name()
            ))
        })?;
        let speak = |words| caption_with(&face, Wording::Common, key.child("content"), key.child(words));
        let (one, other) = (speak("words"), speak("other words"));
        let differ = plain(&one.text) != plain(&other.text);
        if differ && one.claims == other.claims && !one.claims.is_empty() {
            return Ok((one, other));
        }
    }
    Err(Error::State(format!("no paraphrase found among {ATTEMPTS} captions")))
}

/// A caption's words without capitals and stops.
fn plain(text: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// Scores what is seen on the two faces of each pair. Intervals come from resampling pairs.
///
/// # Errors
/// If there is no pair or no scored factor.
pub fn paraphrase_scores(
    scored: &[Factor],
    seen: &[(Prediction, Prediction)],
    key: Key,
) -> Result<ParaphraseScores> {
    let equal: Vec<f64> = seen
        .iter()
        .map(|(one, other)| {
            let same = scored.iter().filter(|factor| one.get(**factor) == other.get(**factor));
            same.count() as f64 / scored.len().max(1) as f64
        })
        .collect();
    let mean = |of: fn(f64) -> f64| {
        let statistic = |members: &[usize]| {
            let sum: f64 = members.iter().map(|&index| of(equal[index])).sum();
            (!members.is_empty() && !scored.is_empty()).then(|| sum / members.len() as f64)
        };
        Estimate::bootstrap(equal.len(), key, statistic)
            .ok_or_else(|| Error::State("paraphrases are scored on at least one pair and factor".into()))
    };
    let whole = |share: f64| f64::from(u8::from(share >= 1.0));
    Ok(ParaphraseScores { pairs: seen.len(), consistency: mean(|share| share)?, whole: mean(whole)? })
}

//! The edit test: one phrase of a caption is changed, the noise is kept. Does the face change
//! there, and only there?

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::procedural::{Wording, caption_with, has_reserved_pair};
use t2f_data::{Attributes, Caption, Claims, Dataset, Factor};
use t2f_ops::rng::{Key, below};

use crate::error::{Error, Result};
use crate::estimate::{Estimate, mean_of_means};
use crate::oracle::Prediction;

/// Words that may differ between the captions of an edit, on either side, in one run.
const WORDS: usize = 3;
/// Faces and captions that are tried for one edit.
const ATTEMPTS: u64 = 20_000;

/// Two captions that differ in the words about one factor, and the faces they are true of.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// What is edited.
    pub factor: Factor,
    /// The caption and the face before.
    pub before: (Caption, Attributes),
    /// The same after: every other factor that can be seen is as it was.
    pub after: (Caption, Attributes),
}

/// What the oracle sees on the two faces drawn for an edit with the same noise.
#[derive(Clone, Copy, Debug)]
pub struct SeenEdit<'a> {
    /// The edit.
    pub edit: &'a Edit,
    /// On the face drawn from the caption before.
    pub before: Prediction,
    /// On the face drawn from the caption after.
    pub after: Prediction,
}

/// How edits turn out, each number a mean over the factors that were edited.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EditScores {
    /// How many edits.
    pub edits: usize,
    /// The share of edits of which the face before shows what its caption says of the edited
    /// factor, and so does the face after: 0 for a generator that cannot read.
    pub flip: Estimate,
    /// The share of the other scored factors on which the two faces differ, those left out that
    /// the edited factor can hide or rule out.
    pub leak: Estimate,
    /// The flip rate of each edited factor.
    pub factors: BTreeMap<Factor, f64>,
}

/// Factors of which an edit of this one may rightly change what is seen (the rules of what hides
/// what, and that women have no beards).
fn dependants(factor: Factor) -> &'static [Factor] {
    match factor {
        Factor::Sex => &[Factor::FacialHair],
        Factor::Glasses => &[Factor::Eyes],
        Factor::Hat => &[Factor::Fringe, Factor::HairLength, Factor::HairTexture],
        Factor::HairLength => &[Factor::HairColour, Factor::HairTexture, Factor::Fringe],
        _ => &[],
    }
}

/// `count` edits, of the factors of `scored` in turn, of captions of faces of `faces`.
///
/// The captions use the wordings of training, so that what is measured is the edit and not a word
/// never read; they make the same claims about all other factors, differ in one run of at most
/// three words, and ask for no pair of values that training never shows. A factor for which no
/// such edit is found is left out.
///
/// # Errors
/// If the faces have no known attributes, or there is no edit for any factor.
pub fn edits(scored: &[Factor], faces: &dyn Dataset, count: usize, key: Key) -> Result<Vec<Edit>> {
    let mut left = scored.to_vec();
    let mut edits = Vec::with_capacity(count);
    let mut turn = 0;
    while edits.len() < count && !left.is_empty() {
        let factor = left[turn % left.len()];
        match one(factor, faces, key.child("edit").at(edits.len() as u64))? {
            Some(edit) => {
                edits.push(edit);
                turn += 1;
            }
            None => left.retain(|other| *other != factor),
        }
    }
    if edits.is_empty() {
        return Err(Error::State("no caption of a scored factor can be edited in one phrase".into()));
    }
    Ok(edits)
}

fn one(factor: Factor, faces: &dyn Dataset, key: Key) -> Result<Option<Edit>> {
    for attempt in 0..ATTEMPTS {
        let key = key.at(attempt);
        let mut stream = key.child("choice").rng();
        let index = below(&mut stream, faces.len());
        let face = faces.attributes(index).ok_or_else(|| {
            Error::State(format!(
                "the faces of `{}` have no known attributes, which edits need",
                faces.name()
            ))
        })?;
        let values = factor.values();
        let value = below(&mut stream, values.len());
        if face.get(factor).is_none_or(|old| old == value) {
            continue;
        }
        let speak = |face| caption_with(face, Wording::Common, key.child("content"), key.child("words"));
        let before = speak(&face);
        if before.claims.about(factor).is_none() {
            continue;
        }
        let edited = face.with(factor, values[value])?;
        let after = speak(&edited);
        if !has_reserved_pair(&edited) && is_edit(factor, &before, &after) {
            return Ok(Some(Edit { factor, before: (before, face), after: (after, edited) }));
        }
    }
    Ok(None)
}

/// Whether the captions contradict one another on the factor, agree on all else, and differ in one
/// short run of words.
fn is_edit(factor: Factor, before: &Caption, after: &Caption) -> bool {
    let others = |claims: &Claims| -> Vec<_> {
        claims.claims.iter().filter(|claim| claim.factor != factor).cloned().collect()
    };
    let contradict = match (before.claims.about(factor), after.claims.about(factor)) {
        (Some(before), Some(after)) => before.allowed.iter().all(|value| !after.allowed.contains(value)),
        _ => false,
    };
    contradict
        && others(&before.claims) == others(&after.claims)
        && differing(&before.text, &after.text) <= WORDS
}

/// The length of the run of words outside the common beginning and end, the longer of the two.
fn differing(before: &str, after: &str) -> usize {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_whitespace().collect(), after.split_whitespace().collect());
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    before.len().max(after.len()) - end
}

/// Scores what is seen on the faces drawn for edits. Intervals come from resampling edits.
///
/// # Errors
/// If there is no edit, or no factor besides the edited ones is scored.
pub fn edit_scores(scored: &[Factor], seen: &[SeenEdit], key: Key) -> Result<EditScores> {
    let place = |factor: Factor| scored.iter().position(|other| *other == factor).unwrap_or(scored.len());
    let groups = scored.len() + 1;
    let flips: Vec<(usize, f64)> =
        seen.iter().map(|seen| (place(seen.edit.factor), f64::from(u8::from(flipped(seen))))).collect();
    let leaks: Vec<(usize, Option<f64>)> =
        seen.iter().map(|seen| (place(seen.edit.factor), leak(scored, seen))).collect();
    let flip = |members: &[usize]| mean_of_means(members.iter().map(|&i| flips[i]), groups);
    let leak = |members: &[usize]| {
        let known = members.iter().filter_map(|&i| Some((leaks[i].0, leaks[i].1?)));
        mean_of_means(known, groups)
    };
    let missing = || Error::State("edits are scored on at least one edit and two scored factors".into());
    let factors = scored.iter().enumerate().filter_map(|(group, factor)| {
        let own = flips.iter().filter(|(of, _)| *of == group).map(|(_, flip)| (0, *flip));
        Some((*factor, mean_of_means(own, 1)?))
    });
    Ok(EditScores {
        edits: seen.len(),
        flip: Estimate::bootstrap(seen.len(), key.child("flip"), flip).ok_or_else(missing)?,
        leak: Estimate::bootstrap(seen.len(), key.child("leak"), leak).ok_or_else(missing)?,
        factors: factors.collect(),
    })
}

fn flipped(seen: &SeenEdit) -> bool {
    let shows = |caption: &Caption, face: &Prediction| {
        caption.claims.about(seen.edit.factor).is_some_and(|claim| face.fulfils(claim))
    };
    shows(&seen.edit.before.0, &seen.before) && shows(&seen.edit.after.0, &seen.after)
}

fn leak(scored: &[Factor], seen: &SeenEdit) -> Option<f64> {
    let edited = seen.edit.factor;
    let others = scored.iter().filter(|factor| **factor != edited && !dependants(edited).contains(factor));
    let changed =
        others.map(|&factor| (0, f64::from(u8::from(seen.before.get(factor) != seen.after.get(factor)))));
    mean_of_means(changed, 1)
}

#[cfg(test)]
mod tests {
    use super::differing;

    #[test]
    fn the_differing_run_is_counted_on_its_longer_side() {
        assert_eq!(differing("a young man", "a young man"), 0);
        assert_eq!(differing("a young man with a cap", "an old man with a cap"), 2);
        assert_eq!(differing("man, round glasses, smiling", "man, sunglasses, smiling"), 2);
        assert_eq!(differing("a a b", "a b"), 1);
        assert_eq!(differing("he has red hair. he smiles", "she has red hair. she smiles"), 5);
    }
}

//! Edits and paraphrases of captions of procedural faces, for the metrics that need them.

use t2f_ops::rng::Key;

use super::captions::{CaptionStyle, caption_with};
use super::factors::{Face, Factor, schema};
use super::reserved::{RESERVED, has_reserved_pair};
use crate::captions::Wording;
use crate::dataset::{Caption, CaptionEdit};
use crate::error::{Error, Result};

/// A caption of a face, and the caption of the face with another value of one factor: equal content,
/// equal choice of words.
///
/// The words are those of training, so that the metric measures the edit and not unknown words.
/// `None` if the factor is hidden or has the value, the first caption does not mention it, or the
/// edited face has a [reserved](RESERVED) pair.
///
/// # Errors
/// If there is no such factor or value.
pub fn edit(
    face: &Face,
    style: CaptionStyle,
    attribute: usize,
    value: usize,
    key: Key,
) -> Result<Option<CaptionEdit>> {
    let wrong = |what: &str, found: usize, least: usize| Error::UnknownName {
        what: what.into(),
        name: found.to_string(),
        expected: format!("0 to {}", least - 1),
    };
    let factor =
        *Factor::ALL.get(attribute).ok_or_else(|| wrong("attribute", attribute, Factor::ALL.len()))?;
    let values = factor.values();
    let name = values.get(value).ok_or_else(|| wrong(factor.name(), value, values.len()))?;
    if face.get(factor).is_none_or(|old| old == value) {
        return Ok(None);
    }
    let write =
        |face: &Face| caption_with(face, style, Wording::Common, key.child("content"), key.child("words"));
    let before = write(face);
    if before.claims.about(attribute).is_none() {
        return Ok(None);
    }
    let edited = face.with(factor, name)?;
    if has_reserved_pair(&edited) {
        return Ok(None);
    }
    Ok(Some(CaptionEdit {
        attribute,
        before: (before, face.attributes()),
        after: (write(&edited), edited.attributes()),
    }))
}

/// Two captions of a face with equal content and another choice of words, those of training.
pub fn paraphrase(face: &Face, style: CaptionStyle, key: Key) -> [Caption; 2] {
    ["words", "other words"]
        .map(|words| caption_with(face, style, Wording::Common, key.child("content"), key.child(words)))
}

/// The factors that a change of a factor can hide or rule out.
pub fn dependents(attribute: usize) -> Vec<usize> {
    let factors: &[Factor] = match Factor::ALL.get(attribute) {
        Some(Factor::Sex) => &[Factor::FacialHair],
        Some(Factor::Glasses) => &[Factor::Eyes],
        Some(Factor::Hat) => &[Factor::Fringe, Factor::HairLength, Factor::HairTexture],
        Some(Factor::HairLength) => &[Factor::HairColour, Factor::HairTexture, Factor::Fringe],
        _ => &[],
    };
    factors.iter().map(|factor| *factor as usize).collect()
}

/// The [`RESERVED`] pairs as positions in the schema.
pub fn held_out_pairs() -> Vec<[(usize, usize); 2]> {
    let place = |(factor, value): (Factor, &str)| {
        let attribute = factor as usize;
        let value =
            schema().value_index(attribute, value).expect("reserved values are values of their factor");
        (attribute, value)
    };
    RESERVED.iter().map(|(first, second)| [place(*first), place(*second)]).collect()
}

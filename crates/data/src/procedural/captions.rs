//! The captions of a face.

use t2f_ops::rng::{self, Key};

use super::factors::Attributes;
use super::grammar::speak;
use super::reserved::has_reserved_pair;
use super::words::Wording;
use crate::dataset::Caption;

/// The least and the greatest number of captions an image has.
pub const CAPTIONS_PER_IMAGE: (usize, usize) = (3, 5);

/// A caption of a face in the common wording: what is mentioned, and how, is drawn from the key.
pub fn caption(attributes: &Attributes, key: Key) -> Caption {
    caption_with(attributes, Wording::Common, key.child("content"), key.child("words"))
}

/// A caption of which what is mentioned is drawn from `content` and how it is put from `words`.
///
/// Two captions of equal `content` are paraphrases: they speak of the same factors (though one may
/// say *dark* where the other says *black*). Two captions of equal keys for faces that differ in
/// one factor differ in the words for it, and for what it hides.
pub fn caption_with(attributes: &Attributes, wording: Wording, content: Key, words: Key) -> Caption {
    let (text, claims) = speak(attributes, wording, content, words);
    Caption { text, claims }
}

/// The captions of one image, three to five.
pub(super) fn captions(attributes: &Attributes, wording: Wording, key: Key) -> Vec<Caption> {
    let (least, most) = CAPTIONS_PER_IMAGE;
    let count = least + rng::below(&mut key.child("count").rng(), most - least + 1);
    (0..count).map(|i| spoken(attributes, wording, key.at(i as u64))).collect()
}

/// The caption that the key of one of an image's captions stands for.
fn spoken(attributes: &Attributes, wording: Wording, key: Key) -> Caption {
    caption_with(attributes, wording, key.child("content"), key.child("words"))
}

/// The caption of that key as it would be for a face that differs in one of the factors it speaks
/// of: false of this face, and without [reserved](super::RESERVED) pairs. `None` if none was found.
pub(super) fn altered(
    attributes: &Attributes,
    wording: Wording,
    caption: Key,
    choice: Key,
) -> Option<Caption> {
    const TRIES: usize = 16;
    let claims = spoken(attributes, wording, caption).claims.claims;
    let mut stream = choice.rng();
    for _ in 0..TRIES {
        let claim = claims.get(rng::below(&mut stream, claims.len().max(1)))?;
        let values = claim.factor.values();
        let value = rng::below(&mut stream, values.len());
        let Ok(other) = attributes.with(claim.factor, values[value]) else { continue };
        if claim.allowed.contains(&value) || has_reserved_pair(&other) {
            continue;
        }
        let caption = spoken(&other, wording, caption);
        if caption.claims.contradicts(attributes) {
            return Some(caption);
        }
    }
    None
}

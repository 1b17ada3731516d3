//! The captions of a procedural face.

use t2f_ops::rng::{self, Key};

use super::factors::{Face, Factor};
use super::grammar::write_caption;
use super::reserved::has_reserved_pair;
use super::words::Wording;
use crate::dataset::Caption;

/// The least and the greatest number of captions of an image.
pub const CAPTIONS_PER_IMAGE: (usize, usize) = (3, 5);

/// A caption of a face in the common words. Content and words are drawn from the key.
pub fn caption(face: &Face, key: Key) -> Caption {
    caption_with(face, Wording::Common, key.child("content"), key.child("words"))
}

/// A caption whose content (the factors it mentions) is drawn from one key and its words from another.
///
/// Two captions of equal `content` are paraphrases: they mention the same factors, though one may
/// say *dark* and the other *black*. Two captions of equal keys for faces that differ in one factor
/// differ in the words for this factor and for those that it hides.
pub fn caption_with(face: &Face, wording: Wording, content: Key, words: Key) -> Caption {
    let (text, claims) = write_caption(face, wording, content, words);
    Caption { text, claims }
}

/// The captions of one image, three to five.
pub(super) fn captions(face: &Face, wording: Wording, key: Key) -> Vec<Caption> {
    let (least, most) = CAPTIONS_PER_IMAGE;
    let count = least + rng::below(&mut key.child("count").rng(), most - least + 1);
    (0..count).map(|i| keyed(face, wording, key.at(i as u64))).collect()
}

/// The caption with one key for content and words.
fn keyed(face: &Face, wording: Wording, key: Key) -> Caption {
    caption_with(face, wording, key.child("content"), key.child("words"))
}

/// The caption with key `caption` for a face that differs in one mentioned factor: false of this face,
/// and without [reserved](super::RESERVED) pairs. `None` if 16 tries find none.
pub(super) fn hard_negative(face: &Face, wording: Wording, caption: Key, choice: Key) -> Option<Caption> {
    const TRIES: usize = 16;
    let (claims, attributes) = (keyed(face, wording, caption).claims, face.attributes());
    let mut stream = choice.rng();
    for _ in 0..TRIES {
        let claim = claims.as_slice().get(rng::below(&mut stream, claims.len().max(1)))?;
        let factor = Factor::ALL[claim.attribute];
        let value = rng::below(&mut stream, factor.values().len());
        let Ok(other) = face.with(factor, factor.values()[value]) else { continue };
        if claim.allowed.contains(&value) || has_reserved_pair(&other) {
            continue;
        }
        let caption = keyed(&other, wording, caption);
        if caption.claims.contradicts(&attributes) {
            return Some(caption);
        }
    }
    None
}

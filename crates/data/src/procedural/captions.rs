//! The captions of a procedural face.

use serde::{Deserialize, Serialize};
use t2f_ops::rng::{self, Key};

use super::factors::{Face, Factor};
use super::plain::write_caption;
use super::reserved::has_reserved_pair;
use super::words::grammar;
use crate::captions::Wording;
use crate::dataset::Caption;

/// The least and the greatest number of captions of an image.
pub const CAPTIONS_PER_IMAGE: (usize, usize) = (3, 5);

/// The captions of the procedural faces, `data.captions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptionStyle {
    /// Some 300 words, without denials; the default, for short runs.
    #[default]
    Plain,
    /// As people write: many words for each value, denials, corrections, remarks, typing errors.
    Wide,
}

impl CaptionStyle {
    /// The version of images and captions in fingerprints. Every change that alters an image or a caption of
    /// the style increases it.
    pub fn version(self) -> u32 {
        match self {
            Self::Plain => 1,
            Self::Wide => 3,
        }
    }
}

/// A wide caption of a face in the words of training. Content and words are drawn from the key.
pub fn caption(face: &Face, key: Key) -> Caption {
    keyed(face, CaptionStyle::Wide, Wording::Common, key)
}

/// A caption whose content (the factors it mentions) is drawn from one key and its words from another.
///
/// Two captions of equal `content` are paraphrases: they mention the same factors, though one may
/// say *dark* and the other *black*. Two captions of equal keys for faces that differ in one factor
/// differ in the words for this factor and for those that it hides.
pub fn caption_with(face: &Face, style: CaptionStyle, wording: Wording, content: Key, words: Key) -> Caption {
    match style {
        CaptionStyle::Plain => {
            let (text, claims) = write_caption(face, wording, content, words);
            Caption { text, claims }
        }
        CaptionStyle::Wide => {
            let caption = grammar().caption(&face.attributes(), wording, content, words);
            caption.expect("every face shows a sex, which the lexicon has nouns for")
        }
    }
}

/// The captions of one image, three to five.
pub(super) fn captions(face: &Face, style: CaptionStyle, wording: Wording, key: Key) -> Vec<Caption> {
    let (least, most) = CAPTIONS_PER_IMAGE;
    let count = least + rng::below(&mut key.child("count").rng(), most - least + 1);
    (0..count).map(|i| keyed(face, style, wording, key.at(i as u64))).collect()
}

/// The caption with one key for content and words.
fn keyed(face: &Face, style: CaptionStyle, wording: Wording, key: Key) -> Caption {
    caption_with(face, style, wording, key.child("content"), key.child("words"))
}

/// The caption with key `caption` for a face that differs in one mentioned factor: false of this face,
/// and without [reserved](super::RESERVED) pairs. `None` if 16 tries find none.
pub(super) fn hard_negative(
    face: &Face,
    style: CaptionStyle,
    wording: Wording,
    caption: Key,
    choice: Key,
) -> Option<Caption> {
    const TRIES: usize = 16;
    let (claims, attributes) = (keyed(face, style, wording, caption).claims, face.attributes());
    let mut stream = choice.rng();
    for _ in 0..TRIES {
        let claim = claims.as_slice().get(rng::below(&mut stream, claims.len().max(1)))?;
        let factor = Factor::ALL[claim.attribute];
        let value = rng::below(&mut stream, factor.values().len());
        let Ok(other) = face.with(factor, factor.values()[value]) else { continue };
        if claim.allowed.contains(&value) || has_reserved_pair(&other) {
            continue;
        }
        let caption = keyed(&other, style, wording, caption);
        if caption.claims.contradicts(&attributes) {
            return Some(caption);
        }
    }
    None
}

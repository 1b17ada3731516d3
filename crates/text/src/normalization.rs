//! Normalization of captions: one spelling for texts that look alike.

use serde::{Deserialize, Serialize};
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::segmentation::is_unspaced;

/// A normalizer in the JSON of a tokenizer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Normalization {
    /// That of new tokenizers.
    Captions(Steps),
    /// One of the library: tokenizers of version 0.1 have `Lowercase` alone.
    Library(NormalizerWrapper),
}

/// Steps in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Steps {
    Sequence { normalizers: Vec<Step> },
}

/// A step. `NFC` and `Lowercase` are those of the library, the others have no equivalent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Step {
    /// Removes [invisible](is_invisible) characters, without a split of the word. A zero width space
    /// beside a letter of a script without spaces separates words, and becomes a space.
    RemoveInvisible,
    /// Replaces presentation forms by the letters that they present; see [`folded`].
    FoldPresentationForms,
    /// Composes letters and marks.
    #[serde(rename = "NFC")]
    Nfc,
    /// Lower case, character by character.
    Lowercase,
}

impl Normalization {
    /// The normalization of new tokenizers.
    pub(crate) fn captions() -> Self {
        let normalizers =
            vec![Step::RemoveInvisible, Step::FoldPresentationForms, Step::Nfc, Step::Lowercase];
        Self::Captions(Steps::Sequence { normalizers })
    }
}

impl Normalizer for Normalization {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        match self {
            Self::Library(normalizer) => normalizer.normalize(text),
            Self::Captions(Steps::Sequence { normalizers }) => {
                let normal = normalizers.iter().fold(text.get().to_owned(), |text, step| step.apply(&text));
                // Offsets are those of the normalized text.
                *text = NormalizedString::from(normal);
                Ok(())
            }
        }
    }
}

impl Step {
    fn apply(self, text: &str) -> String {
        match self {
            Self::RemoveInvisible => without_invisible(text),
            Self::FoldPresentationForms => text.chars().flat_map(folded).collect(),
            Self::Nfc => text.nfc().collect(),
            Self::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
        }
    }
}

fn without_invisible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let beside = [visible.chars().next_back(), characters.peek().copied()];
        if c == '\u{200b}' && beside.into_iter().flatten().any(is_unspaced) {
            visible.push(' ');
        } else if !is_invisible(c) {
            visible.push(c);
        }
    }
    visible
}

/// Whether a character is never seen: control characters that are no spaces, and the default ignorable and
/// format characters of Unicode that have no glyph (soft hyphen, joiners, byte order mark, bidirectional
/// controls, variation selectors, fillers, tags).
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The letters and digits that a presentation form stands for (NFKC), or the character itself.
///
/// Full and half width forms, ligatures, Arabic presentation forms, and letters and digits in circles,
/// squares or mathematical alphabets are replaced. Others, such as `…`, `½` and `™`, have meanings and keys
/// of their own and stay, so that captions in plain English are unchanged; so do Thai and Lao vowels, of
/// which NFKC makes two characters.
fn folded(c: char) -> Vec<char> {
    let is_form = matches!(c, '\u{2100}'..='\u{218f}' | '\u{2460}'..='\u{24ff}' | '\u{3200}'..='\u{33ff}'
        | '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' | '\u{1d400}'..='\u{1d7ff}'
        | '\u{1f100}'..='\u{1f1ff}');
    let is_width = matches!(c, '\u{ff01}'..='\u{ffee}');
    if is_width || (is_form && c.is_alphanumeric()) {
        let folded: Vec<char> = std::iter::once(c).nfkc().collect();
        if is_width || folded.iter().all(|&c| c.is_alphanumeric() || is_combining_mark(c)) {
            return folded;
        }
    }
    vec![c]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        let mut text = NormalizedString::from(text);
        Normalization::captions().normalize(&mut text).unwrap();
        text.get().to_owned()
    }

    #[test]
    fn texts_that_look_alike_are_equal() {
        for (text, expected) in [
            ("Ｂａｌｄ　ｍａｎ！", "bald\u{3000}man!"),
            ("ﬁne ﬂowing hair", "fine flowing hair"),
            ("𝓫𝓪𝓵𝓭 Ⓜⓐⓝ", "bald man"),
            ("cafe\u{301} né", "café né"),
            ("ﾊﾟｰﾏ", "パーマ"),
            ("ﻻ", "لا"),
        ] {
            assert_eq!(normal(text), expected);
        }
    }

    #[test]
    fn invisible_characters_are_removed_and_do_not_split() {
        let invisible = "\u{feff}\u{200b}\u{200d}\u{200e}\u{202e}\u{ad}\u{fe0f}\u{2060}\0\u{7f}\u{e0061}";
        for c in invisible.chars() {
            assert_eq!(normal(&format!("be{c}ard")), "beard", "{c:?}");
        }
        assert_eq!(normal("a\tman\u{85}with\u{a0}hair"), "a\tman\u{85}with\u{a0}hair");
    }

    #[test]
    fn a_zero_width_space_separates_words_of_scripts_without_spaces() {
        assert_eq!(normal("ผม\u{200b}แดง"), "ผม แดง");
    }

    #[test]
    fn captions_in_english_are_lower_cased_only() {
        let text = "A man’s “salt-and-pepper” beard… 6½ feet, 100% — né Zoë™ (#1) №5 👩🏽";
        assert_eq!(normal(text), text.to_lowercase());
        assert_eq!(normal("ที่กำลังยิ้ม"), "ที่กำลังยิ้ม");
    }
}

//! A caption in pieces, each with whether the model reads it.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_train::model::Model;
use utoipa::ToSchema;

/// A piece of a caption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Piece {
    text: String,
    reading: Reading,
    /// The known word that an unknown one is read about like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    like: Option<String>,
}

/// How the model reads a piece of a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reading {
    /// No word: spaces and punctuation.
    None,
    /// A word of the vocabulary.
    Known,
    /// An unknown word, which is read by its letters.
    Letters,
    /// An unknown word, which is ignored.
    Ignored,
    /// A word after the maximum length, which is not read.
    Cut,
}

/// The words of a caption, with what is between them.
pub(crate) fn pieces(model: &Model, caption: &str, read_as: &BTreeMap<String, String>) -> Vec<Piece> {
    let any_cut = !model.cut_words(caption).is_empty();
    let unknown = if model.reads_unknown_words() { Reading::Letters } else { Reading::Ignored };
    let mut end = 0;
    let mut pieces = Vec::new();
    for (text, is_word) in runs(caption) {
        end += text.len();
        let reading = match () {
            () if !is_word => Reading::None,
            () if any_cut && !model.cut_words(&caption[..end]).is_empty() => Reading::Cut,
            () if model.unknown_words(text).is_empty() => Reading::Known,
            () => unknown,
        };
        let unknown = if reading == Reading::Letters { model.unknown_words(text) } else { Vec::new() };
        let like = unknown.iter().find_map(|word| read_as.get(word).cloned());
        pieces.push(Piece { text: text.to_owned(), reading, like });
    }
    pieces
}

/// Alternating words and other text of a caption, and whether each is a word. Apostrophes and hyphens between
/// letters belong to a word.
fn runs(caption: &str) -> Vec<(&str, bool)> {
    let mut runs: Vec<(&str, bool)> = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (at, c) in caption.char_indices() {
        let next = caption[at + c.len_utf8()..].chars().next();
        let joins = ['\'', '’', '-'].contains(&c) && next.is_some_and(char::is_alphanumeric);
        let is_word = c.is_alphanumeric() || (joins && before == Some(true));
        if let Some(was_word) = before.filter(|was_word| *was_word != is_word) {
            runs.push((&caption[start..at], was_word));
            start = at;
        }
        before = Some(is_word);
    }
    runs.extend(before.map(|is_word| (&caption[start..], is_word)));
    runs
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_are_the_words_of_a_caption_and_together_the_caption() {
        for (caption, words) in [
            ("a man, grey-haired; doesn't smile!", vec!["a", "man", "grey-haired", "doesn't", "smile"]),
            ("  'brown' - hair- ", vec!["brown", "hair"]),
            ("une été", vec!["une", "été"]),
            ("", vec![]),
            ("?!", vec![]),
        ] {
            let runs = runs(caption);
            let found: Vec<&str> =
                runs.iter().filter(|(_, is_word)| *is_word).map(|(text, _)| *text).collect();
            assert_eq!(found, words, "{caption}");
            assert_eq!(runs.iter().map(|(text, _)| *text).collect::<String>(), caption);
        }
    }
}

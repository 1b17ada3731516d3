//! Segmentation of text into words: by a pattern, then, in scripts without spaces, by dictionaries and
//! models of ICU.

use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;
use serde::{Deserialize, Serialize};
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::tokenizer::normalizer::Range;
use tokenizers::{NormalizedString, PreTokenizedString, PreTokenizer, PreTokenizerWrapper};

/// A pre-tokenizer in the JSON of a tokenizer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Segmentation {
    /// That of new tokenizers.
    Captions(Steps),
    /// One of the library: tokenizers of version 0.1 and those with `compat` have a pattern alone.
    Library(PreTokenizerWrapper),
}

/// Steps in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Steps {
    /// The pattern, then ICU's rules.
    Sequence { pretokenizers: (Split, Icu) },
}

/// ICU's segmentation of the words in scripts without spaces.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(crate) enum Icu {
    /// A dictionary for Chinese and Japanese, a model for Burmese, Khmer, Lao and Thai: `auto` of ICU4X, with
    /// the data of the crate `icu_segmenter`.
    IcuWords,
}

impl Segmentation {
    /// The matches of a pattern, segmented by ICU.
    pub(crate) fn captions(pattern: Split) -> Self {
        Self::Captions(Steps::Sequence { pretokenizers: (pattern, Icu::IcuWords) })
    }
}

impl PreTokenizer for Segmentation {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        match self {
            Self::Library(pre_tokenizer) => pre_tokenizer.pre_tokenize(text),
            Self::Captions(Steps::Sequence { pretokenizers: (pattern, icu) }) => {
                pattern.pre_tokenize(text)?;
                icu.pre_tokenize(text)
            }
        }
    }
}

impl PreTokenizer for Icu {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        text.split(|_, word| Ok(segments(word)))
    }
}

fn segments(word: NormalizedString) -> Vec<NormalizedString> {
    if !word.get().chars().any(is_unspaced) {
        return vec![word];
    }
    let segmenter = WordSegmenter::new_auto(WordBreakInvariantOptions::default());
    let ends: Vec<usize> = segmenter.segment_str(word.get()).collect();
    let parts = ends.windows(2).map(|ends| word.slice(Range::Normalized(ends[0]..ends[1])));
    parts.collect::<Option<Vec<_>>>().unwrap_or_else(|| vec![word.clone()])
}

/// Whether a character is of a script that has no spaces between words, and that ICU segments: Han, Kana,
/// Burmese, Khmer, Lao, Thai.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{19e0}'..='\u{19ff}'
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}'
        | '\u{3031}'..='\u{3035}' | '\u{303b}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{a9e0}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aa7f}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}

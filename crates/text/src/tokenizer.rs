//! The word-level tokenizer, trained on the training captions.

use std::collections::{BTreeMap, HashMap};

use t2f_ops::setting::SettingError;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{DecoderWrapper, ModelWrapper, PostProcessorWrapper, SplitDelimiterBehavior, TokenizerImpl};

use crate::compat::Compat;
use crate::error::{Error, Result};
use crate::normalization::Normalization;
use crate::segmentation::Segmentation;

/// The library's tokenizer, with two parts of this crate.
type Inner = TokenizerImpl<ModelWrapper, Normalization, Segmentation, PostProcessorWrapper, DecoderWrapper>;

const PAD: &str = "<pad>";
const UNKNOWN: &str = "<unk>";
/// The id of padding.
pub(crate) const PAD_ID: u32 = 0;
/// The id of words that are not in the vocabulary.
pub(crate) const UNKNOWN_ID: u32 = 1;
/// Runs of letters of any script, runs of digits, or one other visible character.
const WORDS: &str = r"\p{L}[\p{L}\p{M}]*|\p{N}+|[^\s\p{L}\p{N}]";
/// Runs of English letters, or one other visible character: T2F puts spaces around `[^a-zA-Z]`.
const T2F_WORDS: &str = r"[a-zA-Z]+|[^\sa-zA-Z]";

/// Lower-cased words, numbers and single other characters. Id 0 is `<pad>`, 1 is `<unk>`, words
/// follow by frequency.
///
/// - Text is normalized: invisible characters are removed without a split of the word; full and half width
///   forms, ligatures and other presentation forms are replaced by their letters; letters and marks are
///   composed (NFC).
/// - Chinese, Japanese, Thai, Lao, Khmer and Burmese, which have no spaces between words, are segmented by
///   ICU's dictionaries and models.
/// - Unlike T2F's split, digits stay together (`20`, not `2 0`) and letters of every script count as
///   letters. [`Compat::T2f`] has T2F's split, and lower case alone.
///
/// The JSON states these steps, so a tokenizer of an earlier version, which has lower case alone, keeps its
/// behaviour. The steps `RemoveInvisible`, `FoldPresentationForms` and `IcuWords` are of this crate; other
/// programs refuse them.
#[derive(Clone)]
pub struct Tokenizer(Inner);

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocabulary_size", &self.vocabulary_size()).finish()
    }
}

impl Tokenizer {
    /// Checks that a vocabulary of this size has room for a word besides `<pad>` and `<unk>`.
    pub(crate) fn check(vocabulary_size: usize) -> Result<()> {
        if vocabulary_size < 3 {
            return Err(SettingError::new("text.vocabulary_size", vocabulary_size, "at least 3").into());
        }
        Ok(())
    }

    /// Trains a tokenizer: the vocabulary has `<pad>`, `<unk>` and the most frequent words of `captions` that
    /// occur at least `min_frequency` times, `vocabulary_size` ids at most. Ties are in alphabetical order, so
    /// the order of the captions does not matter. With `compat` captions are split as in that program.
    ///
    /// # Errors
    /// If `vocabulary_size` is below 3.
    pub fn train<S: AsRef<str>>(
        captions: impl IntoIterator<Item = S>,
        min_frequency: usize,
        vocabulary_size: usize,
        compat: Option<Compat>,
    ) -> Result<Self> {
        Self::check(vocabulary_size)?;
        let splitter = with_vocabulary(compat, [])?;
        // Words contain no spaces, and there are few different runs between spaces: each is split once.
        let mut runs = HashMap::<String, usize>::new();
        for caption in captions {
            for run in caption.as_ref().split_whitespace() {
                match runs.get_mut(run) {
                    Some(count) => *count += 1,
                    None => drop(runs.insert(run.to_owned(), 1)),
                }
            }
        }
        let mut counts = BTreeMap::<String, usize>::new();
        for (run, count) in runs {
            for word in splitter.words(&run)? {
                *counts.entry(word).or_default() += count;
            }
        }
        let mut words: Vec<(String, usize)> = counts
            .into_iter()
            .filter(|(word, count)| *count >= min_frequency && word != PAD && word != UNKNOWN)
            .collect();
        words.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        words.truncate(vocabulary_size - 2);
        with_vocabulary(compat, words.into_iter().map(|(word, _)| word))
    }

    /// Reads a tokenizer from JSON, the format of the `tokenizers` crate; see [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// If the text is not in that format, or the ids of padding and unknown words are not 0 and 1.
    pub fn from_json(json: &str) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Error::Tokenizer(format!("not a tokenizer: {error}"));
        // The library panics on a decoder that is not JSON, so invalid JSON is refused first.
        serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|error| wrong(&error))?;
        let inner: Inner = serde_json::from_str(json).map_err(|error| wrong(&error))?;
        for (token, id) in [(PAD, PAD_ID), (UNKNOWN, UNKNOWN_ID)] {
            if inner.token_to_id(token) != Some(id) {
                return Err(Error::Tokenizer(format!("the id of {token} must be {id}")));
            }
        }
        Ok(Self(inner))
    }

    /// The tokenizer as JSON; equal tokenizers give the same bytes.
    ///
    /// # Errors
    /// If the serialisation fails.
    pub fn to_json(&self) -> Result<String> {
        self.0.to_string(false).map_err(|error| Error::Tokenizer(error.to_string()))
    }

    /// The number of first ids that are of no word: padding and unknown words.
    pub(crate) const SPECIAL: usize = 2;

    /// For each id the id of the same word in another tokenizer, if it has the word. Padding and unknown words
    /// have the same ids in all.
    pub(crate) fn ids_in(&self, other: &Self) -> Vec<Option<u32>> {
        let size = self.vocabulary_size() as u32;
        let of = |id| self.0.id_to_token(id).and_then(|word| other.0.token_to_id(&word));
        (0..size).map(of).collect()
    }

    /// The words of letters, with their ids, by frequency.
    pub(crate) fn known(&self) -> impl Iterator<Item = (String, u32)> {
        let ids = Self::SPECIAL as u32..self.vocabulary_size() as u32;
        let words = ids.filter_map(|id| Some((self.0.id_to_token(id)?, id)));
        words.filter(|(word, _)| word.chars().all(char::is_alphabetic))
    }

    /// The number of ids.
    pub fn vocabulary_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// The number of words in the vocabulary.
    pub fn words_known(&self) -> usize {
        self.vocabulary_size().saturating_sub(Self::SPECIAL)
    }

    /// The ids of a caption, at most `max_length` of them; none for a caption without words.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode(&self, caption: &str, max_length: usize) -> Result<Vec<u32>> {
        Ok(self.words(caption)?.iter().take(max_length).map(|word| self.id(word)).collect())
    }

    /// The id of a word; that of unknown words if the vocabulary lacks it.
    pub(crate) fn id(&self, word: &str) -> u32 {
        self.0.token_to_id(word).filter(|&id| id != PAD_ID).unwrap_or(UNKNOWN_ID)
    }

    /// The words of a caption that are not in the vocabulary, in order, once each.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn unknown_words(&self, caption: &str) -> Result<Vec<String>> {
        let mut unknown: Vec<String> = Vec::new();
        for word in self.words(caption)? {
            if !self.knows(&word) && !unknown.contains(&word) {
                unknown.push(word);
            }
        }
        Ok(unknown)
    }

    /// The words of a caption after the first `max_length`, in order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn cut_words(&self, caption: &str, max_length: usize) -> Result<Vec<String>> {
        let mut words = self.words(caption)?;
        Ok(words.split_off(max_length.min(words.len())))
    }

    /// Whether a word, as [`words`](Self::words) returns it, is in the vocabulary.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.0.token_to_id(word).is_some()
    }

    /// The normalized words of a caption, in order.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn words(&self, caption: &str) -> Result<Vec<String>> {
        use tokenizers::{
            NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
        };
        let error = |error: tokenizers::Error| Error::Tokenizer(error.to_string());
        let mut text = NormalizedString::from(caption);
        if let Some(normalizer) = self.0.get_normalizer() {
            normalizer.normalize(&mut text).map_err(error)?;
        }
        let mut split = PreTokenizedString::from(text);
        if let Some(pre_tokenizer) = self.0.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut split).map_err(error)?;
        }
        let parts = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        Ok(parts.into_iter().map(|(word, _, _)| word.to_owned()).filter(|word| !word.is_empty()).collect())
    }
}

/// A tokenizer of these words.
fn with_vocabulary(compat: Option<Compat>, words: impl IntoIterator<Item = String>) -> Result<Tokenizer> {
    let error = |error: tokenizers::Error| Error::Tokenizer(error.to_string());
    let all = [PAD.to_owned(), UNKNOWN.to_owned()].into_iter().chain(words);
    let vocabulary = all.enumerate().map(|(id, word)| (word, id as u32)).collect();
    let model =
        WordLevel::builder().vocab(vocabulary).unk_token(UNKNOWN.to_owned()).build().map_err(error)?;
    let mut inner = Inner::new(model.into());
    // The matches of the pattern are kept, the rest is dropped.
    let split = |pattern: &str| {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        Split::new(pattern, SplitDelimiterBehavior::Removed, true).map_err(error)
    };
    let (normalization, segmentation) = match compat {
        None => (Normalization::captions(), Segmentation::captions(split(WORDS)?)),
        Some(Compat::T2f) => {
            (Normalization::Library(Lowercase.into()), Segmentation::Library(split(T2F_WORDS)?.into()))
        }
    };
    inner.with_normalizer(Some(normalization)).map_err(error)?;
    inner.with_pre_tokenizer(Some(segmentation));
    Ok(Tokenizer(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTIONS: [&str; 3] = ["A man with a beard.", "a woman, 20 years old", "the man's HAT"];

    fn trained() -> Tokenizer {
        Tokenizer::train(CAPTIONS, 1, 1000, None).unwrap()
    }

    #[test]
    fn words_are_lower_cased_split_and_numbered_by_frequency() {
        let tokenizer = trained();
        assert_eq!(
            tokenizer.words("The man's HAT, 20!").unwrap(),
            ["the", "man", "'", "s", "hat", ",", "20", "!"]
        );
        assert_eq!(
            tokenizer.encode("a man", 100).unwrap(),
            [2, 3],
            "`a` is the commonest word, `man` the next"
        );
        assert_eq!(tokenizer.unknown_words("a purple man, purple dog").unwrap(), ["purple", "dog"]);
        assert_eq!(tokenizer.encode("purple man", 1).unwrap(), [1]);
    }

    #[test]
    fn t2f_splits_digits_and_accents() {
        let captions = ["A 20-year-old's café"];
        let words = |compat| Tokenizer::train(captions, 1, 100, compat).unwrap().words(captions[0]).unwrap();
        assert_eq!(words(None), ["a", "20", "-", "year", "-", "old", "'", "s", "café"]);
        let original = ["a", "2", "0", "-", "year", "-", "old", "'", "s", "caf", "é"];
        assert_eq!(words(Some(Compat::T2f)), original);
    }

    /// A tokenizer as version 0.1 wrote it.
    const EARLIER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{L}[\\p{L}\\p{M}]*|\\p{N}+|[^\\s\\p{L}\\p{N}]"},"behavior":"Removed","invert":true},"post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"<pad>":0,"<unk>":1,"a":2,"man":3},"unk_token":"<unk>"}}"#;

    #[test]
    fn a_tokenizer_of_version_0_1_keeps_its_words_and_its_bytes() {
        let earlier = Tokenizer::from_json(EARLIER).unwrap();
        assert_eq!(earlier.to_json().unwrap(), EARLIER);
        let words = earlier.words("A be\u{ad}ard ﬁne 红头发的女人 cafe\u{301}").unwrap();
        assert_eq!(words, ["a", "be", "\u{ad}", "ard", "ﬁne", "红头发的女人", "cafe\u{301}"]);
        let t2f = Tokenizer::train(["a ﬁne man"], 1, 100, Some(Compat::T2f)).unwrap();
        assert_eq!(t2f.words("be\u{ad}ard ﬁne").unwrap(), ["be", "\u{ad}", "ard", "ﬁ", "ne"]);
    }

    #[test]
    fn a_new_tokenizer_states_its_steps() {
        let json: serde_json::Value = serde_json::from_str(&trained().to_json().unwrap()).unwrap();
        let steps = |value: &serde_json::Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|step| step["type"].as_str().unwrap().to_owned()).collect()
        };
        let normalizers = ["RemoveInvisible", "FoldPresentationForms", "NFC", "Lowercase"];
        assert_eq!(steps(&json["normalizer"]["normalizers"]), normalizers);
        assert_eq!(steps(&json["pre_tokenizer"]["pretokenizers"]), ["Split", "IcuWords"]);
        let unknown = trained().to_json().unwrap().replace("IcuWords", "OtherWords");
        assert!(Tokenizer::from_json(&unknown).is_err());
    }

    /// Captions, each with a phrase of it, in languages without spaces.
    const UNSPACED: [(&str, &str); 6] = [
        ("一个红头发的女人戴着眼镜", "红头发的女人"),
        ("赤い髪の男が笑っている", "赤い髪の男"),
        ("ผู้หญิงผมแดงสวมแว่นตา", "ผู้หญิงผมแดง"),
        ("ຜູ້ຍິງຜົມແດງ", "ຜູ້ຍິງ"),
        ("ស្ត្រីសក់ក្រហម", "ស្ត្រី"),
        ("ဆံပင်နီသော အမျိုးသမီး", "အမျိုးသမီး"),
    ];

    #[test]
    fn languages_without_spaces_are_segmented_into_words() {
        for (caption, phrase) in UNSPACED {
            let tokenizer = Tokenizer::train([caption], 1, 100, None).unwrap();
            let words = tokenizer.words(caption).unwrap();
            assert!(words.len() > 1, "{words:?}");
            let text: String = caption.split_whitespace().collect();
            assert_eq!(words.concat(), text);
            assert_eq!(tokenizer.unknown_words(phrase).unwrap(), [""; 0], "{words:?}");
        }
        let words = trained().words("Tシャツの男 with a 红 hat, 3人").unwrap();
        assert_eq!(words, ["t", "シャツ", "の", "男", "with", "a", "红", "hat", ",", "3", "人"]);
    }

    #[test]
    fn spellings_that_look_alike_have_the_same_ids() {
        let tokenizer = Tokenizer::train(["a fine café man"], 1, 100, None).unwrap();
        let ids = |caption: &str| tokenizer.encode(caption, 100).unwrap();
        for caption in [
            "a ﬁne cafe\u{301} man",
            "ａ　ｆｉｎｅ café m\u{ad}an",
            "\u{feff}a fine café\u{200b} ma\u{2060}n",
        ] {
            assert_eq!(ids(caption), ids("a fine café man"), "{caption:?}");
        }
    }

    #[test]
    fn the_words_after_the_maximum_are_listed() {
        let tokenizer = trained();
        assert_eq!(tokenizer.cut_words("a man with a hat", 3).unwrap(), ["a", "hat"]);
        assert_eq!(tokenizer.cut_words("a man", 3).unwrap(), [""; 0]);
    }

    #[test]
    fn rare_words_and_words_beyond_the_vocabulary_size_are_excluded() {
        let tokenizer = Tokenizer::train(CAPTIONS, 2, 1000, None).unwrap();
        assert_eq!(tokenizer.vocabulary_size(), 4);
        assert_eq!(Tokenizer::train(CAPTIONS, 1, 3, None).unwrap().vocabulary_size(), 3);
        assert!(Tokenizer::train(CAPTIONS, 1, 2, None).is_err());
    }

    #[test]
    fn the_order_of_captions_does_not_matter_and_json_round_trips() {
        let json = trained().to_json().unwrap();
        let mut reversed = CAPTIONS;
        reversed.reverse();
        assert_eq!(json, Tokenizer::train(reversed, 1, 1000, None).unwrap().to_json().unwrap());
        let back = Tokenizer::from_json(&json).unwrap();
        assert_eq!(back.to_json().unwrap(), json);
        assert_eq!(
            back.encode("a man with a hat", 9).unwrap(),
            trained().encode("a man with a hat", 9).unwrap()
        );
        assert!(Tokenizer::from_json("{}").is_err());
    }

    #[test]
    fn unusual_captions_are_encoded() {
        let tokenizer = trained();
        let long = "man ".repeat(10_000);
        for caption in ["", " \t\n", "🙂🙂", "رجل ملتح", "a\0b", "<pad>", "\u{feff}man", long.as_str()]
        {
            assert!(tokenizer.encode(caption, 100).unwrap().len() <= 100);
        }
        assert!(tokenizer.encode("", 100).unwrap().is_empty());
        assert!(!tokenizer.encode("<pad>", 100).unwrap().contains(&PAD_ID));
    }
}

//! The configuration of text encoders, and the LSTM encoder.

use std::borrow::Cow;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

use crate::config::{LstmConfig, Pooling};
use crate::error::{Error, Result};
use crate::lstm::Lstm;
use crate::sentence::SentenceConfig;
use crate::subwords::{HostSubwords, Subwords};
use crate::text_encoder::TextEncoder;
use crate::tokenizer::{PAD_ID, Tokenizer, UNKNOWN_ID};
use crate::vocabulary::Vocabulary;
use crate::word_vectors::{WORD_VECTORS, most_similar};

/// The text encoder, `[text]`; `kind` selects it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TextConfig {
    /// A word-level LSTM, trained with the other networks.
    Lstm(LstmConfig),
    /// A frozen sentence encoder of a local folder.
    Sentence(SentenceConfig),
}

impl Default for TextConfig {
    fn default() -> Self {
        Self::Lstm(LstmConfig::default())
    }
}

impl TextConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a setting is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        let config = match self {
            Self::Lstm(config) => config,
            Self::Sentence(config) => return config.check(),
        };
        let sizes = [
            ("text.embedding_size", config.embedding_size),
            ("text.hidden_size", config.hidden_size),
            ("text.layers", config.layers),
            ("text.max_length", config.max_length),
        ];
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((key, _)) => return Err(SettingError::new(key, 0, "at least 1").into()),
            None => Tokenizer::check(config.vocabulary_size)?,
        }
        match (&config.subwords, config.compat) {
            (Some(_), Some(_)) => {
                Err(SettingError::new("text.subwords", "set", "none with text.compat").into())
            }
            (Some(subwords), None) => subwords.check(),
            (None, _) => Ok(()),
        }
    }

    /// The settings of the words of captions. A sentence encoder has a tokenizer of its own, and its words are
    /// counted with the default settings.
    fn words(&self) -> Cow<'_, LstmConfig> {
        match self {
            Self::Lstm(config) => Cow::Borrowed(config),
            Self::Sentence(_) => Cow::Owned(LstmConfig::default()),
        }
    }

    /// Trains the tokenizer on the training captions. A sentence encoder does not use it.
    ///
    /// # Errors
    /// If `vocabulary_size` is below 3.
    pub fn train_tokenizer<S: AsRef<str>>(&self, captions: impl IntoIterator<Item = S>) -> Result<Tokenizer> {
        let config = self.words();
        Tokenizer::train(captions, config.min_frequency, config.vocabulary_size, config.compat)
    }

    /// The maximum number of words of a caption.
    pub fn max_length(&self) -> usize {
        self.words().max_length
    }

    /// Counts the words of the training captions (`train`) and of those of the other parts (`others`), as
    /// the encoder reads them.
    ///
    /// # Errors
    /// If `vocabulary_size` is below 3.
    pub fn vocabulary<S: AsRef<str>, T: AsRef<str>>(
        &self,
        train: impl IntoIterator<Item = S>,
        others: impl IntoIterator<Item = T>,
    ) -> Result<Vocabulary> {
        Vocabulary::count(&self.words(), train, others)
    }

    /// Builds the encoder on parameters from `vb`.
    ///
    /// # Errors
    /// If a setting is out of range, a parameter is missing, or the folder of a sentence encoder cannot be read.
    pub fn build(&self, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Box<dyn TextEncoder>> {
        self.check()?;
        match self {
            Self::Lstm(config) => Ok(Box::new(LstmEncoder::new(config, tokenizer, vb)?)),
            Self::Sentence(config) => Ok(Box::new(config.open(vb.device())?)),
        }
    }
}

/// The least cosine of the vectors of words that are read alike. Vectors of unlike words have cosines of about 0.
const SIMILAR: f32 = 0.5;

/// A word of a caption.
struct Token {
    word: String,
    id: u32,
}

/// Captions of one group. They have similar lengths, so that little of the LSTM's work is padding.
const GROUP: usize = 16;

/// Captions of a group, padded to the longest of them.
#[derive(Debug)]
struct Tokens {
    /// The vectors of the words, `(B, T, W)`.
    vectors: Tensor,
    /// `(B, T, 1)`: 1 at tokens, 0 at padding.
    mask: Tensor,
    /// The number of tokens of each caption.
    lengths: Vec<usize>,
}

/// Word vectors, an LSTM, and pooling of its states.
#[derive(Debug)]
pub struct LstmEncoder {
    config: LstmConfig,
    tokenizer: Tokenizer,
    words: Tensor,
    subwords: Option<Subwords>,
    lstm: Lstm,
    device: Device,
}

impl LstmEncoder {
    /// Builds the encoder on `embedding.weight` `(V, W)`, the parameters of the LSTM under `lstm`, and with
    /// `subwords` the vectors of n-grams, `subwords.weight`.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn new(config: &LstmConfig, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Self> {
        let shape = (tokenizer.vocabulary_size(), config.embedding_size);
        let words = vb.get_with_hints(shape, WORD_VECTORS, Init::Randn { mean: 0.0, stdev: 1.0 })?;
        let of_subwords = |of: &_| Subwords::new(*of, config.embedding_size, &vb.pp("subwords"));
        let subwords = config.subwords.as_ref().map(of_subwords).transpose()?;
        let lstm = Lstm::new(
            config.embedding_size,
            config.hidden_size,
            config.layers,
            config.bidirectional,
            vb.pp("lstm"),
        )?;
        Ok(Self { config: config.clone(), tokenizer, words, subwords, lstm, device: vb.device().clone() })
    }

    /// The tokens of a caption.
    ///
    /// Unknown words are ignored (in `compat` they share one id; with `subwords` they have the vectors of their
    /// n-grams). A caption without known words has the token of unknown words, so that it has an embedding.
    /// In `compat` a caption is padded to `max_length`, and the padding is read.
    fn row(&self, caption: &str) -> Result<Vec<Token>> {
        let compat = self.config.compat.is_some();
        let words = self.tokenizer.words(caption)?.into_iter().take(self.config.max_length);
        let mut row: Vec<Token> = words.map(|word| Token { id: self.tokenizer.id(&word), word }).collect();
        if !compat && self.subwords.is_none() {
            row.retain(|token| token.id != UNKNOWN_ID);
        }
        let none = |id| Token { word: String::new(), id };
        if row.is_empty() {
            row.push(none(UNKNOWN_ID));
        }
        if compat {
            row.resize_with(self.config.max_length, || none(PAD_ID));
        }
        Ok(row)
    }

    /// The vectors of tokens, `(T, W)`.
    fn vectors(&self, tokens: &[&Token]) -> Result<Tensor> {
        let ids = tokens.iter().map(|token| token.id).collect();
        let ids = Tensor::from_vec(ids, tokens.len(), &self.device)?;
        let mut vectors = self.words.index_select(&ids, 0)?;
        // T2F's padding vector is a constant zero, and so is the vector of an unknown word beside its n-grams.
        let compat = self.config.compat.is_some();
        let without = if compat { Some(PAD_ID) } else { self.subwords.as_ref().map(|_| UNKNOWN_ID) };
        if let Some(id) = without {
            vectors = vectors.broadcast_mul(&ids.ne(id)?.to_dtype(vectors.dtype())?.unsqueeze(1)?)?;
        }
        if let Some(subwords) = &self.subwords {
            let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
            vectors = vectors.add(&subwords.of(&words)?)?;
        }
        Ok(vectors)
    }

    /// Groups of rows, padded each. The vectors of all are computed at once.
    fn groups(&self, rows: &[Vec<Token>]) -> Result<Vec<Tokens>> {
        let padding = Token { word: String::new(), id: PAD_ID };
        let longest = |rows: &[Vec<Token>]| rows.iter().map(Vec::len).max().unwrap_or(0);
        let padded = rows.chunks(GROUP).flat_map(|rows| {
            let (steps, padding) = (longest(rows), &padding);
            rows.iter().flat_map(move |row| (0..steps).map(move |t| row.get(t).unwrap_or(padding)))
        });
        let vectors = self.vectors(&padded.collect::<Vec<_>>())?;
        let mut from = 0;
        let group = |rows: &[Vec<Token>]| -> Result<Tokens> {
            let (count, steps) = (rows.len(), longest(rows));
            let of_group = vectors.narrow(0, from, count * steps)?;
            from += count * steps;
            let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
            let mask = lengths.iter().flat_map(|&n| (0..steps).map(move |t| if t < n { 1f32 } else { 0.0 }));
            let mask = Tensor::from_vec(mask.collect(), (count, steps, 1), &self.device)?;
            let vectors = of_group.reshape((count, steps, self.config.embedding_size))?;
            Ok(Tokens { vectors, mask: mask.to_dtype(self.words.dtype())?, lengths })
        };
        rows.chunks(GROUP).map(group).collect()
    }

    /// The known words with their vectors.
    fn known_vectors(&self, subwords: &HostSubwords) -> Result<Vec<(String, Vec<f32>)>> {
        let own = self.words.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let vector = |(word, id): (String, u32)| {
            let own = own.get(id as usize)?;
            let sum = subwords.of(&word).iter().zip(own).map(|(a, b)| a + b).collect();
            Some((word, sum))
        };
        Ok(self.tokenizer.known().filter_map(vector).collect())
    }

    fn pool(&self, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        if self.config.compat.is_some() {
            return Ok(states.narrow(1, states.dim(1)? - 1, 1)?.squeeze(1)?);
        }
        match self.config.pooling {
            Pooling::Max => {
                // States are in (-1, 1), so padding is below every state.
                let floor = mask.affine(2.0, -2.0)?; // 0 at words, -2 at padding
                Ok(states.broadcast_add(&floor)?.max(1)?)
            }
            Pooling::Mean => Ok(states.sum(1)?.broadcast_div(&mask.sum(1)?)?),
            Pooling::Last => {
                let hidden = self.config.hidden_size;
                let (_, steps, _) = states.dims3()?;
                // 1 at the last word: this step is a word and the next is not.
                let next = mask.narrow(1, 1, steps - 1)?.pad_with_zeros(1, 0, 1)?;
                let last = states.narrow(2, 0, hidden)?.broadcast_mul(&mask.sub(&next)?)?.sum(1)?;
                if !self.config.bidirectional {
                    return Ok(last);
                }
                let first = states.narrow(2, hidden, hidden)?.narrow(1, 0, 1)?.squeeze(1)?;
                Ok(Tensor::cat(&[last, first], D::Minus1)?)
            }
        }
    }
}

impl TextEncoder for LstmEncoder {
    fn encode(&self, captions: &[String]) -> Result<Tensor> {
        if captions.is_empty() {
            return Err(Error::NoCaptions);
        }
        let mut rows = Vec::with_capacity(captions.len());
        for (place, caption) in captions.iter().enumerate() {
            rows.push((place, self.row(caption)?));
        }
        // One group needs no order.
        if rows.len() > GROUP {
            rows.sort_by_key(|(_, row)| row.len());
        }
        let (places, rows): (Vec<usize>, Vec<_>) = rows.into_iter().unzip();
        let embeddings = self.groups(&rows)?.into_iter().map(|Tokens { vectors, mask, lengths }| {
            let states = self.lstm.forward(&vectors, &lengths, &mask)?; // (B, T, D·H)
            self.pool(&states, &mask)
        });
        let embeddings = Tensor::cat(&embeddings.collect::<Result<Vec<_>>>()?, 0)?;
        let mut order = vec![0u32; places.len()];
        for (row, place) in places.into_iter().enumerate() {
            order[place] = row as u32;
        }
        Ok(embeddings
            .contiguous()?
            .index_select(&Tensor::from_vec(order, captions.len(), &self.device)?, 0)?)
    }

    fn embedding_size(&self) -> usize {
        self.config.hidden_size * if self.config.bidirectional { 2 } else { 1 }
    }

    fn unknown_words(&self, caption: &str) -> Result<Vec<String>> {
        self.tokenizer.unknown_words(caption)
    }

    fn reads_unknown_words(&self) -> bool {
        self.subwords.is_some()
    }

    fn similar_word(&self, word: &str) -> Result<Option<(String, f32)>> {
        let Some(subwords) = &self.subwords else { return Ok(None) };
        let words = self.tokenizer.words(word)?;
        let [word] = words.as_slice() else { return Ok(None) };
        if self.tokenizer.id(word) != UNKNOWN_ID {
            return Ok(None);
        }
        let subwords = subwords.on_host()?;
        let similar = most_similar(&subwords.of(word), self.known_vectors(&subwords)?);
        Ok(similar.filter(|(_, cosine)| *cosine >= SIMILAR))
    }

    fn cut_words(&self, caption: &str) -> Result<Vec<String>> {
        self.tokenizer.cut_words(caption, self.config.max_length)
    }
}

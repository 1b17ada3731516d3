//! The seam, and the encoder that is built in.

use candle_core::{D, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

use crate::compat::Compat;
use crate::error::{Error, Result};
use crate::lstm::Lstm;
use crate::tokenizer::{PAD_ID, Tokenizer, UNKNOWN_ID};

/// What turns captions into embeddings.
///
/// An encoder owns its tokenizer and its parameters. Trainable or constant is decided by the
/// `VarBuilder` that it was built from.
pub trait TextEncoder: Send + Sync + std::fmt::Debug {
    /// The embeddings of captions.
    ///
    /// # Shapes
    /// The result is `(B, E)`.
    ///
    /// # Errors
    /// If there are no captions, or the device fails. No text is an error.
    fn encode(&self, captions: &[String]) -> Result<Tensor>;

    /// E.
    fn embedding_size(&self) -> usize;

    /// Words of a caption that the encoder does not know, in order, once each.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    fn unknown_words(&self, caption: &str) -> Result<Vec<String>>;
}

/// Which encoder is used. `kind = "…"` chooses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TextConfig {
    /// A word-level LSTM, trained with the rest.
    Lstm(LstmConfig),
}

/// The LSTM encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
    /// Size of a word's vector; default 128, at least 1.
    pub embedding_size: usize,
    /// Size of a direction's state; default 128, at least 1. E is twice that with two directions.
    pub hidden_size: usize,
    /// Layers; default 1, at least 1.
    pub layers: usize,
    /// Whether captions are also read from the end; default true.
    pub bidirectional: bool,
    /// How the states of a caption become one vector; default `max`.
    pub pooling: Pooling,
    /// Words of a caption that are read; default 100 (T2F's `captions_length`), at least 1.
    pub max_length: usize,
    /// How often a word must occur in the training captions; default 1.
    pub min_frequency: usize,
    /// Largest number of ids; default 10000, at least 3.
    pub vocabulary_size: usize,
    /// Another program whose reading is reproduced, with its mistake. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
}

/// How states become one vector; padding has no part in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The largest value of each feature over the words (InferSent, arXiv:1705.02364).
    #[default]
    Max,
    /// The mean over the words.
    Mean,
    /// The state after the last word, and of the backward direction after the first.
    Last,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self::Lstm(LstmConfig::default())
    }
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            embedding_size: 128,
            hidden_size: 128,
            layers: 1,
            bidirectional: true,
            pooling: Pooling::Max,
            max_length: 100,
            min_frequency: 1,
            vocabulary_size: 10_000,
            compat: None,
        }
    }
}

impl TextConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a field is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        let Self::Lstm(config) = self;
        let sizes = [
            ("text.embedding_size", config.embedding_size),
            ("text.hidden_size", config.hidden_size),
            ("text.layers", config.layers),
            ("text.max_length", config.max_length),
        ];
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((key, _)) => Err(SettingError::new(key, 0, "at least 1").into()),
            None => Tokenizer::check(config.vocabulary_size),
        }
    }

    /// Learns the words of the training captions.
    ///
    /// # Errors
    /// If the vocabulary leaves no room for a word.
    pub fn train_tokenizer<S: AsRef<str>>(&self, captions: impl IntoIterator<Item = S>) -> Result<Tokenizer> {
        let Self::Lstm(config) = self;
        Tokenizer::train(captions, config.min_frequency, config.vocabulary_size, config.compat)
    }

    /// Builds the encoder on parameters from `vb`.
    ///
    /// # Errors
    /// If a field is out of range or a parameter cannot be had.
    pub fn build(&self, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Box<dyn TextEncoder>> {
        self.check()?;
        let Self::Lstm(config) = self;
        Ok(Box::new(LstmEncoder::new(config, tokenizer, vb)?))
    }
}

/// Padded captions.
#[derive(Debug)]
struct Tokens {
    /// `(B·T)`.
    ids: Tensor,
    /// `(B, T, 1)`: 1 at tokens that are read, 0 at padding.
    mask: Tensor,
    /// Tokens that are read of each caption.
    lengths: Vec<usize>,
}

/// Word vectors, an LSTM, and a pooling of its states.
#[derive(Debug)]
pub struct LstmEncoder {
    config: LstmConfig,
    tokenizer: Tokenizer,
    words: Tensor,
    lstm: Lstm,
    device: Device,
}

impl LstmEncoder {
    /// Asks `vb` for `embedding.weight` `(V, W)` and the LSTM's parameters under `lstm`.
    ///
    /// # Errors
    /// If a parameter cannot be had.
    pub fn new(config: &LstmConfig, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Self> {
        let shape = (tokenizer.vocabulary_size(), config.embedding_size);
        let words =
            vb.pp("embedding").get_with_hints(shape, "weight", Init::Randn { mean: 0.0, stdev: 1.0 })?;
        let lstm = Lstm::new(
            config.embedding_size,
            config.hidden_size,
            config.layers,
            config.bidirectional,
            vb.pp("lstm"),
        )?;
        Ok(Self { config: config.clone(), tokenizer, words, lstm, device: vb.device().clone() })
    }

    /// Ids and mask, padded to the longest caption (to `max_length` in `compat`).
    ///
    /// Words that training did not have are read over (in `compat` they are one unknown word): nothing
    /// was learnt of them. A caption without any other is that one word, so that it has an embedding.
    fn tokens(&self, captions: &[String]) -> Result<Tokens> {
        let compat = self.config.compat.is_some();
        let mut rows = Vec::with_capacity(captions.len());
        for caption in captions {
            let mut row = self.tokenizer.encode(caption, self.config.max_length)?;
            if !compat {
                row.retain(|&id| id != UNKNOWN_ID);
            }
            if row.is_empty() {
                row.push(UNKNOWN_ID);
            }
            rows.push(row);
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let steps = if compat { self.config.max_length } else { longest };
        let lengths: Vec<usize> = rows.iter().map(|row| if compat { steps } else { row.len() }).collect();
        let mut mask = Vec::with_capacity(rows.len() * steps);
        let mut ids = Vec::with_capacity(rows.len() * steps);
        for (row, &length) in rows.iter().zip(&lengths) {
            mask.extend((0..steps).map(|t| if t < length { 1f32 } else { 0.0 }));
            ids.extend((0..steps).map(|t| row.get(t).copied().unwrap_or(PAD_ID)));
        }
        let ids = Tensor::from_vec(ids, rows.len() * steps, &self.device)?;
        let mask =
            Tensor::from_vec(mask, (rows.len(), steps, 1), &self.device)?.to_dtype(self.words.dtype())?;
        Ok(Tokens { ids, mask, lengths })
    }

    fn pool(&self, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        if self.config.compat.is_some() {
            return Ok(states.narrow(1, states.dim(1)? - 1, 1)?.squeeze(1)?);
        }
        match self.config.pooling {
            Pooling::Max => {
                // Padding is pushed below every state, which lies in (-1, 1).
                let floor = mask.affine(2.0, -2.0)?; // 0 at words, -2 at padding
                Ok(states.broadcast_add(&floor)?.max(1)?)
            }
            Pooling::Mean => Ok(states.sum(1)?.broadcast_div(&mask.sum(1)?)?),
            Pooling::Last => {
                let hidden = self.config.hidden_size;
                let (_, steps, _) = states.dims3()?;
                // 1 at the last word: this step is real and the next is not.
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
        let Tokens { ids, mask, lengths } = self.tokens(captions)?;
        let (batch, steps, _) = mask.dims3()?;
        let words = self.words.index_select(&ids, 0)?.reshape((batch, steps, self.config.embedding_size))?;
        // T2F's padding vector is a constant zero.
        let words =
            if self.config.compat.is_some() { words.broadcast_mul(&real(&ids, &mask)?)? } else { words };
        let states = self.lstm.forward(&words, &lengths, &mask)?; // (B, T, D·H)
        self.pool(&states, &mask)
    }

    fn embedding_size(&self) -> usize {
        self.config.hidden_size * if self.config.bidirectional { 2 } else { 1 }
    }

    fn unknown_words(&self, caption: &str) -> Result<Vec<String>> {
        self.tokenizer.unknown_words(caption)
    }
}

/// 1 where the id is not padding, in the shape of `mask`.
fn real(ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
    Ok(ids.ne(PAD_ID)?.to_dtype(mask.dtype())?.reshape(mask.shape())?)
}

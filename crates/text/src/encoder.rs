//! The trait of text encoders, and the LSTM encoder.

use candle_core::{D, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

use crate::config::{LstmConfig, Pooling};
use crate::error::{Error, Result};
use crate::lstm::Lstm;
use crate::subwords::Subwords;
use crate::tokenizer::{PAD_ID, Tokenizer, UNKNOWN_ID};
use crate::vocabulary::Vocabulary;
use crate::word_vectors::WORD_VECTORS;

/// A text encoder: captions to embeddings.
///
/// An encoder owns its tokenizer and its parameters. The `VarBuilder` that builds it decides whether the
/// parameters are trainable.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use t2f_text::{Result, TextEncoder};
///
/// /// The lengths of a caption, in words and in letters.
/// #[derive(Debug)]
/// struct Lengths;
///
/// impl TextEncoder for Lengths {
///     fn encode(&self, captions: &[String]) -> Result<Tensor> {
///         let row = |text: &String| [text.split_whitespace().count() as f32, text.chars().count() as f32];
///         let rows: Vec<f32> = captions.iter().flat_map(row).collect();
///         Ok(Tensor::from_vec(rows, (captions.len(), 2), &Device::Cpu)?)
///     }
///     fn embedding_size(&self) -> usize {
///         2
///     }
///     fn unknown_words(&self, _caption: &str) -> Result<Vec<String>> {
///         Ok(Vec::new())
///     }
/// }
///
/// assert_eq!(Lengths.encode(&["a bald man".into()])?.dims(), [1, Lengths.embedding_size()]);
/// # t2f_text::Result::Ok(())
/// ```
pub trait TextEncoder: Send + Sync + std::fmt::Debug {
    /// The embeddings of captions.
    ///
    /// # Shapes
    /// The result is `(B, E)`.
    ///
    /// # Errors
    /// If there are no captions, or the device fails. Every text has an embedding.
    fn encode(&self, captions: &[String]) -> Result<Tensor>;

    /// The embedding size E.
    fn embedding_size(&self) -> usize;

    /// The unknown words of a caption, in order, once each.
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn unknown_words(&self, caption: &str) -> Result<Vec<String>>;

    /// Whether unknown words contribute to the embedding, by their letters; otherwise, the default, they are
    /// ignored.
    fn reads_unknown_words(&self) -> bool {
        false
    }

    /// The words at the end of a caption that are not read, in order, since the caption has more than the
    /// maximum length. An encoder without a maximum returns none, the default.
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn cut_words(&self, _caption: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The text encoder, `[text]`; `kind` selects it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TextConfig {
    /// A word-level LSTM, trained with the other networks.
    Lstm(LstmConfig),
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
        let Self::Lstm(config) = self;
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

    /// Trains the tokenizer on the training captions.
    ///
    /// # Errors
    /// If `vocabulary_size` is below 3.
    pub fn train_tokenizer<S: AsRef<str>>(&self, captions: impl IntoIterator<Item = S>) -> Result<Tokenizer> {
        let Self::Lstm(config) = self;
        Tokenizer::train(captions, config.min_frequency, config.vocabulary_size, config.compat)
    }

    /// The maximum number of words of a caption.
    pub fn max_length(&self) -> usize {
        let Self::Lstm(config) = self;
        config.max_length
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
        let Self::Lstm(config) = self;
        Vocabulary::count(config, train, others)
    }

    /// Builds the encoder on parameters from `vb`.
    ///
    /// # Errors
    /// If a setting is out of range or a parameter is missing.
    pub fn build(&self, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Box<dyn TextEncoder>> {
        self.check()?;
        let Self::Lstm(config) = self;
        Ok(Box::new(LstmEncoder::new(config, tokenizer, vb)?))
    }
}

/// A word of a caption.
struct Token {
    word: String,
    id: u32,
}

/// Padded captions.
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

    /// Vectors and mask, padded to the longest caption (to `max_length` in `compat`).
    ///
    /// Unknown words are ignored (in `compat` they share one id; with `subwords` they have the vectors of their
    /// n-grams). A caption without known words has the token of unknown words, so that it has an embedding.
    fn tokens(&self, captions: &[String]) -> Result<Tokens> {
        let compat = self.config.compat.is_some();
        let ignored = !compat && self.subwords.is_none();
        let mut rows = Vec::with_capacity(captions.len());
        for caption in captions {
            let words = self.tokenizer.words(caption)?.into_iter().take(self.config.max_length);
            let mut row: Vec<Token> =
                words.map(|word| Token { id: self.tokenizer.id(&word), word }).collect();
            if ignored {
                row.retain(|token| token.id != UNKNOWN_ID);
            }
            if row.is_empty() {
                row.push(Token { word: String::new(), id: UNKNOWN_ID });
            }
            rows.push(row);
        }
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let steps = if compat { self.config.max_length } else { longest };
        let lengths: Vec<usize> = rows.iter().map(|row| if compat { steps } else { row.len() }).collect();
        let mut mask = Vec::with_capacity(rows.len() * steps);
        let mut ids = Vec::with_capacity(rows.len() * steps);
        let mut words = Vec::with_capacity(rows.len() * steps);
        for (row, &length) in rows.iter().zip(&lengths) {
            mask.extend((0..steps).map(|t| if t < length { 1f32 } else { 0.0 }));
            ids.extend((0..steps).map(|t| row.get(t).map_or(PAD_ID, |token| token.id)));
            words.extend((0..steps).map(|t| row.get(t).map_or("", |token| &token.word)));
        }
        let ids = Tensor::from_vec(ids, words.len(), &self.device)?;
        let of_each = |x: &Tensor, features| x.reshape((rows.len(), steps, features));
        let mask =
            of_each(&Tensor::from_vec(mask, words.len(), &self.device)?, 1)?.to_dtype(self.words.dtype())?;
        let mut vectors = self.words.index_select(&ids, 0)?; // (B·T, W)
        // T2F's padding vector is a constant zero, and so is the vector of an unknown word beside its n-grams.
        let without = if compat { Some(PAD_ID) } else { self.subwords.as_ref().map(|_| UNKNOWN_ID) };
        if let Some(id) = without {
            vectors = vectors.broadcast_mul(&ids.ne(id)?.to_dtype(vectors.dtype())?.unsqueeze(1)?)?;
        }
        if let Some(subwords) = &self.subwords {
            vectors = vectors.add(&subwords.of(&words)?)?;
        }
        Ok(Tokens { vectors: of_each(&vectors, self.config.embedding_size)?, mask, lengths })
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
        let Tokens { vectors, mask, lengths } = self.tokens(captions)?;
        let states = self.lstm.forward(&vectors, &lengths, &mask)?; // (B, T, D·H)
        self.pool(&states, &mask)
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

    fn cut_words(&self, caption: &str) -> Result<Vec<String>> {
        self.tokenizer.cut_words(caption, self.config.max_length)
    }
}

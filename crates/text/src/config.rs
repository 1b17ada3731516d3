//! The settings of the LSTM encoder.

use serde::{Deserialize, Serialize};

use crate::compat::Compat;
use crate::subwords::SubwordConfig;

/// The default of `max_length`: longer than a caption that a person writes.
const MAX_LENGTH: usize = 1000;
/// T2F's `captions_length`.
const T2F_MAX_LENGTH: usize = 100;

/// The settings of the LSTM encoder, `[text]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Settings")]
pub struct LstmConfig {
    /// Size of a word vector; default 128, at least 1.
    pub embedding_size: usize,
    /// Size of the hidden state of a direction; default 128, at least 1. E is twice that with two directions.
    pub hidden_size: usize,
    /// Number of layers; default 1, at least 1.
    pub layers: usize,
    /// Whether the LSTM has a backward direction; default true.
    pub bidirectional: bool,
    /// Pooling of the states of a caption; default `max`.
    pub pooling: Pooling,
    /// Maximum number of words of a caption, at least 1; later words are not read. Default 1000; with
    /// `compat` 100, T2F's `captions_length`.
    pub max_length: usize,
    /// Minimum number of occurrences of a word in the training captions; default 1.
    pub min_frequency: usize,
    /// Maximum number of ids; default 10000, at least 3.
    pub vocabulary_size: usize,
    /// Another program whose encoding is reproduced, with its fault. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
    /// The character n-grams of words, so that unknown words are read by their letters. Without it, the
    /// default, unknown words are ignored. Not with `compat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subwords: Option<SubwordConfig>,
}

/// Pooling of states into one vector; padding is excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The maximum of each feature over the words (InferSent, arXiv:1705.02364).
    #[default]
    Max,
    /// The mean over the words.
    Mean,
    /// The forward state after the last word, and the backward state after the first.
    Last,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            embedding_size: 128,
            hidden_size: 128,
            layers: 1,
            bidirectional: true,
            pooling: Pooling::Max,
            max_length: MAX_LENGTH,
            min_frequency: 1,
            vocabulary_size: 10_000,
            compat: None,
            subwords: None,
        }
    }
}

/// The settings as a file has them: the default of `max_length` depends on `compat`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    embedding_size: usize,
    hidden_size: usize,
    layers: usize,
    bidirectional: bool,
    pooling: Pooling,
    max_length: Option<usize>,
    min_frequency: usize,
    vocabulary_size: usize,
    compat: Option<Compat>,
    subwords: Option<SubwordConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        let LstmConfig {
            embedding_size,
            hidden_size,
            layers,
            bidirectional,
            pooling,
            max_length: _,
            min_frequency,
            vocabulary_size,
            compat,
            subwords,
        } = LstmConfig::default();
        let max_length = None;
        Self {
            embedding_size,
            hidden_size,
            layers,
            bidirectional,
            pooling,
            max_length,
            min_frequency,
            vocabulary_size,
            compat,
            subwords,
        }
    }
}

impl From<Settings> for LstmConfig {
    fn from(settings: Settings) -> Self {
        let Settings {
            embedding_size,
            hidden_size,
            layers,
            bidirectional,
            pooling,
            max_length,
            min_frequency,
            vocabulary_size,
            compat,
            subwords,
        } = settings;
        let max_length = max_length.unwrap_or(match compat {
            None => MAX_LENGTH,
            Some(Compat::T2f) => T2F_MAX_LENGTH,
        });
        Self {
            embedding_size,
            hidden_size,
            layers,
            bidirectional,
            pooling,
            max_length,
            min_frequency,
            vocabulary_size,
            compat,
            subwords,
        }
    }
}

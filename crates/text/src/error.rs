//! The errors of this crate.

use t2f_ops::setting::SettingError;

/// An error of a text encoder, its tokenizer, or their configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A list of captions is empty.
    #[error("there are no captions to encode, expected at least one")]
    NoCaptions,
    /// A tokenizer cannot be trained, read, or applied.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The folder of a sentence encoder is of another kind, or a file of it is missing or damaged.
    #[error("sentence encoder: {0}")]
    Sentence(String),
    /// A tensor operation failed: shapes, devices, memory.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

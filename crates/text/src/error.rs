//! What can go wrong with text.

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the configuration is out of range.
    #[error("text.{field} is {value}, expected {expected}")]
    Setting {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A tokenizer cannot be made or read.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The device or an operator failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

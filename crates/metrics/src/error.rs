//! The errors of this crate.

/// A metric that cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value outside its range.
    #[error("{0}")]
    Config(String),
    /// Input that does not fit the metric.
    #[error("{0}")]
    State(String),
    /// The data or the tools that a metric needs are not there.
    #[error("{0}")]
    Unavailable(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] t2f_files::Error),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] t2f_data::Error),
    /// A caption cannot be encoded.
    #[error(transparent)]
    Text(#[from] t2f_text::Error),
    /// A network cannot be built.
    #[error(transparent)]
    Gan(#[from] t2f_gan::Error),
    /// The device or an operator failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// The generator failed.
    #[error(transparent)]
    Generator(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error about a file.
    pub fn file(path: impl Into<std::path::PathBuf>, error: impl Into<t2f_files::Cause>) -> Self {
        Self::File(t2f_files::Error::new(path, error))
    }
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

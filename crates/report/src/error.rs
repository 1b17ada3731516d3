//! Errors of reports.

use std::path::PathBuf;

/// A report that cannot be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder is not that of a run.
    #[error("{0} is not a run folder: it has no config.toml")]
    NotARun(PathBuf),
    /// The arguments contradict each other.
    #[error("{0}")]
    Runs(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] t2f_files::Error),
    /// The configuration, a checkpoint or the model of a run cannot be read.
    #[error(transparent)]
    Train(#[from] t2f_train::Error),
    /// A picture cannot be read or made.
    #[error(transparent)]
    Picture(#[from] t2f_pictures::Error),
    /// The nearest training images cannot be found.
    #[error(transparent)]
    Metric(#[from] t2f_metrics::Error),
    /// The data of a run cannot be read.
    #[error(transparent)]
    Data(#[from] t2f_data::Error),
    /// A table or a notebook cannot be encoded.
    #[error("{what} cannot be written: {reason}")]
    Encoding {
        /// The file.
        what: &'static str,
        /// The fault.
        reason: String,
    },
}

impl Error {
    pub(crate) fn encoding(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Encoding { what, reason: reason.to_string() }
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

//! What can be wrong with data.

use std::path::PathBuf;

use crate::preflight::PreflightReport;

/// Anything that keeps a dataset from being opened or an example from being read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An index beyond the end of a dataset.
    #[error("image {index} was asked of `{dataset}`, which holds {len}")]
    OutOfRange {
        /// The dataset's short name.
        dataset: String,
        /// The index that was asked for.
        index: usize,
        /// The number of images there are.
        len: usize,
    },
    /// A file that cannot be used, with the cause in words.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what was expected.
        reason: String,
    },
    /// A setting outside its range, or settings that contradict each other.
    #[error("`{field}` is {value}: expected {expected}")]
    Setting {
        /// The name of the setting.
        field: &'static str,
        /// The value it has.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A dataset that cannot serve the request made of it.
    #[error("dataset `{dataset}`: {reason}")]
    Dataset {
        /// The dataset's short name.
        dataset: String,
        /// What is wrong.
        reason: String,
    },
    /// A dataset of files too many of which cannot be used.
    #[error("dataset `{dataset}`: {reason}")]
    Refused {
        /// The dataset's short name.
        dataset: String,
        /// How many of how many, and some of them.
        reason: String,
        /// What was found when the files were checked, each bad one among it.
        report: Box<PreflightReport>,
    },
    /// A name that is not in the vocabulary of the procedural faces.
    #[error("unknown {what} `{name}`: expected one of {expected}")]
    UnknownName {
        /// `factor` or `value of <factor>`.
        what: String,
        /// The name that was found.
        name: String,
        /// The names there are, separated by commas.
        expected: String,
    },
    /// A prefetching thread that ended without an answer.
    #[error("a prefetching thread stopped before it delivered its batch")]
    WorkerStopped,
    /// A tensor that could not be made.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }
}

//! The errors of this crate.

use std::path::PathBuf;

use t2f_ops::setting::SettingError;

use crate::preflight::PreflightReport;

/// A failure to open a data set or to read an example.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An index beyond the end of a data set.
    #[error("`{dataset}` has no image {index}, expected an index below {len}")]
    OutOfRange {
        /// The short name of the data set.
        dataset: String,
        /// The requested index.
        index: usize,
        /// The number of images.
        len: usize,
    },
    /// A file that cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The fault, and what was expected.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting out of range, or settings that do not fit one another.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Attributes, values or claims that do not fit the schema of their data set.
    #[error("schema: {reason}")]
    Schema {
        /// The fault, and what was expected.
        reason: String,
    },
    /// A data set that cannot serve a request.
    #[error("data set `{dataset}`: {reason}")]
    Dataset {
        /// The short name of the data set.
        dataset: String,
        /// The fault.
        reason: String,
    },
    /// A data set of files of which too many cannot be used.
    #[error("data set `{dataset}`: {reason}")]
    Refused {
        /// The short name of the data set.
        dataset: String,
        /// The number of unusable files, and some of them.
        reason: String,
        /// The result of the check, with every unusable file.
        report: Box<PreflightReport>,
    },
    /// A name that is not in a schema.
    #[error("unknown {what} `{name}`: expected one of {expected}")]
    UnknownName {
        /// `attribute` or `value of <attribute>`.
        what: String,
        /// The unknown name.
        name: String,
        /// The known names, separated by commas.
        expected: String,
    },
    /// A prefetching thread that ended without its batch.
    #[error("a prefetching thread ended before it delivered its batch")]
    WorkerStopped,
    /// A failure to make a tensor.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::File { path: path.into(), source: source.into() }
    }
}

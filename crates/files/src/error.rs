//! The error of this crate.

use std::path::PathBuf;

/// A file that cannot be read or written, or whose content is not as expected.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
#[non_exhaustive]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The fault.
    pub message: String,
}

impl Error {
    /// An error about a file.
    pub fn new(path: impl Into<PathBuf>, error: impl std::fmt::Display) -> Self {
        Self { path: path.into(), message: error.to_string() }
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

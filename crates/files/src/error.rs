//! The error of this crate.

use std::path::PathBuf;

/// The cause of an error about a file.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A file that cannot be read or written, or whose content is not as expected.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
#[non_exhaustive]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The fault.
    pub source: Cause,
}

impl Error {
    /// An error about a file: another error, or a message.
    pub fn new(path: impl Into<PathBuf>, source: impl Into<Cause>) -> Self {
        Self { path: path.into(), source: source.into() }
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_about_a_file_keeps_its_source() {
        let error = Error::new("a.png", std::io::Error::from(std::io::ErrorKind::NotFound));
        assert_eq!(error.to_string(), "a.png: entity not found");
        assert!(error.source().is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some()));
        assert_eq!(Error::new("a.png", "cut short").to_string(), "a.png: cut short");
    }
}

//! The error type.

use std::path::PathBuf;

/// An error of the dashboard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder that is not a run.
    #[error("{} is not a run folder: it has no config.toml", .0.display())]
    NoRun(PathBuf),
    /// The configuration of a run.
    #[error(transparent)]
    Train(#[from] t2f_train::Error),
    /// Statistics or samples.
    #[error(transparent)]
    Pictures(#[from] t2f_pictures::Error),
    /// The terminal.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// The result of the dashboard.
pub type Result<T> = std::result::Result<T, Error>;

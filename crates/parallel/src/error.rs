//! The errors of this crate.

/// An error of the communication between processes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The processes cannot be joined.
    #[error("{0}")]
    Start(String),
    /// Another process is lost.
    #[error("process {rank} of {size} cannot reach the others: {reason}")]
    Lost {
        /// This process.
        rank: usize,
        /// The number of processes.
        size: usize,
        /// The reason.
        reason: String,
    },
    /// Another process did not answer in time.
    #[error(
        "process {rank} of {size} has waited {seconds} s for the others: one of them is stopped or much slower"
    )]
    Stalled {
        /// This process.
        rank: usize,
        /// The number of processes.
        size: usize,
        /// The limit of time in seconds.
        seconds: u64,
    },
    /// The device failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

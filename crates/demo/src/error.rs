//! Errors of the demo as a program. What is wrong with a request is told to its client.

use std::io;
use std::net::SocketAddr;

/// A demo that cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be bound, in most cases since another program listens on the port.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        cause: io::Error,
    },
    /// The server failed.
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
    /// The thread of the server panicked.
    #[error("the thread of the server panicked")]
    Panicked,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

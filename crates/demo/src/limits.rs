//! Limits of requests and of the server.
//!
//! Limits of a single value, such as the length of a caption, are constants, and the OpenAPI document has
//! them. Limits of the server are [`Limits`], so that a test can lower them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The maximum number of characters of a caption.
pub const CAPTION_CHARACTERS: usize = 500;
/// The maximum number of captions of a request.
pub const CAPTIONS: usize = 2;
/// The maximum number of seeds of a request.
pub const SEEDS: usize = 16;
/// The largest seed, 2^53 - 1: every JSON reader keeps such a number exact (RFC 7493).
pub const LARGEST_SEED: u64 = (1 << 53) - 1;
/// The largest guidance scale.
pub const LARGEST_GUIDANCE: f64 = 20.0;
/// The number of frames of a walk.
pub const FRAMES: RangeInclusive<u64> = 2..=48;
/// The maximum number of bytes of a request's body: two captions in JSON's longest form, and the seeds.
pub const BODY_BYTES: usize = 16 << 10;
/// The maximum number of bytes of a request's header: an address with two captions in its longest form.
pub const HEADER_BYTES: usize = 32 << 10;

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests for the model at once, the one in work included; a further one is refused. Default 16.
    pub requests: usize,
    /// Connections at once; a further one is refused. Default 64.
    pub connections: usize,
    /// The maximum time of a request's header, and of an idle connection. Default 10 s.
    pub header_time: Duration,
    /// The maximum time of a request's body. Default 10 s.
    pub body_time: Duration,
    /// The maximum time without progress in which a client takes an answer. Default 10 s.
    pub write_time: Duration,
    /// The maximum time from a stop to the end, for requests in work. Default 5 s.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 16,
            connections: 64,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(10),
            stop_time: Duration::from_secs(5),
        }
    }
}

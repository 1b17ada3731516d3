//! What every handler of requests shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::facts::Facts;
use crate::limits::Limits;
use crate::worker::Queue;

/// The queue of the model, the model's facts, and the limits.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub queue: Queue,
    pub facts: Arc<Facts>,
    pub limits: Limits,
    /// The number of images generated since the start.
    pub images: Images,
}

/// A number of generated images.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images(Arc<AtomicU64>);

impl Images {
    /// Adds generated images.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The number of images.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! The training of the encoders of R-precision.

use serde::{Deserialize, Serialize};

/// The training of the encoders of images and captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalConfig {
    /// The most steps; default 1500.
    pub steps: usize,
    /// The most times that each image is shown, the limit for small sets; default 40.
    pub epochs: usize,
    /// The images of a step; default 64, at least 2.
    pub batch: usize,
    /// The step size of Adam; default 0.001.
    pub lr: f64,
    /// The seed of all random numbers; default 0.
    pub seed: u64,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self { steps: 1500, epochs: 40, batch: 64, lr: 1e-3, seed: 0 }
    }
}

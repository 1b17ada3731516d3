//! Returns to a checkpoint after a divergence.

use serde::{Deserialize, Serialize};

/// The factor of both learning rates at each return to a checkpoint.
pub const SLOWER: f64 = 0.5;

/// A return to the last good checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Steps taken when the training diverged.
    pub from_step: u64,
    /// Steps taken at the checkpoint that it returned to.
    pub to_step: u64,
    /// What was not finite.
    pub cause: String,
    /// What both learning rates of the configuration are multiplied by since.
    pub rate: f64,
}

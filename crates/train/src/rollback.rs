//! Returns to a checkpoint after a divergence.

use serde::{Deserialize, Serialize};

/// The factor of all learning rates at each rollback.
pub const SLOWER: f64 = 0.5;

/// A return to the last intact checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The step of the divergence.
    pub from_step: u64,
    /// The step of the checkpoint.
    pub to_step: u64,
    /// The cause of the divergence.
    pub cause: String,
    /// The factor of the configuration's learning rates since then.
    pub rate: f64,
}

//! The origin of a run that started from trained weights.

use serde::{Deserialize, Serialize};

/// The initial weights of a run, `[origin]` in `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The absolute path of the run, the checkpoint or the model file.
    pub path: String,
    /// The blake3 hash of the copied files of tensors, in hexadecimal: of the model file, or of
    /// `g_ema.safetensors` and `d_params.safetensors` in this order.
    pub hash: String,
    /// Images that were shown to them.
    pub images: u64,
}

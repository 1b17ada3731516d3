//! Programs whose treatment of text is reproduced.

use serde::{Deserialize, Serialize};

/// A program whose treatment of text is reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// akanimax/T2F: captions are split around every character that is no English letter, each is
    /// padded to `max_length`, the padding is read like words, and the state after it is the
    /// embedding. `pooling` is not used.
    T2f,
}

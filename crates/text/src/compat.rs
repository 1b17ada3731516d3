//! Programs whose encoding of text is reproduced.

use serde::{Deserialize, Serialize};

/// A program whose encoding of text is reproduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// akanimax/T2F: captions are split around every character that is not an English letter, and padded to
    /// `max_length`; padding is encoded like words, and the state after it is the embedding. `pooling` is
    /// not used.
    T2f,
}

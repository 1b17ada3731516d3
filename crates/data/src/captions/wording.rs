//! The phrases that a part of a data set may use.

/// The phrases that a caption may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wording {
    /// The phrases of training and validation.
    Common,
    /// Also the phrases that occur in the test splits alone.
    Full,
}

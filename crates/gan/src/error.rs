//! What can go wrong in this crate.

/// An error of a network, a loss, or their configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed: shapes, devices, memory.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// An option has a value outside its range, or contradicts another.
    #[error("{option} is {value}, expected {expected}")]
    Option {
        /// The faulty option's name.
        option: &'static str,
        /// Its value, as text.
        value: String,
        /// The values that are allowed.
        expected: String,
    },
    /// A loss was not given what it computes from.
    #[error("the {loss} loss needs {needed}")]
    Missing {
        /// The loss's name in a configuration.
        loss: &'static str,
        /// What was left out.
        needed: &'static str,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error unless `holds`.
pub(crate) fn check(
    holds: bool,
    option: &'static str,
    value: impl std::fmt::Display,
    expected: impl std::fmt::Display,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Option { option, value: value.to_string(), expected: expected.to_string() })
}

/// An error unless `value` is finite and at least 0, as weights and deviations are.
pub(crate) fn check_not_negative(option: &'static str, value: f64) -> Result<()> {
    check(value >= 0.0 && value.is_finite(), option, value, "a finite number, at least 0")
}

//! The errors of this crate.

/// An error of a network, a loss, or their configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// An input of a loss is missing.
    #[error("the {loss} loss needs {needed}")]
    Missing {
        /// The loss's name in a configuration.
        loss: &'static str,
        /// The missing input.
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
    if holds { Ok(()) } else { Err(refused(option, value, expected)) }
}

/// The error of an option with a value that is not allowed.
pub(crate) fn refused(
    option: &'static str,
    value: impl std::fmt::Display,
    expected: impl std::fmt::Display,
) -> Error {
    Error::Option { option, value: value.to_string(), expected: expected.to_string() }
}

/// An error unless `value` is finite and at least 0, as weights and deviations are.
pub(crate) fn check_not_negative(option: &'static str, value: f64) -> Result<()> {
    check(value >= 0.0 && value.is_finite(), option, value, "a finite number, at least 0")
}

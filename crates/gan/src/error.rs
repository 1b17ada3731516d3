//! The errors of this crate.

use std::fmt::Display;

use t2f_ops::scheduled::Scheduled;
use t2f_ops::setting::SettingError;

/// An error of a network, a loss, or their configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed: shapes, devices, memory.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A setting has a value outside its range, or contradicts another.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// An argument of a function has a size or a value that does not fit.
    #[error("{argument} is {value}, expected {expected}")]
    Argument {
        /// The argument.
        argument: &'static str,
        /// Its size or value.
        value: String,
        /// The accepted ones.
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

/// An error about a setting unless `holds`.
pub(crate) fn check(holds: bool, key: &str, value: impl Display, expected: impl Display) -> Result<()> {
    if holds { Ok(()) } else { Err(refused(key, value, expected)) }
}

/// The error of a setting with a value that is not allowed.
pub(crate) fn refused(key: &str, value: impl Display, expected: impl Display) -> Error {
    SettingError::new(key, value, expected.to_string()).into()
}

/// An error unless the setting `key` is finite and at least 0, as weights and deviations are.
pub(crate) fn check_not_negative(key: &str, value: f64) -> Result<()> {
    check(value >= 0.0 && value.is_finite(), key, value, "a finite number, at least 0")
}

/// As [`check_not_negative`], for a value that may change over a run.
pub(crate) fn check_scheduled(key: &str, value: Scheduled) -> Result<()> {
    let holds = value.all(|value| value >= 0.0 && value.is_finite());
    check(holds, key, value, "a finite number, at least 0")
}

/// An error about an argument unless `fits`.
pub(crate) fn check_argument(
    fits: bool,
    argument: &'static str,
    value: impl Display,
    expected: impl Display,
) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(Error::Argument { argument, value: value.to_string(), expected: expected.to_string() })
}

//! The one form of an error about a setting, shared by every crate that has a configuration.

use std::fmt;

/// A setting that is out of range or not set, or settings that do not fit one another.
///
/// ```
/// use t2f_ops::setting::SettingError;
///
/// let error = SettingError::new("loader.workers", 0, "at least 1");
/// assert_eq!(error.to_string(), "loader.workers is 0, expected at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The full path of the key, such as `data.split.seed`; two keys are joined by ` + `.
    pub key: String,
    /// The value of the key.
    pub value: String,
    /// The accepted values.
    pub expected: String,
}

impl SettingError {
    /// An error about one key.
    pub fn new(key: impl Into<String>, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.to_string(), expected: expected.into() }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for SettingError {}

//! The `[data.split]` table: the fractions of the parts.

use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

/// The fractions of the validation and the test part; the rest is for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// The share of people or images in the validation part. Default 0.1, from 0, below 1.
    pub validation_fraction: f64,
    /// The share in the test part. Default 0.1, from 0, below 1.
    pub test_fraction: f64,
    /// The seed of the split. Default 0.
    pub seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { validation_fraction: 0.1, test_fraction: 0.1, seed: 0 }
    }
}

impl SplitConfig {
    /// Checks that the fractions leave images for training.
    ///
    /// # Errors
    /// If they do not; the error names both keys.
    pub fn check(&self) -> Result<(), SettingError> {
        let (validation, test) = (self.validation_fraction, self.test_fraction);
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        if fraction(validation) && fraction(test) && validation + test < 1.0 {
            return Ok(());
        }
        Err(SettingError::new(
            "data.split.validation_fraction + data.split.test_fraction",
            format!("{validation} + {test}"),
            "two fractions from 0 that leave some images for training",
        ))
    }
}

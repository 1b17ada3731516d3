//! What can go wrong while training.

use std::path::PathBuf;

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration does not hold together.
    #[error("{0}")]
    Config(String),
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] t2f_ops::setting::SettingError),
    /// A configuration file or an override cannot be read.
    #[error("{source_name}: {message}")]
    Parse {
        /// The file, preset or override.
        source_name: String,
        /// Which key, and what was expected.
        message: String,
    },
    /// The device is unknown, not built in, or not there.
    #[error("device `{name}`: {reason}")]
    Device {
        /// As given.
        name: String,
        /// What is missing, or what is accepted.
        reason: String,
    },
    /// A loss or a gradient is not a number.
    #[error("the training diverged: {what} is {value}")]
    Diverged {
        /// The first tensor that is not finite.
        what: String,
        /// Its value.
        value: f32,
    },
    /// The training diverged, and this is where it stood.
    #[error("{cause} at step {step}{}", listed(.not_finite))]
    Divergence {
        /// What was found first.
        cause: String,
        /// Steps taken before.
        step: u64,
        /// Every tensor of the training that is not finite by then.
        not_finite: Vec<String>,
    },
    /// Saved state does not fit what it is loaded into.
    #[error("{0}")]
    State(String),
    /// A file cannot be read or written, or its content is not as expected.
    #[error(transparent)]
    File(#[from] t2f_files::Error),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] t2f_data::Error),
    /// A caption cannot be encoded.
    #[error(transparent)]
    Text(#[from] t2f_text::Error),
    /// A network cannot be built.
    #[error(transparent)]
    Gan(#[from] t2f_gan::Error),
    /// A picture cannot be drawn.
    #[error(transparent)]
    Picture(#[from] t2f_pictures::Error),
    /// A metric cannot be computed.
    #[error(transparent)]
    Metric(#[from] t2f_metrics::Error),
    /// The device or an operator failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An error about a file.
    pub fn file(path: impl Into<PathBuf>, error: impl std::fmt::Display) -> Self {
        Self::File(t2f_files::Error::new(path, error))
    }
}

impl From<Error> for t2f_metrics::Error {
    /// A generator that fails while it is measured.
    fn from(error: Error) -> Self {
        Self::Generator(Box::new(error))
    }
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

fn listed(not_finite: &[String]) -> String {
    const MOST: usize = 5;
    let more = match not_finite.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names: Vec<&str> = not_finite.iter().take(MOST).map(String::as_str).collect();
    if names.is_empty() { String::new() } else { format!("; not finite: {}{more}", names.join(", ")) }
}

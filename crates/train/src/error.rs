//! The errors of this crate.

use std::path::PathBuf;

/// An error of a configuration, a training, a checkpoint, or a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings or components contradict each other.
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
        /// The key and the expected value.
        message: String,
    },
    /// Settings that cannot change in a run differ from those of the run.
    #[error("{}", crate::config::refusal(.0))]
    Fixed(Vec<crate::config::Change>),
    /// The device is unknown, missing in the build, or not available.
    #[error("device `{name}`: {reason}")]
    Device {
        /// The given name.
        name: String,
        /// The missing feature or driver, or the accepted names.
        reason: String,
    },
    /// A loss, a gradient or a parameter is not finite.
    #[error("the training diverged: {what} is {value}")]
    Diverged {
        /// The first tensor that is not finite.
        what: String,
        /// Its value.
        value: f32,
    },
    /// The training diverged at a step.
    #[error("{cause} at step {step}{}", listed(.not_finite))]
    Divergence {
        /// The first tensor that is not finite, with its value.
        cause: String,
        /// The step.
        step: u64,
        /// Every tensor of the state that is not finite.
        not_finite: Vec<String>,
    },
    /// Saved state does not match the networks, or is invalid.
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
    /// A picture cannot be created.
    #[error(transparent)]
    Picture(#[from] t2f_pictures::Error),
    /// A metric cannot be computed.
    #[error(transparent)]
    Metric(#[from] t2f_metrics::Error),
    /// Another process of the training is lost.
    #[error(transparent)]
    Parallel(#[from] t2f_parallel::Error),
    /// The device or an operator failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An error about a file.
    pub fn file(path: impl Into<PathBuf>, error: impl Into<t2f_files::Cause>) -> Self {
        Self::File(t2f_files::Error::new(path, error))
    }
}

impl From<Error> for t2f_metrics::Error {
    /// A failed generation during a measurement.
    fn from(error: Error) -> Self {
        Self::Generator(Box::new(error))
    }
}

/// The result of everything in this crate that can fail.
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

//! The sections `[optimizer]` and `[output]` of a configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use t2f_ops::adam::AdamConfig;

/// The optimisers of both networks, `[optimizer]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The optimiser of the conditioning augmentation and the generator.
    pub generator: AdamConfig,
    /// The optimiser of the text encoder and the attribute prior; default as `generator`. Their weights are
    /// small and not equalized: updates at the generator's rate without momentum are mostly noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<AdamConfig>,
    /// The optimiser of the discriminator.
    pub discriminator: AdamConfig,
    /// The optimiser of the attribute classifier (`loss.attributes`) and the latent encoder
    /// (`loss.reconstruction`), whose weights are not equalized either.
    pub classifier: AdamConfig,
    /// Discriminator steps for each generator step, on the same images; default 1, at least 1.
    pub n_critic: usize,
    /// Whether the discriminator's loss, which contains the matching of text and image, also trains the text
    /// encoder; default true. In T2F only the generator's loss does.
    pub text_learns_from_discriminator: bool,
    /// Whether the moments are reset when a level begins, as in ProGAN; default false.
    pub reset_at_level: bool,
}

impl OptimizerConfig {
    /// The optimiser of the text encoder.
    pub fn text(&self) -> &AdamConfig {
        self.text.as_ref().unwrap_or(&self.generator)
    }

    /// The optimiser of a parameter of `g_params`, by its name.
    pub(crate) fn of_generator_side(&self, name: &str) -> AdamConfig {
        match name.split('.').next() {
            Some("text" | "prior") => *self.text(),
            Some("encoder") => self.classifier,
            _ => self.generator,
        }
    }

    /// The optimiser of a parameter of `d_params`, by its name.
    pub(crate) fn of_discriminator_side(&self, name: &str) -> AdamConfig {
        if name.starts_with("attributes.") { self.classifier } else { self.discriminator }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            generator: AdamConfig::default(),
            text: None,
            discriminator: AdamConfig::default(),
            classifier: AdamConfig { beta1: 0.9, ..AdamConfig::default() },
            n_critic: 1,
            text_learns_from_discriminator: true,
            reset_at_level: false,
        }
    }
}

/// The output of a run, `[output]`; periods are in thousands of images shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Period of the statistics; default 1, above 0.
    pub tick_kimg: f64,
    /// Period of the sample sheets; default 10, above 0.
    pub sample_kimg: f64,
    /// Period of the checkpoints; default 10, above 0.
    pub checkpoint_kimg: f64,
    /// Number of checkpoints to keep; default 3, at least 1.
    pub keep_checkpoints: usize,
    /// Captions on a sample sheet; default 24, at least 1.
    pub samples: usize,
    /// Period of the metrics during the run; default 0: none.
    pub metrics_kimg: f64,
    /// Captions of the validation part for these metrics, one image each; default 500, at least 4.
    pub metrics_images: usize,
    /// An oracle of the data's attributes for these metrics, as `t2f oracle train` writes it. Default: that of
    /// procedural faces, for which agreement needs the same attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle: Option<PathBuf>,
    /// Thousands of images without an improvement of any of these metrics after which the run warns; default
    /// 0: never.
    pub patience_kimg: f64,
    /// Whether the run then stops, with a checkpoint; default false.
    pub stop: bool,
    /// Whether the run also writes event files of TensorBoard; default false.
    pub tensorboard: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            tick_kimg: 1.0,
            sample_kimg: 10.0,
            checkpoint_kimg: 10.0,
            keep_checkpoints: 3,
            samples: 24,
            metrics_kimg: 0.0,
            metrics_images: 500,
            oracle: None,
            patience_kimg: 0.0,
            stop: false,
            tensorboard: false,
        }
    }
}

//! The names of custom components.

use serde::{Deserialize, Serialize};

/// The names of custom components, `[components]` in `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComponentNames {
    /// The data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The text encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// The discriminator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<String>,
    /// The adversarial loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Objectives in addition to those of the configuration, in the order of their terms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<String>,
}

impl ComponentNames {
    /// Whether every component comes from the configuration.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

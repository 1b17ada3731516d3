//! The divergence of the conditioning augmentation as a term of the generator's loss.

use serde::{Deserialize, Serialize};

use super::interface::{GeneratorInputs, Objective};
use crate::error::{Result, check_not_negative};
use crate::loss::LossTerms;

/// The weight of the divergence, `[loss.conditioning]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConditioningConfig {
    /// Weight of the divergence; default 2 (StackGAN-v2, which averages it), at least 0.
    pub kl_weight: f64,
}

impl Default for ConditioningConfig {
    fn default() -> Self {
        Self { kl_weight: 2.0 }
    }
}

/// `kl_weight · KL(N(mu, sigma²) ‖ N(0, 1))` of the text code: StackGAN §3.2 (arXiv:1612.03242).
#[derive(Clone, Copy, Debug)]
pub struct ConditioningObjective {
    config: ConditioningConfig,
}

impl ConditioningObjective {
    /// An objective of this weight.
    ///
    /// # Errors
    /// If the weight is negative or not finite.
    pub fn new(config: ConditioningConfig) -> Result<Self> {
        check_not_negative("loss.conditioning.kl_weight", config.kl_weight)?;
        Ok(Self { config })
    }
}

impl Objective for ConditioningObjective {
    fn name(&self) -> &str {
        "conditioning"
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        Ok(LossTerms::one("kl", inputs.conditioned.kl.affine(self.config.kl_weight, 0.0)?))
    }
}

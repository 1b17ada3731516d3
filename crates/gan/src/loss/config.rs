//! The choice of a loss, as a configuration file says it.

use serde::{Deserialize, Serialize};

use super::penalty::R1;
use super::{AdversarialLoss, Hinge, Logistic, Lsgan, RelativisticHinge, WganGp};
use crate::error::{Result, check_not_negative};

/// The choice of a loss and its weights.
///
/// `matching_aware` is common to all: whether the discriminator is also shown real images under
/// wrong texts. Default yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// Wasserstein distance with gradient penalty: T2F's and ProGAN's.
    WganGp {
        /// Weight of the gradient penalty. Default 10; at least 0.
        #[serde(default = "ten")]
        lambda: f64,
        /// Weight of the squared real scores, which keeps them near 0. Default 0.001; at least 0.
        #[serde(default = "thousandth")]
        drift: f64,
        /// See [`LossConfig`].
        #[serde(default = "yes")]
        matching_aware: bool,
    },
    /// Least squares to 1 for real and 0 for fake.
    Lsgan {
        /// See [`LossConfig`].
        #[serde(default = "yes")]
        matching_aware: bool,
    },
    /// Hinge at ±1, as SAGAN and DF-GAN, with an optional R1 penalty.
    Hinge {
        /// Weight of R1; 0 leaves it out. Default 0; at least 0.
        #[serde(default)]
        r1_gamma: f64,
        /// R1 is computed every so many steps, with so many times the weight. Default 16.
        #[serde(default = "sixteen")]
        r1_interval: u64,
        /// Noise (in units of an image's `[-1, 1]`) of the approximate R1 that needs no second
        /// derivative; 0 is the exact one. Default 0; useful 0.01 to 0.1.
        #[serde(default)]
        r1_sigma: f64,
        /// See [`LossConfig`].
        #[serde(default = "yes")]
        matching_aware: bool,
    },
    /// Hinge of each score against the mean score of the other side: pro_gan_pytorch's RaHinge.
    RelativisticHinge {
        /// As for `hinge`. Default 0.
        #[serde(default)]
        r1_gamma: f64,
        /// As for `hinge`. Default 16.
        #[serde(default = "sixteen")]
        r1_interval: u64,
        /// As for `hinge`. Default 0.
        #[serde(default)]
        r1_sigma: f64,
        /// See [`LossConfig`].
        #[serde(default = "yes")]
        matching_aware: bool,
    },
    /// Non-saturating logistic loss with R1: StyleGAN2's.
    Logistic {
        /// As for `hinge`. Default 10.
        #[serde(default = "ten")]
        r1_gamma: f64,
        /// As for `hinge`. Default 16.
        #[serde(default = "sixteen")]
        r1_interval: u64,
        /// As for `hinge`. Default 0.
        #[serde(default)]
        r1_sigma: f64,
        /// See [`LossConfig`].
        #[serde(default = "yes")]
        matching_aware: bool,
    },
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::WganGp { lambda: ten(), drift: thousandth(), matching_aware: true }
    }
}

impl LossConfig {
    /// Whether real images are also shown under wrong texts.
    pub fn matching_aware(&self) -> bool {
        match self {
            Self::WganGp { matching_aware, .. }
            | Self::Lsgan { matching_aware }
            | Self::Hinge { matching_aware, .. }
            | Self::RelativisticHinge { matching_aware, .. }
            | Self::Logistic { matching_aware, .. } => *matching_aware,
        }
    }

    /// Whether a penalty is differentiated twice, which keeps a larger graph.
    pub fn second_order(&self) -> bool {
        match *self {
            Self::WganGp { lambda, .. } => lambda > 0.0,
            Self::Lsgan { .. } => false,
            Self::Hinge { r1_gamma, r1_sigma, .. }
            | Self::RelativisticHinge { r1_gamma, r1_sigma, .. }
            | Self::Logistic { r1_gamma, r1_sigma, .. } => r1_gamma > 0.0 && r1_sigma == 0.0,
        }
    }

    /// Checks the ranges and builds the loss.
    ///
    /// # Errors
    /// If a weight is negative or not finite, or the interval is 0.
    pub fn build(&self) -> Result<Box<dyn AdversarialLoss>> {
        Ok(match *self {
            Self::WganGp { lambda, drift, matching_aware } => {
                check_not_negative("loss.lambda", lambda)?;
                check_not_negative("loss.drift", drift)?;
                Box::new(WganGp { lambda, drift, matching_aware })
            }
            Self::Lsgan { matching_aware } => Box::new(Lsgan { matching_aware }),
            Self::Hinge { r1_gamma, r1_interval, r1_sigma, matching_aware } => {
                Box::new(Hinge { r1: R1::new(r1_gamma, r1_interval, r1_sigma)?, matching_aware })
            }
            Self::RelativisticHinge { r1_gamma, r1_interval, r1_sigma, matching_aware } => {
                Box::new(RelativisticHinge { r1: R1::new(r1_gamma, r1_interval, r1_sigma)?, matching_aware })
            }
            Self::Logistic { r1_gamma, r1_interval, r1_sigma, matching_aware } => {
                Box::new(Logistic { r1: R1::new(r1_gamma, r1_interval, r1_sigma)?, matching_aware })
            }
        })
    }
}

fn ten() -> f64 {
    10.0
}

fn thousandth() -> f64 {
    0.001
}

fn sixteen() -> u64 {
    16
}

fn yes() -> bool {
    true
}

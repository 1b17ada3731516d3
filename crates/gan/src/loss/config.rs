//! The choice of an adversarial loss in a configuration.

use serde::{Deserialize, Serialize};

use super::adversarial::AdversarialLoss;
use super::hinge::Hinge;
use super::logistic::Logistic;
use super::lsgan::Lsgan;
use super::penalty::{R1, WithR1};
use super::relativistic_hinge::RelativisticHinge;
use super::wgan_gp::WganGp;
use crate::error::{Error, Result, check_not_negative, refused};

/// A loss of this crate: its name in configurations, how it is built, and the default weight of R1.
struct Choice {
    name: &'static str,
    build: fn(&AdversarialConfig) -> Box<dyn AdversarialLoss>,
    r1_gamma: f64,
}

/// Every loss of this crate. A new one is its file and its line here.
const LOSSES: [Choice; 5] = [
    Choice {
        name: WGAN_GP,
        build: |config| Box::new(WganGp { lambda: config.lambda, drift: config.drift }),
        r1_gamma: 0.0,
    },
    Choice { name: "lsgan", build: |_| Box::new(Lsgan), r1_gamma: 0.0 },
    Choice { name: "hinge", build: |_| Box::new(Hinge), r1_gamma: 0.0 },
    Choice { name: "relativistic-hinge", build: |_| Box::new(RelativisticHinge), r1_gamma: 0.0 },
    Choice { name: "logistic", build: |_| Box::new(Logistic), r1_gamma: 10.0 },
];

/// The name of the loss with a gradient penalty of its own.
const WGAN_GP: &str = "wgan-gp";

/// The adversarial loss, `[loss.adversarial]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct AdversarialConfig {
    /// `wgan-gp` (T2F's and ProGAN's), `lsgan`, `hinge`, `relativistic-hinge` (pro_gan_pytorch's RaHinge)
    /// or `logistic` (StyleGAN2's). Default `wgan-gp`.
    pub kind: String,
    /// Whether the discriminator also sees real images under false texts. Default yes.
    pub matching_aware: bool,
    /// Weight of the gradient penalty; `wgan-gp` only, others ignore it here and refuse it in a file.
    /// Default 10; at least 0.
    pub lambda: f64,
    /// Weight of the squared real scores, which keeps them near 0; `wgan-gp` only, as `lambda`. Default
    /// 0.001; at least 0.
    pub drift: f64,
    /// The R1 penalty.
    pub r1: R1Config,
}

/// The R1 penalty, `[loss.adversarial.r1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct R1Config {
    /// Weight; 0 leaves the penalty out. Default 10 for `logistic`, 0 for the others; at least 0.
    pub gamma: f64,
    /// Steps from one computation of the penalty to the next; its weight is multiplied by the interval.
    /// Default 16; at least 1.
    pub interval: u64,
    /// Noise (in units of an image's `[-1, 1]`) of the approximate R1 that needs no second derivative; 0
    /// is the exact one. Default 0; useful 0.01 to 0.1.
    pub sigma: f64,
}

/// The settings of a file, in which each may be left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    kind: Option<String>,
    matching_aware: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lambda: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<f64>,
    #[serde(default)]
    r1: R1Settings,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct R1Settings {
    gamma: Option<f64>,
    interval: Option<u64>,
    sigma: Option<f64>,
}

impl TryFrom<Settings> for AdversarialConfig {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self> {
        let kind = settings.kind.unwrap_or_else(|| WGAN_GP.into());
        let choice = choice(&kind)?;
        let of_wgan_gp = |option, value: Option<f64>| match value {
            Some(value) if kind != WGAN_GP => Err(refused(
                option,
                value,
                format_args!("no value: it is a weight of {WGAN_GP}, not of {kind}"),
            )),
            _ => Ok(()),
        };
        of_wgan_gp("loss.adversarial.lambda", settings.lambda)?;
        of_wgan_gp("loss.adversarial.drift", settings.drift)?;
        let r1 = R1Config {
            gamma: settings.r1.gamma.unwrap_or(choice.r1_gamma),
            interval: settings.r1.interval.unwrap_or(16),
            sigma: settings.r1.sigma.unwrap_or(0.0),
        };
        Ok(Self {
            kind,
            matching_aware: settings.matching_aware.unwrap_or(true),
            lambda: settings.lambda.unwrap_or(10.0),
            drift: settings.drift.unwrap_or(0.001),
            r1,
        })
    }
}

impl From<AdversarialConfig> for Settings {
    fn from(config: AdversarialConfig) -> Self {
        let AdversarialConfig { kind, matching_aware, lambda, drift, r1 } = config;
        let R1Config { gamma, interval, sigma } = r1;
        let of_wgan_gp = kind == WGAN_GP;
        Self {
            kind: Some(kind),
            matching_aware: Some(matching_aware),
            lambda: of_wgan_gp.then_some(lambda),
            drift: of_wgan_gp.then_some(drift),
            r1: R1Settings { gamma: Some(gamma), interval: Some(interval), sigma: Some(sigma) },
        }
    }
}

fn choice(kind: &str) -> Result<&'static Choice> {
    LOSSES.iter().find(|choice| choice.name == kind).ok_or_else(|| {
        let names = LOSSES.map(|choice| choice.name).join(", ");
        refused("loss.adversarial.kind", kind, format_args!("one of {names}"))
    })
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        let r1 = R1Config { gamma: 0.0, interval: 16, sigma: 0.0 };
        Self { kind: WGAN_GP.into(), matching_aware: true, lambda: 10.0, drift: 0.001, r1 }
    }
}

impl AdversarialConfig {
    /// A loss of this crate by its name, with its defaults.
    ///
    /// # Errors
    /// If the name is unknown; the message lists the known ones.
    pub fn named(kind: &str) -> Result<Self> {
        let gamma = choice(kind)?.r1_gamma;
        let default = Self::default();
        Ok(Self { kind: kind.into(), r1: R1Config { gamma, ..default.r1 }, ..default })
    }

    /// Whether a penalty is differentiated twice, which keeps a larger graph.
    pub fn second_order(&self) -> bool {
        (self.kind == WGAN_GP && self.lambda > 0.0) || (self.r1.gamma > 0.0 && self.r1.sigma == 0.0)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// If the kind is unknown, or a number is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        self.build().map(drop)
    }

    /// Checks the ranges and builds the loss with its penalties.
    ///
    /// # Errors
    /// If the kind is unknown, a weight is negative or not finite, or the interval is 0.
    pub fn build(&self) -> Result<Box<dyn AdversarialLoss>> {
        check_not_negative("loss.adversarial.lambda", self.lambda)?;
        check_not_negative("loss.adversarial.drift", self.drift)?;
        let choice = choice(&self.kind)?;
        self.with_r1((choice.build)(self))
    }

    /// Adds the configured R1 penalty to a loss.
    ///
    /// # Errors
    /// If a number of R1 is out of range.
    pub fn with_r1(&self, loss: Box<dyn AdversarialLoss>) -> Result<Box<dyn AdversarialLoss>> {
        let R1Config { gamma, interval, sigma } = self.r1;
        let r1 = R1::new(gamma, interval, sigma)?;
        Ok(if gamma > 0.0 { Box::new(WithR1 { loss, r1 }) } else { loss })
    }
}

//! The choice of an adversarial loss in a configuration.

use serde::{Deserialize, Serialize};
use t2f_ops::scheduled::Scheduled;

use super::adversarial::AdversarialLoss;
use super::hinge::Hinge;
use super::logistic::Logistic;
use super::lsgan::Lsgan;
use super::penalty::{Penalised, Penalty, PenaltyConfig};
use super::relativistic_hinge::RelativisticHinge;
use super::rpgan::RpGan;
use super::wgan_gp::WganGp;
use crate::error::{Error, Result, check_not_negative, refused};

/// A loss of this crate: its name in configurations, how it is built, and the default weight of R1.
struct Choice {
    name: &'static str,
    build: fn(&AdversarialConfig) -> Box<dyn AdversarialLoss>,
    r1_gamma: f64,
}

/// Every loss of this crate. A new one is its file and its line here.
const LOSSES: [Choice; 6] = [
    Choice {
        name: WGAN_GP,
        build: |config| Box::new(WganGp { lambda: config.lambda, drift: config.drift }),
        r1_gamma: 0.0,
    },
    Choice { name: "lsgan", build: |_| Box::new(Lsgan), r1_gamma: 0.0 },
    Choice { name: "hinge", build: |_| Box::new(Hinge), r1_gamma: 0.0 },
    Choice { name: "relativistic-hinge", build: |_| Box::new(RelativisticHinge), r1_gamma: 0.0 },
    Choice { name: "logistic", build: |_| Box::new(Logistic), r1_gamma: 10.0 },
    Choice { name: "rpgan", build: |_| Box::new(RpGan), r1_gamma: 0.0 },
];

impl Choice {
    /// The default of R1.
    fn r1(&self) -> PenaltyConfig {
        PenaltyConfig { gamma: self.r1_gamma.into(), ..PenaltyConfig::default() }
    }
}

/// The name of the loss with a gradient penalty of its own.
const WGAN_GP: &str = "wgan-gp";

/// The adversarial loss, `[loss.adversarial]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct AdversarialConfig {
    /// `wgan-gp` (T2F's and ProGAN's), `lsgan`, `hinge`, `relativistic-hinge` (pro_gan_pytorch's RaHinge),
    /// `logistic` (StyleGAN2's) or `rpgan` (R3GAN's). Default `wgan-gp`.
    pub kind: String,
    /// Whether the discriminator also sees real images under false texts. Default yes.
    pub matching_aware: bool,
    /// Weight of the gradient penalty; `wgan-gp` only, others ignore it here and refuse it in a file.
    /// Default 10; at least 0.
    pub lambda: f64,
    /// Weight of the squared real scores, which keeps them near 0; `wgan-gp` only, as `lambda`. Default
    /// 0.001; at least 0.
    pub drift: f64,
    /// R1, the penalty at real images.
    pub r1: PenaltyConfig,
    /// R2, the penalty at generated images. Default: none.
    pub r2: PenaltyConfig,
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
    r1: PenaltySettings,
    #[serde(default)]
    r2: PenaltySettings,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PenaltySettings {
    gamma: Option<Scheduled>,
    interval: Option<u64>,
    sigma: Option<f64>,
}

impl PenaltySettings {
    fn with_default(&self, default: PenaltyConfig) -> PenaltyConfig {
        PenaltyConfig {
            gamma: self.gamma.unwrap_or(default.gamma),
            interval: self.interval.unwrap_or(default.interval),
            sigma: self.sigma.unwrap_or(default.sigma),
        }
    }
}

impl From<PenaltyConfig> for PenaltySettings {
    fn from(PenaltyConfig { gamma, interval, sigma }: PenaltyConfig) -> Self {
        Self { gamma: Some(gamma), interval: Some(interval), sigma: Some(sigma) }
    }
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
        Ok(Self {
            kind,
            matching_aware: settings.matching_aware.unwrap_or(true),
            lambda: settings.lambda.unwrap_or(10.0),
            drift: settings.drift.unwrap_or(0.001),
            r1: settings.r1.with_default(choice.r1()),
            r2: settings.r2.with_default(PenaltyConfig::default()),
        })
    }
}

impl From<AdversarialConfig> for Settings {
    fn from(config: AdversarialConfig) -> Self {
        let AdversarialConfig { kind, matching_aware, lambda, drift, r1, r2 } = config;
        let of_wgan_gp = kind == WGAN_GP;
        Self {
            kind: Some(kind),
            matching_aware: Some(matching_aware),
            lambda: of_wgan_gp.then_some(lambda),
            drift: of_wgan_gp.then_some(drift),
            r1: r1.into(),
            r2: r2.into(),
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
        let none = PenaltyConfig::default();
        Self { kind: WGAN_GP.into(), matching_aware: true, lambda: 10.0, drift: 0.001, r1: none, r2: none }
    }
}

impl AdversarialConfig {
    /// A loss of this crate by its name, with its defaults.
    ///
    /// # Errors
    /// If the name is unknown; the message lists the known ones.
    pub fn named(kind: &str) -> Result<Self> {
        Ok(Self { kind: kind.into(), r1: choice(kind)?.r1(), ..Self::default() })
    }

    /// Whether a penalty is differentiated twice, which keeps a larger graph.
    pub fn second_order(&self) -> bool {
        let exact = |penalty: &PenaltyConfig| penalty.gamma.largest() > 0.0 && penalty.sigma == 0.0;
        (self.kind == WGAN_GP && self.lambda > 0.0) || exact(&self.r1) || exact(&self.r2)
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
        self.with_penalties((choice.build)(self))
    }

    /// Adds the configured penalties R1 and R2 to a loss.
    ///
    /// # Errors
    /// If a number of one of them is out of range.
    pub fn with_penalties(&self, loss: Box<dyn AdversarialLoss>) -> Result<Box<dyn AdversarialLoss>> {
        let r1 = Penalty::new("loss.adversarial.r1", self.r1)?;
        let r2 = Penalty::new("loss.adversarial.r2", self.r2)?;
        let some = self.r1.gamma.largest() > 0.0 || self.r2.gamma.largest() > 0.0;
        Ok(if some { Box::new(Penalised { loss, r1, r2 }) } else { loss })
    }
}

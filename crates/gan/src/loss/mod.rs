//! Adversarial losses: from scores to a scalar for the discriminator and one for the generator.
//!
//! One file a loss, each a formula on scores. [`AdversarialConfig`] names them in a configuration;
//! its list in `config.rs` is the only other place that knows a loss. Only the penalties differentiate:
//! their value is a function of a gradient.
//!
//! **Matching-aware** (GAN-CLS, Reed et al., arXiv:1605.05396 §4.2): the discriminator also sees real
//! images under texts of other images. Fakes and mismatches then weigh one half each, so that the
//! loss does not change when all scores are shifted (T2F gives both weight 1, and its scores drift
//! until the drift term holds them). It is a property of the batch ([`Scores::mismatched`]), so that
//! every loss has it.

mod adversarial;
mod config;
mod hinge;
mod logistic;
mod lsgan;
pub mod penalty;
mod relativistic_hinge;
mod rpgan;
mod terms;
mod wgan_gp;

pub use adversarial::{AdversarialLoss, DiscriminatorBatch, Scores};
pub use config::AdversarialConfig;
pub use hinge::Hinge;
pub use logistic::Logistic;
pub use lsgan::Lsgan;
pub use penalty::PenaltyConfig;
pub use relativistic_hinge::RelativisticHinge;
pub use rpgan::RpGan;
pub use terms::LossTerms;
pub use wgan_gp::WganGp;

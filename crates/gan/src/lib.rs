//! Images ↔ scores: the progressively grown generator and discriminator of ProGAN
//! (arXiv:1710.10196), conditioned on a sentence embedding as T2F and StackGAN (arXiv:1612.03242)
//! do, and the adversarial losses that train them.
//!
//! The seams are three traits, each with one method or two: [`Generator`], [`Discriminator`] and
//! [`AdversarialLoss`]. [`GanConfig`] and [`LossConfig`] name the implementations in this crate and
//! build them. Fade-in lives in [`growth`].
//!
//! This crate never sees a string, reads no image file, and takes no optimiser step: losses are
//! tensors, and whoever trains differentiates them with `t2f_ops::grad`.
//!
//! Images are `(B, 3, H, W)` in `[-1, 1]` at every public function; inside, feature maps are
//! `(B, H, W, C)`.

pub mod attributes;
pub mod augment;
pub mod conditioning;
pub mod config;
pub mod contrast;
pub mod discriminator;
mod error;
pub mod generator;
pub mod growth;
pub mod image_encoder;
mod layers;
pub mod loss;
pub mod prior;
pub mod reconstruction;

pub use attributes::{AttributesConfig, Labels, PartialLabels};
pub use augment::{AdaController, AdaptiveConfig, AugmentConfig};
pub use conditioning::{Conditioned, ConditioningAugmentation, ConditioningKind};
pub use config::{Channels, Compat, ContrastConfig, GanConfig, Head, ParameterRow};
pub use discriminator::{Discriminator, GrowingDiscriminator};
pub use error::{Error, Result};
pub use generator::{Generator, GrowingGenerator};
pub use growth::Growth;
pub use image_encoder::ImageEncoder;
pub use loss::{
    AdversarialLoss, Condition, DiscriminatorBatch, DiscriminatorOutput, LossConfig, LossTerms, Scores,
};
pub use prior::AttributePrior;
pub use reconstruction::{EncodedLatent, LatentEncoder, ReconstructionConfig};

//! The networks and losses of the GAN: the progressively grown generator and discriminator of ProGAN
//! (arXiv:1710.10196), conditioned on a sentence embedding as T2F and StackGAN (arXiv:1612.03242)
//! do, adversarial losses, and auxiliary objectives.
//!
//! The extension points are four traits: [`Generator`], [`Discriminator`], [`AdversarialLoss`] and
//! [`Objective`]. [`GanConfig`] and [`LossConfig`] name the implementations in this crate and build
//! them. Fade-in is in [`growth`].
//!
//! This crate never sees a string of text, reads no image file, and takes no optimiser step: losses are
//! tensors, and the training loop differentiates them with `t2f_ops::grad`.
//!
//! Images are `(B, 3, H, W)` in `[-1, 1]` at every public function; inside, feature maps are
//! `(B, H, W, C)`.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use t2f_gan::{GanConfig, Growth};
//! use t2f_ops::init::Parameters;
//! use t2f_ops::rng::Key;
//!
//! let config = GanConfig { resolution: 8, channels: t2f_gan::Channels::Halving(4), ..GanConfig::default() };
//! let parameters = Parameters::drawn(Key::new(0));
//! let vb = parameters.builder(DType::F32, &Device::Cpu);
//! let generator = config.generator(&config.generator_shape(0)?, vb.pp("generator"))?;
//! let latent = Tensor::zeros((2, 256), DType::F32, &Device::Cpu)?;
//! let images = generator.forward(&latent, Growth { level: 1, alpha: 1.0 })?;
//! assert_eq!(images.dims(), [2, 3, 8, 8]);
//! # t2f_gan::Result::Ok(())
//! ```

pub mod augment;
pub mod conditioning;
pub mod config;
mod discriminator;
mod error;
mod generator;
pub mod growing;
pub mod growth;
mod image_encoder;
pub mod labels;
mod latent_encoder;
mod linear;
pub mod loss;
pub mod objective;
pub mod prior;

pub use augment::{AdaController, AdaptiveConfig, AugmentConfig, Overfitting, held_out_overfitting};
pub use conditioning::{Conditioned, ConditioningAugmentation, ConditioningKind};
pub use config::{Channels, GanConfig, LossConfig, ParameterRow};
pub use discriminator::{Discriminator, DiscriminatorShape};
pub use error::{Error, Result};
pub use generator::{Generator, GeneratorShape};
pub use growing::{Compat, GrowingDiscriminator, GrowingGenerator, Head, Resample};
pub use growth::Growth;
pub use image_encoder::ImageEncoder;
pub use labels::{Labels, PartialLabels};
pub use latent_encoder::{EncodedLatent, LatentEncoder};
pub use loss::{AdversarialConfig, AdversarialLoss, DiscriminatorBatch, LossTerms, PenaltyConfig, Scores};
pub use objective::{
    AttributesConfig, ConditioningConfig, ContrastConfig, DiscriminatorInputs, DriftingConfig,
    GeneratorInputs, Objective, ObjectiveContext, ReconstructionConfig,
};
pub use prior::AttributePrior;

//! The state of a training: the networks, their optimisers, the average and the ADA controller.

mod mean;
mod scores;
mod step;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use t2f_gan::{
    AdaController, AdversarialLoss, AugmentConfig, Discriminator, DiscriminatorShape, Growth, Objective,
    ObjectiveContext,
};
use t2f_ops::adam::Adam;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_text::Tokenizer;

use crate::checkpoint::{Checkpoint, Draft};
use crate::components::Components;
use crate::config::{Config, Precision};
use crate::ema::Ema;
use crate::error::Result;
use crate::pipeline::Pipeline;

pub use mean::Share;

/// The domain strings of the initial parameters, unchanged since version 0.1, so that a seed gives the same
/// networks.
const G_KEY: &str = "painting";
const D_KEY: &str = "judging";
/// The prefix of the names of the latent encoder's parameters.
const LATENT_ENCODER: &str = "encoder";

const G_PARAMS: &str = "g_params.safetensors";
/// The file of the discriminator's parameters in a checkpoint.
pub(crate) const D_PARAMS: &str = "d_params.safetensors";
/// The file of the averaged parameters in a checkpoint.
pub(crate) const G_EMA: &str = "g_ema.safetensors";
const G_OPTIMIZER: &str = "g_optimizer.safetensors";
const D_OPTIMIZER: &str = "d_optimizer.safetensors";

/// Named scalars of one step, still on the device.
pub type Losses = Vec<(String, Tensor)>;

/// The networks of a run, their optimisers and their average.
#[derive(Debug)]
pub struct TrainState {
    g_params: Parameters,
    d_params: Parameters,
    pipeline: Pipeline,
    pipeline_ema: Pipeline,
    discriminator: Box<dyn Discriminator>,
    frozen_discriminator: Box<dyn Discriminator>,
    loss: Box<dyn AdversarialLoss>,
    objectives: Vec<Box<dyn Objective>>,
    g_optimizer: Adam,
    d_optimizer: Adam,
    g_ema: Ema,
    augment: AugmentConfig,
    ada: AdaController,
    matching_aware: bool,
    labelled: bool,
    n_critic: u64,
    text_learns_from_discriminator: bool,
    device: Device,
}

/// The update counts of both optimisers' parameters, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptimizerSteps {
    /// Of `g_params`.
    pub g: BTreeMap<String, u64>,
    /// Of `d_params`.
    pub d: BTreeMap<String, u64>,
}

impl TrainState {
    /// The initial state of a run, from its seed. `attribute_sizes` are the numbers of values of the data's
    /// attributes ([`Schema::sizes`](t2f_data::attributes::Schema::sizes)).
    ///
    /// # Errors
    /// If the device fails, a component cannot be built, or sizes of the configuration do not match.
    pub fn new(
        config: &Config,
        components: &Components,
        tokenizer: &Tokenizer,
        attribute_sizes: &[usize],
        device: &Device,
    ) -> Result<Self> {
        config.precision.apply();
        let key = Key::new(config.seed).child("init");
        let (g_params, d_params) = (Parameters::drawn(key.child(G_KEY)), Parameters::drawn(key.child(D_KEY)));
        let g = g_params.builder(DType::F32, device);
        let pipeline = Pipeline::new(config, components, tokenizer, attribute_sizes, g.clone())?;
        let embedding_size = pipeline.text().embedding_size();
        let attribute_code = config.loss.attribute_code_size(attribute_sizes);
        let shape = config.gan.discriminator_shape(embedding_size, attribute_code)?;
        let shape = DiscriminatorShape { features: config.precision.dtype(device), ..shape };
        let (d, d_frozen) =
            (d_params.builder(DType::F32, device), d_params.frozen_builder(DType::F32, device));
        let discriminator = components.discriminator(config, &shape, d.clone())?;
        let context = ObjectiveContext {
            embedding_size,
            feature_channels: discriminator.feature_channels(),
            noise_size: config.gan.noise_size(),
            attribute_sizes,
            g,
            d,
            d_frozen: d_frozen.clone(),
        };
        let objectives = components.objectives(config, &context)?;
        let g_ema = Ema::new(&g_params, config.ema)?;
        let averaged = g_ema.parameters().frozen_builder(DType::F32, device);
        let exact = Config { precision: Precision::Fp32, ..config.clone() };
        Ok(Self {
            pipeline_ema: Pipeline::new(&exact, components, tokenizer, attribute_sizes, averaged)?,
            frozen_discriminator: components.discriminator(config, &shape, d_frozen)?,
            loss: components.loss(config)?,
            g_optimizer: Adam::by_name(&g_params, |name| config.optimizer.of_generator_side(name))?,
            d_optimizer: Adam::by_name(&d_params, |name| config.optimizer.of_discriminator_side(name))?,
            augment: config.augment,
            ada: AdaController::new(&config.augment),
            matching_aware: config.loss.adversarial.matching_aware,
            labelled: config.loss.attributes.active(attribute_sizes)
                || (components.has_objectives() && !attribute_sizes.is_empty()),
            n_critic: config.optimizer.n_critic as u64,
            text_learns_from_discriminator: config.optimizer.text_learns_from_discriminator,
            device: device.clone(),
            g_params,
            d_params,
            pipeline,
            discriminator,
            objectives,
            g_ema,
        })
    }

    /// The pipeline on trainable parameters.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The pipeline on averaged parameters, for samples and the model file.
    pub fn pipeline_ema(&self) -> &Pipeline {
        &self.pipeline_ema
    }

    /// The parameters of text encoder, conditioning augmentation, prior, generator and latent encoder.
    pub fn g_params(&self) -> &Parameters {
        &self.g_params
    }

    /// The parameters of the discriminator and of the objectives' heads.
    pub fn d_params(&self) -> &Parameters {
        &self.d_params
    }

    /// The optimiser of `g_params`.
    pub fn g_optimizer(&self) -> &Adam {
        &self.g_optimizer
    }

    /// The optimiser of `d_params`.
    pub fn d_optimizer(&self) -> &Adam {
        &self.d_optimizer
    }

    /// Both optimisers, `g_params` first, to change their state.
    pub fn optimizers_mut(&mut self) -> (&mut Adam, &mut Adam) {
        (&mut self.g_optimizer, &mut self.d_optimizer)
    }

    /// The average of `g_params`.
    pub fn g_ema(&self) -> &Ema {
        &self.g_ema
    }

    /// The controller of the augmentation probability.
    pub fn ada(&self) -> AdaController {
        self.ada
    }

    /// Sets the controller of the augmentation probability.
    pub(crate) fn set_ada(&mut self, ada: AdaController) {
        self.ada = ada;
    }

    /// The device of the networks.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The classes of the attributes of images, `(B, 3, R, R)`, by the first objective that classifies; `None`
    /// without one. See [`Objective::classify`].
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn classify(&self, images: &Tensor, at: Growth) -> Result<Option<Vec<Vec<u32>>>> {
        let features = self.frozen_discriminator.features(images, at)?;
        for objective in &self.objectives {
            if let Some(classes) = objective.classify(images, &features)? {
                return Ok(Some(classes.to_vec2()?));
            }
        }
        Ok(None)
    }

    /// Sets a factor of all learning rates of the configuration.
    pub fn scale_rates(&mut self, scale: f64) {
        self.g_optimizer.scale_rate(scale);
        self.d_optimizer.scale_rate(scale);
    }

    /// Sets the progress of the run, 0 to 1, for rates that change over it.
    fn set_progress(&mut self, progress: f64) {
        self.g_optimizer.set_progress(progress);
        self.d_optimizer.set_progress(progress);
    }

    /// Resets the moments of both optimisers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn reset_optimizers(&mut self) -> Result<()> {
        self.g_optimizer.reset()?;
        Ok(self.d_optimizer.reset()?)
    }

    /// The averaged parameters of the pipeline: the tensors of a model file.
    pub fn model(&self) -> BTreeMap<String, Tensor> {
        of_model(self.g_ema.tensors())
    }

    /// Every group of tensors of the state, with its file name in a checkpoint.
    pub fn tensors(&self) -> [(&'static str, BTreeMap<String, Tensor>); 5] {
        [
            (G_PARAMS, self.g_params.tensors()),
            (D_PARAMS, self.d_params.tensors()),
            (G_EMA, self.g_ema.tensors()),
            (G_OPTIMIZER, self.g_optimizer.tensors()),
            (D_OPTIMIZER, self.d_optimizer.tensors()),
        ]
    }

    /// The update counts of both optimisers.
    pub fn optimizer_steps(&self) -> OptimizerSteps {
        OptimizerSteps { g: self.g_optimizer.steps(), d: self.d_optimizer.steps() }
    }

    /// Adds every tensor of the state to a checkpoint.
    ///
    /// # Errors
    /// If one is not finite.
    pub fn save(&self, draft: &mut Draft) -> Result<()> {
        self.tensors().into_iter().try_for_each(|(file, tensors)| draft.tensors(file, &tensors))
    }

    /// Restores every tensor of a checkpoint, the update counts, and the augmentation probability.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    pub fn load(
        &mut self,
        checkpoint: &Checkpoint,
        steps: &OptimizerSteps,
        ada: Option<AdaController>,
    ) -> Result<()> {
        self.restore(|file| checkpoint.tensors(file), steps, ada)
    }

    /// As [`load`](Self::load), with the groups of [`tensors`](Self::tensors) by their file names.
    pub(crate) fn restore(
        &mut self,
        mut group: impl FnMut(&str) -> Result<BTreeMap<String, Tensor>>,
        steps: &OptimizerSteps,
        ada: Option<AdaController>,
    ) -> Result<()> {
        self.g_params.set(&group(G_PARAMS)?)?;
        self.d_params.set(&group(D_PARAMS)?)?;
        self.g_ema.load(&group(G_EMA)?)?;
        self.g_optimizer.load(&group(G_OPTIMIZER)?, &steps.g)?;
        self.d_optimizer.load(&group(D_OPTIMIZER)?, &steps.d)?;
        self.ada = ada.unwrap_or(self.ada);
        Ok(())
    }
}

/// The averaged parameters of the pipeline in a checkpoint: the tensors of a model file.
///
/// # Errors
/// If the checkpoint does not have them.
pub(crate) fn averaged(checkpoint: &Checkpoint) -> Result<BTreeMap<String, Tensor>> {
    Ok(of_model(checkpoint.tensors(G_EMA)?))
}

/// Averaged parameters without those of the latent encoder, which training alone uses.
fn of_model(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.retain(|name, _| name.split('.').next() != Some(LATENT_ENCODER));
    tensors
}

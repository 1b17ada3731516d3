//! One training step: the discriminator learns to tell, then the text encoder, the conditioning
//! augmentation and the generator learn to fool it. Nothing else in a run differentiates.
//!
//! Deviations from T2F, each with its reason:
//! - One batch of fakes serves both halves: drawn once with its graph, shown to the discriminator
//!   without it. T2F draws anew for the second half, at the price of another forward pass.
//! - The discriminator reads a detached embedding in the generator's half, so that the encoder is
//!   never trained to fool it (T2F's is); in its own half the encoder may learn with it
//!   (`optimizer.text_learns_from_discriminator`), which is where matching is learnt.
//! - With `gan.reconstruction` half of the fakes are drawn from noise that was read off the real images,
//!   and are also compared with these.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use t2f_data::Batch;
use t2f_gan::{
    AdaController, AdversarialLoss, AugmentConfig, Condition, Discriminator, DiscriminatorBatch,
    DiscriminatorOutput, EncodedLatent, Growth, LatentEncoder, LossTerms,
};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::norm::sum_of_squares;
use t2f_ops::rng::{self, Key};
use t2f_text::Tokenizer;

use crate::checkpoint::{Checkpoint, Draft};
use crate::config::Config;
use crate::ema::Ema;
use crate::error::{Error, Result};
use crate::labels::labels;
use crate::pipeline::{BuildTextEncoder, Pipeline};
use crate::schedule::Stage;
use t2f_ops::adam::{Adam, each};

/// The networks of a run, their optimisers and their average.
pub struct TrainState {
    /// Parameters of text encoder, conditioning augmentation, prior, generator and noise encoder.
    pub g_params: Parameters,
    /// Parameters of the discriminator.
    pub d_params: Parameters,
    /// The parts that draw.
    pub pipeline: Pipeline,
    /// The parts that draw, on averaged parameters: what samples and the model file hold.
    pub average: Pipeline,
    latent_encoder: Option<LatentEncoder>,
    discriminator: Box<dyn Discriminator>,
    frozen_discriminator: Box<dyn Discriminator>,
    /// Optimiser of `g_params`.
    pub g_optimizer: Adam,
    /// Optimiser of `d_params`.
    pub d_optimizer: Adam,
    /// Average of `g_params`.
    pub ema: Ema,
    loss: Box<dyn AdversarialLoss>,
    augment: AugmentConfig,
    /// Where the share of augmented images stands.
    pub augmented: AdaController,
    labelled: bool,
    kl_weight: f64,
    discriminator_steps: usize,
    text_learns_from_discriminator: bool,
    device: Device,
}

/// What the names of the noise encoder's parameters begin with.
const ENCODER: &str = "encoder";
const PAINTING: &str = "painter.safetensors";
const JUDGING: &str = "discriminator.safetensors";
const AVERAGE: &str = "average.safetensors";
const PAINTER_ADAM: &str = "g_optimizer.safetensors";
const JUDGE_ADAM: &str = "discriminator_adam.safetensors";

/// Named scalars of one step, still on the device.
pub type Losses = Vec<(String, Tensor)>;

impl TrainState {
    /// Draws fresh networks for a run from its seed.
    ///
    /// # Errors
    /// If the device fails or the configuration's sizes do not fit one another.
    pub fn new(config: &Config, tokenizer: &Tokenizer, device: &Device) -> Result<Self> {
        Self::with_text(config, tokenizer, device, &|tokenizer, vb| config.text.build(tokenizer, vb))
    }

    /// As [`new`](Self::new), with an encoder that the configuration has no name for.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if the encoder cannot be built.
    pub fn with_text(
        config: &Config,
        tokenizer: &Tokenizer,
        device: &Device,
        text: &BuildTextEncoder,
    ) -> Result<Self> {
        let paint = |vb: VarBuilder| Pipeline::with_text(config, text(tokenizer.clone(), vb.pp("text"))?, vb);
        let key = Key::new(config.seed).child("init");
        let g_params = Parameters::drawn(key.child("painting"));
        let d_params = Parameters::drawn(key.child("judging"));
        let pipeline = paint(g_params.builder(DType::F32, device))?;
        let latent_encoder = config.gan.latent_encoder(g_params.builder(DType::F32, device).pp(ENCODER))?;
        let embedding_size = pipeline.text.embedding_size();
        let sizes = config.data.attribute_sizes();
        let judge = |vb: VarBuilder| config.gan.discriminator(embedding_size, &sizes, vb);
        let discriminator = judge(d_params.builder(DType::F32, device))?;
        let frozen_discriminator = judge(d_params.frozen_builder(DType::F32, device))?;
        let ema = Ema::new(&g_params, config.ema)?;
        let average = paint(ema.parameters().frozen_builder(DType::F32, device))?;
        Ok(Self {
            g_optimizer: Adam::by_name(&g_params, |name| match name.split('.').next() {
                Some("text" | "prior") => *config.optimizer.text(),
                Some(ENCODER) => config.optimizer.reader,
                _ => config.optimizer.generator,
            })?,
            d_optimizer: Adam::by_name(&d_params, |name| {
                let reads = name.starts_with("attributes.");
                if reads { config.optimizer.reader } else { config.optimizer.discriminator }
            })?,
            loss: config.loss.build()?,
            augment: config.augment,
            augmented: AdaController::new(&config.augment),
            labelled: config.gan.attributes.read(&sizes),
            kl_weight: config.optimizer.kl_weight,
            discriminator_steps: config.optimizer.n_critic,
            text_learns_from_discriminator: config.optimizer.text_learns_from_discriminator,
            device: device.clone(),
            g_params,
            d_params,
            pipeline,
            average,
            latent_encoder,
            discriminator,
            frozen_discriminator,
            ema,
        })
    }

    /// Trains on one batch and returns the parts of both losses.
    ///
    /// `images_shown` is the progress before this batch, `key` the run's key.
    ///
    /// # Errors
    /// If a loss or a gradient is not finite. The half that it belongs to has changed no parameter
    /// then; where it is the generator's, the discriminator has taken its steps already, so that
    /// these networks are no longer those of before the call. A run goes on from its last
    /// checkpoint.
    pub fn step(
        &mut self,
        batch: &Batch,
        stage: &Stage,
        key: Key,
        step: u64,
        images_shown: u64,
    ) -> Result<Losses> {
        let at = Growth { level: stage.level, alpha: stage.alpha };
        let size = batch.captions.len();
        let key = key.child("step").at(step);
        let real = at.reals(&batch.images(&self.device)?)?;
        // Both halves see the embeddings as a leaf: the encoder is differentiated once, at the end.
        let Embedded { encoded, leaf, places, foreign } = self.embed(batch)?;
        let embedding = leaf.as_tensor().narrow(0, 0, size)?; // (B, E)
        let mismatched = leaf.as_tensor().index_select(&places, 0)?; // (B, E)
        let others = foreign.map(|rows| leaf.as_tensor().index_select(&rows, 0)).transpose()?; // (M, E)
        let latent_size = self.pipeline.generator.latent_size();
        let noise = rng::normal(key.child("noise"), (size, latent_size), DType::F32, &self.device)?;
        let again = self.latent_encoder.as_ref().map(|it| self.read_off(it, &real, &noise)).transpose()?;
        let noise = match &again {
            Some(read_off) => self.pipeline.with_latent_noise(&noise, &read_off.noise)?,
            None => noise,
        };
        let labels = self.labelled.then(|| labels(batch, key.child("labels"), &self.device)).transpose()?;
        let planned = self.pipeline.prior.as_ref().zip(labels.as_ref());
        let plan = planned.map(|(prior, labels)| prior.plan_of(&labels.shown)).transpose()?; // (B, P)
        let (conditioned, latent) = self.pipeline.latent(&embedding, &noise, plan.as_ref())?;
        let fake = self.pipeline.generator.forward(&latent, at)?; // (B, 3, H, W)
        let share = self.augmented.probability;
        // Every look of a discriminator changes its images anew.
        let seen = |images: &Tensor, player: &str, repeat: u64, which: &str| {
            let key = key.child("augment").child(player).at(repeat).child(which);
            self.augment.apply(images, share, key)
        };
        let mut losses = Losses::new();

        let held = |t: &Tensor| if self.text_learns_from_discriminator { t.clone() } else { t.detach() };
        let (own, learnt) = (held(&embedding), others.as_ref().map(held));
        let texts = Condition {
            embedding: &own,
            others: learnt.as_ref(),
            labels: labels.as_ref(),
            plan: plan.as_ref(),
        };
        let mut from_judging = None;
        for repeat in 0..self.discriminator_steps {
            let judged = |images: &Tensor, which: &str| seen(images, "discriminator", repeat as u64, which);
            let pair = DiscriminatorBatch {
                real: &judged(&real, "real")?,
                fake: &judged(&fake.detach(), "fake")?,
                texts,
                mismatched: Some(&held(&mismatched)),
                at,
                key: key.child("penalty").at(repeat as u64),
                step,
            };
            let DiscriminatorOutput { parts, scores } =
                self.loss.discriminator(self.discriminator.as_ref(), &pair)?;
            let total = parts.total()?;
            let mut grads = checked_gradients(&total, "discriminator", &self.d_params)?;
            self.d_optimizer.step(&grads)?;
            if repeat == 0 {
                record(&mut losses, "D", &parts, &total);
                let sign = scores.real.detach().sign()?.mean_all()?;
                if let Some(adaptive) = &self.augment.adaptive {
                    self.augmented.observe(adaptive, f64::from(sign.to_scalar::<f32>()?), size);
                    losses.push(("Progress/augment".into(), Tensor::new(share as f32, &self.device)?));
                }
                losses.push(("Loss/scores/real".into(), scores.real.detach().mean_all()?));
                losses.push(("Loss/scores/fake".into(), scores.fake.detach().mean_all()?));
                losses.push(("Loss/signs/real".into(), sign));
                from_judging = grads.remove(&leaf);
            }
        }

        let judge = self.frozen_discriminator.as_ref();
        let (drawn, beside) = (seen(&fake, "generator", 0, "fake")?, seen(&real, "generator", 0, "real")?);
        let (own, constant) = (embedding.detach(), others.map(|texts| texts.detach()));
        let texts = Condition { embedding: &own, others: constant.as_ref(), ..texts };
        let mut parts = self.loss.generator(judge, &drawn, Some(&beside), &texts, at)?;
        if let Some((encoder, read_off)) = self.latent_encoder.as_ref().zip(again.as_ref()) {
            parts.extend(encoder.loss(&fake, read_off)?);
        }
        parts.push("kl", conditioned.kl.affine(self.kl_weight, 0.0)?);
        if let Some((prior, labels)) = planned {
            parts.extend(prior.loss(&embedding, labels)?);
        }
        let total = parts.total()?;
        let mut grads = checked_gradients(&total, "generator", &self.g_params)?;
        let from_painting = grads.remove(&leaf);
        if let Some(gradient) = sum(from_painting, from_judging)? {
            let text =
                checked_gradients(&encoded.mul(&gradient)?.sum_all()?, "text encoder", &self.g_params)?;
            for (_, var) in self.g_params.vars() {
                if let Some(gradient) = text.get(&var) {
                    grads.insert(&var, gradient.clone());
                }
            }
        }
        self.g_optimizer.step(&grads)?;
        self.ema.update(size as u64, images_shown)?;
        record(&mut losses, "G", &parts, &total);
        Ok(losses)
    }

    /// Forgets the moments of both optimisers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn reset_optimizers(&mut self) -> Result<()> {
        self.g_optimizer.reset()?;
        Ok(self.d_optimizer.reset()?)
    }

    /// The averaged parameters that draw: what a model file holds.
    pub fn model(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = self.ema.tensors();
        tensors.retain(|name, _| name.split('.').next() != Some(ENCODER));
        tensors
    }

    /// Adds every tensor of the training to a checkpoint.
    ///
    /// # Errors
    /// If one is not finite.
    pub fn save(&self, draft: &mut Draft) -> Result<()> {
        draft.tensors(PAINTING, &self.g_params.tensors())?;
        draft.tensors(JUDGING, &self.d_params.tensors())?;
        draft.tensors(AVERAGE, &self.ema.tensors())?;
        draft.tensors(PAINTER_ADAM, &self.g_optimizer.tensors())?;
        draft.tensors(JUDGE_ADAM, &self.d_optimizer.tensors())
    }

    /// Puts every tensor of a checkpoint back; `g_steps` and `d_steps` are the counts
    /// that the optimisers gave.
    ///
    /// # Errors
    /// If a tensor is missing, left over or of another shape.
    pub fn load(
        &mut self,
        checkpoint: &Checkpoint,
        g_steps: &BTreeMap<String, u64>,
        d_steps: &BTreeMap<String, u64>,
    ) -> Result<()> {
        self.g_params.set(&checkpoint.tensors(PAINTING)?)?;
        self.d_params.set(&checkpoint.tensors(JUDGING)?)?;
        self.ema.load(&checkpoint.tensors(AVERAGE)?)?;
        self.g_optimizer.load(&checkpoint.tensors(PAINTER_ADAM)?, g_steps)?;
        Ok(self.d_optimizer.load(&checkpoint.tensors(JUDGE_ADAM)?, d_steps)?)
    }

    /// Noise for the first half of a batch, read off its real images.
    fn read_off(&self, encoder: &LatentEncoder, real: &Tensor, noise: &Tensor) -> Result<EncodedLatent> {
        let half = real.dim(0)?.div_ceil(2);
        let epsilon = self.pipeline.latent_noise(noise)?.narrow(0, 0, half)?;
        Ok(encoder.encode(&real.narrow(0, 0, half)?, &epsilon)?)
    }

    /// Embeddings of the captions, then of those mismatched ones that are none of them: mostly
    /// mismatches are captions of the same batch, and each text is encoded once.
    fn embed(&self, batch: &Batch) -> Result<Embedded> {
        let size = batch.captions.len();
        let mut texts = batch.captions.clone();
        let (mut places, mut foreign) = (Vec::with_capacity(size), Vec::new());
        for text in &batch.mismatched {
            let place = texts.iter().position(|other| other == text).unwrap_or_else(|| {
                // The whole of a caption that lost words is still its image's.
                if !batch.whole.contains(text) {
                    foreign.push(texts.len() as u32);
                }
                texts.push(text.clone());
                texts.len() - 1
            });
            places.push(place as u32);
        }
        let encoded = self.pipeline.text.encode(&texts)?;
        let leaf = Var::from_tensor(&encoded.detach())?;
        let rows = |rows: Vec<u32>| Tensor::new(rows, &self.device);
        let foreign = (!foreign.is_empty()).then(|| rows(foreign)).transpose()?;
        Ok(Embedded { encoded, leaf, places: rows(places)?, foreign })
    }
}

/// The texts of a batch, encoded: `(N, E)`, the first B of which are the captions.
struct Embedded {
    /// With the encoder's graph.
    encoded: Tensor,
    /// The same numbers, where that graph is cut.
    leaf: Var,
    /// For each image the row of the text that does not belong to it.
    places: Tensor,
    /// Rows of texts that belong to no image of the batch, `(M)`.
    foreign: Option<Tensor>,
}

fn record(losses: &mut Losses, network: &str, parts: &LossTerms, total: &Tensor) {
    losses.extend(parts.iter().map(|(name, value)| (format!("Loss/{network}/{name}"), value.detach())));
    losses.push((format!("Loss/{network}/total"), total.detach()));
}

/// Gradients of `loss`, after making sure that it and they are finite.
fn checked_gradients(loss: &Tensor, network: &str, parameters: &Parameters) -> Result<GradStore> {
    let value = loss.to_dtype(DType::F32)?.to_scalar::<f32>()?;
    if !value.is_finite() {
        return Err(Error::Diverged { what: format!("the loss of the {network}"), value });
    }
    let grads = gradients(loss)?;
    each(parameters.vars().into_iter(), |(name, var)| {
        let Some(gradient) = grads.get(&var) else { return Ok(()) };
        let norm = sum_of_squares(gradient)?;
        match norm.is_finite() {
            true => Ok(()),
            false => Err(Error::Diverged { what: format!("the gradient of {name}"), value: norm }),
        }
    })?;
    Ok(grads)
}

fn sum(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)?),
        (a, b) => a.or(b),
    })
}

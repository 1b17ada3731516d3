//! The training step: the discriminator's update, then the update of text encoder, conditioning
//! augmentation, prior and generator. No other code of a run computes gradients.
//!
//! Deviations from T2F, each with its reason:
//! - Both updates use the same generated images: the discriminator's update detaches them. T2F generates
//!   again for the generator's update, which costs another forward pass.
//! - The generator's update detaches the discriminator's condition, so that the text encoder is not
//!   trained to fool the discriminator, as it is in T2F. The discriminator's loss, which contains the
//!   matching of text and image, trains the encoder if `optimizer.text_learns_from_discriminator` is set.
//! - With `loss.reconstruction` the noise of half of the batch is inferred from the real images.

use candle_core::{DType, Device, Tensor, Var};
use t2f_data::Batch;
use t2f_gan::{
    Conditioned, DiscriminatorBatch, DiscriminatorInputs, EncodedLatent, GeneratorInputs, Growth, Labels,
    LossTerms, Overfitting, Scores,
};
use t2f_ops::grad::gradients;
use t2f_ops::rng::{self, Key};

use super::mean::{Part, Share};
use super::{Losses, TrainState};
use crate::error::{Error, Result};
use crate::labels::labels;
use crate::schedule::Stage;

impl TrainState {
    /// Trains on one batch and returns the terms of both losses.
    ///
    /// `images_shown` is the progress before this batch, `key` the run's key.
    ///
    /// # Errors
    /// If a loss or a gradient is not finite. That update changes no parameter; an error of the generator's
    /// update comes after the discriminator's. A run continues from its last checkpoint.
    pub fn step(
        &mut self,
        batch: &Batch,
        stage: &Stage,
        key: Key,
        step: u64,
        images_shown: u64,
    ) -> Result<Losses> {
        self.step_shared(&Share::whole(batch), stage, key, step, images_shown)
    }

    /// As [`step`](Self::step), for the micro-batches of this process. The losses are means over all
    /// micro-batches of the step, and parameters are afterwards the same on every process.
    ///
    /// With several micro-batches on this process the forward pass is computed again for the generator's
    /// update, so that the memory of a step is that of one micro-batch.
    ///
    /// # Errors
    /// As [`step`](Self::step), on every process alike; and if another process is lost.
    pub fn step_shared(
        &mut self,
        share: &Share,
        stage: &Stage,
        key: Key,
        step: u64,
        images_shown: u64,
    ) -> Result<Losses> {
        self.set_progress(stage.progress);
        let p = match self.augment.adaptive {
            Some(_) => self.ada.probability,
            None => self.augment.probability.at(stage.progress),
        };
        let context = StepContext { share, stage, key: key.child("step").at(step), step, p };
        let kept = if share.batches.len() == 1 { Some(self.forward(&context, 0)?) } else { None };
        let mut losses = Losses::new();
        let from_discriminator = self.discriminator_step(&context, kept.as_ref(), &mut losses)?;
        self.generator_step(&context, kept, from_discriminator, &mut losses)?;
        self.g_ema.update(share.images() as u64, images_shown, stage.progress)?;
        Ok(losses)
    }

    /// The shared forward pass of both updates for a micro-batch: texts, latents and generated images.
    fn forward(&self, context: &StepContext, number: usize) -> Result<Forward> {
        let StepContext { share, stage, p, .. } = *context;
        let (batch, key) = (&share.batches[number], context.key_of(number));
        let at = stage.growth();
        let real = at.reals(&batch.images(&self.device)?)?;
        let texts = self.embed(batch)?;
        let noise = context.noise(number, self.pipeline.generator().latent_size(), &self.device)?;
        let inferred = self.infer(&real, &self.pipeline.latent_noise(&noise)?)?;
        let noise = match &inferred {
            Some(inferred) => self.pipeline.with_latent_noise(&noise, &inferred.noise)?,
            None => noise,
        };
        let (labels, attribute_code) = self.labels_and_code(batch)?;
        let (conditioned, latent) =
            self.pipeline.latent(&texts.embedding, &noise, attribute_code.as_ref())?;
        let fake = self.pipeline.generator().forward(&latent, at)?; // (B, 3, R, R)
        let progress = stage.progress;
        Ok(Forward { real, fake, texts, inferred, labels, attribute_code, conditioned, at, key, p, progress })
    }

    /// The labels of a batch and the attribute code of its images, `(B, P)`, where configured.
    pub(super) fn labels_and_code(&self, batch: &Batch) -> Result<(Option<Labels>, Option<Tensor>)> {
        let labels = self.labelled.then(|| labels(batch, &self.device)).transpose()?;
        let prior = self.pipeline.prior().zip(labels.as_ref());
        let code = prior.map(|(prior, labels)| prior.code_of(&labels.shown)).transpose()?;
        Ok((labels, code))
    }

    /// Updates the discriminator and returns the gradient of the text embeddings of each micro-batch, if they
    /// are not detached. `kept` is the forward pass of the only micro-batch.
    fn discriminator_step(
        &mut self,
        context: &StepContext,
        kept: Option<&Forward>,
        losses: &mut Losses,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut from_discriminator = Vec::new();
        for repeat in 0..self.n_critic {
            let parts = (0..context.share.batches.len()).map(|number| {
                let computed;
                let forward = match kept {
                    Some(forward) => forward,
                    None => {
                        computed = self.forward(context, number)?;
                        &computed
                    }
                };
                let (part, of_texts) = self.discriminator_part(forward, context.step, repeat)?;
                if repeat == 0 {
                    from_discriminator.push(of_texts);
                }
                Ok(part)
            });
            let mean = context.share.mean(parts, &self.d_params, &self.device)?;
            let squares = mean.checked("Loss/D/total", "discriminator")?;
            self.d_optimizer.step_by_name(&mean.gradients)?;
            if repeat == 0 {
                self.observe_signs(&mean.losses, context.share.images())?;
                losses.extend(mean.losses);
                losses.push(norm("D", squares, &self.device)?);
            }
        }
        Ok(from_discriminator)
    }

    /// The losses of the discriminator for one micro-batch, their gradients, and that of the text embeddings.
    fn discriminator_part(
        &self,
        forward: &Forward,
        step: u64,
        repeat: u64,
    ) -> Result<(Part, Option<Tensor>)> {
        let texts =
            forward.texts.map(|t| if self.text_learns_from_discriminator { t.clone() } else { t.detach() });
        let condition = forward.condition(&texts.embedding)?;
        let mismatched = self.matching_aware.then(|| forward.condition(&texts.mismatched)).transpose()?;
        let real = self.augmented(&forward.real, forward, "discriminator", repeat, "real")?;
        let fake = self.augmented(&forward.fake.detach(), forward, "discriminator", repeat, "fake")?;
        let batch = DiscriminatorBatch {
            real: &real,
            fake: &fake,
            condition: &condition,
            mismatched: mismatched.as_ref(),
            at: forward.at,
            key: forward.key.child("penalty").at(repeat),
            step,
            progress: forward.progress,
        };
        let d = self.discriminator.as_ref();
        let features = d.features(&real, forward.at)?;
        let scores = Scores::of(d, &batch, &features)?;
        let mut terms = self.loss.discriminator_terms(&scores)?;
        let inputs = forward.discriminator_inputs(&texts, &real, &features);
        for objective in &self.objectives {
            terms.extend(objective.discriminator_terms(&inputs)?);
        }
        // A separate condition keeps the order of summation of the gradients of texts.
        let condition = forward.condition(&texts.embedding)?;
        let batch = DiscriminatorBatch { condition: &condition, ..batch };
        terms.extend(self.loss.penalties(d, &batch, &scores)?);
        let total = terms.total()?;
        let mut losses = Losses::new();
        record(&mut losses, "D", &terms, &total);
        self.record_scores(&scores, &mut losses)?;
        let mut grads = gradients(&total)?;
        let of_texts = grads.remove(&forward.texts.leaf);
        Ok((Part::new(losses, &grads, &self.d_params), of_texts))
    }

    /// Updates `g_params`; the gradient of the text embeddings from the discriminator's loss is added.
    fn generator_step(
        &mut self,
        context: &StepContext,
        mut kept: Option<Forward>,
        from_discriminator: Vec<Option<Tensor>>,
        losses: &mut Losses,
    ) -> Result<()> {
        let parts = from_discriminator.into_iter().enumerate().map(|(number, of_texts)| {
            let forward = match kept.take() {
                Some(forward) => forward,
                None => self.forward(context, number)?,
            };
            self.generator_part(&forward, of_texts)
        });
        let mean = context.share.mean(parts, &self.g_params, &self.device)?;
        let squares = mean.checked("Loss/G/total", "generator")?;
        self.g_optimizer.step_by_name(&mean.gradients)?;
        losses.extend(mean.losses);
        losses.push(norm("G", squares, &self.device)?);
        Ok(())
    }

    /// The losses of `g_params` for one micro-batch, and their gradients.
    fn generator_part(&self, forward: &Forward, from_discriminator: Option<Tensor>) -> Result<Part> {
        let d = self.frozen_discriminator.as_ref();
        let augmented = self.augmented(&forward.fake, forward, "generator", 0, "fake")?;
        let real = self.augmented(&forward.real, forward, "generator", 0, "real")?;
        let condition = forward.condition(&forward.texts.embedding.detach())?;
        let features = d.features(&augmented, forward.at)?;
        let score = d.score(&features, &condition)?;
        let needs_reals = self.loss.needs_reals_for_generator();
        let of_real = needs_reals.then(|| d.forward(&real, &condition, forward.at)).transpose()?;
        let mut terms = self.loss.generator_terms(&score, of_real.as_ref())?;
        let inputs = forward.generator_inputs(&augmented, &features, &real);
        for objective in &self.objectives {
            terms.extend(objective.generator_terms(&inputs)?);
        }
        let total = terms.total()?;
        let mut losses = Losses::new();
        record(&mut losses, "G", &terms, &total);
        let mut grads = gradients(&total)?;
        let from_generator = grads.remove(&forward.texts.leaf);
        let mut part = Part::new(losses, &grads, &self.g_params);
        if let Some(gradient) = sum(from_generator, from_discriminator)? {
            // One backward pass of the encoder, with the sum of both gradients of its embeddings.
            let projected = forward.texts.encoded.mul(&gradient)?.sum_all()?;
            part.replace(&gradients(&projected)?, &self.g_params);
        }
        Ok(part)
    }

    /// Augmented images, with another augmentation for each key, network and repeat.
    fn augmented(
        &self,
        images: &Tensor,
        forward: &Forward,
        network: &str,
        repeat: u64,
        which: &str,
    ) -> Result<Tensor> {
        let key = forward.key.child("augment").child(network).at(repeat).child(which);
        Ok(self.augment.apply(images, forward.p, key)?)
    }

    /// Records the scores, their signs, and the augmentation probability.
    fn record_scores(&self, scores: &Scores, losses: &mut Losses) -> Result<()> {
        if self.augment.adaptive.is_some() {
            let p = self.ada.probability as f32;
            losses.push(("Progress/augment".into(), Tensor::new(p, &self.device)?));
        }
        losses.push(("Loss/scores/real".into(), scores.real.detach().mean_all()?));
        losses.push(("Loss/scores/fake".into(), scores.fake.detach().mean_all()?));
        losses.push((SIGNS.into(), self.loss.signs(scores)?.mean_all()?));
        Ok(())
    }

    /// Updates the augmentation probability by the mean sign of a whole step.
    fn observe_signs(&mut self, losses: &Losses, images: usize) -> Result<()> {
        let Some(adaptive) = self.augment.adaptive_by(Overfitting::Sign) else { return Ok(()) };
        if let Some((_, sign)) = losses.iter().find(|(name, _)| name == SIGNS) {
            self.ada.observe(&adaptive, f64::from(sign.to_scalar::<f32>()?), images);
        }
        Ok(())
    }

    /// The latent noise that an objective infers from the real images.
    fn infer(&self, real: &Tensor, noise: &Tensor) -> Result<Option<EncodedLatent>> {
        let mut inferred: Option<(&str, EncodedLatent)> = None;
        for objective in &self.objectives {
            let Some(latent) = objective.infer(real, noise)? else { continue };
            if let Some((first, _)) = inferred {
                let second = objective.name();
                return Err(Error::Config(format!(
                    "the objectives `{first}` and `{second}` both infer noise, expected at most one"
                )));
            }
            inferred = Some((objective.name(), latent));
        }
        Ok(inferred.map(|(_, latent)| latent))
    }

    /// Embeddings of captions and mismatched captions. Most mismatched captions are captions of the same
    /// batch; each text is encoded once.
    fn embed(&self, batch: &Batch) -> Result<Texts> {
        let size = batch.len();
        let mut texts = batch.captions();
        texts.extend(batch.texts.iter().map(|text| text.caption.clone()));
        let labelled = texts.len();
        let (mut places, mut foreign) = (Vec::with_capacity(size), Vec::new());
        for text in batch.items.iter().map(|item| &item.mismatched) {
            let place = texts.iter().position(|other| other == text).unwrap_or_else(|| {
                // A caption before dropout still describes its image.
                if !batch.items.iter().any(|item| item.full_caption == *text) {
                    foreign.push(texts.len() as u32);
                }
                texts.push(text.clone());
                texts.len() - 1
            });
            places.push(place as u32);
        }
        let encoded = self.pipeline.text().encode(&texts)?; // (T, E)
        let leaf = Var::from_tensor(&encoded.detach())?;
        let rows = |rows: Vec<u32>| leaf.as_tensor().index_select(&Tensor::new(rows, &self.device)?, 0);
        Ok(Texts {
            embedding: leaf.as_tensor().narrow(0, 0, size)?,
            labelled: leaf.as_tensor().narrow(0, 0, labelled)?,
            mismatched: rows(places)?,
            others: (!foreign.is_empty()).then(|| rows(foreign)).transpose()?,
            encoded,
            leaf,
        })
    }
}

/// The mean sign of the scores of real images, which ADA follows.
const SIGNS: &str = "Loss/signs/real";

/// What a step has in common for all its micro-batches.
#[derive(Clone, Copy)]
struct StepContext<'a> {
    share: &'a Share<'a>,
    stage: &'a Stage,
    /// The key of the step.
    key: Key,
    step: u64,
    /// The augmentation probability of the whole step; ADA changes that of the next step.
    p: f64,
}

impl StepContext<'_> {
    /// The key of a micro-batch of this process; that of the step if there is only one in all.
    fn key_of(&self, number: usize) -> Key {
        match self.share.count {
            1 => self.key,
            _ => self.key.child("micro-batch").at((self.share.first + number) as u64),
        }
    }

    /// The noise of a micro-batch of this process, `(B, Z)`: its rows of the noise of the whole batch.
    fn noise(&self, number: usize, latent_size: usize, device: &Device) -> Result<Tensor> {
        let size = self.share.batches[number].len();
        let before = (self.share.first + number) * size;
        let noise = rng::normal(self.key.child("noise"), (before + size, latent_size), DType::F32, device)?;
        Ok(noise.narrow(0, before, size)?)
    }
}

/// The texts of a batch, encoded.
struct Texts {
    /// The embeddings of all texts with the graph of the encoder, `(T, E)`.
    encoded: Tensor,
    /// The same values without that graph; both updates compute their gradient with respect to it.
    leaf: Var,
    /// The captions, `(B, E)`.
    embedding: Tensor,
    /// The captions, then those without images, `(B + X, E)`.
    labelled: Tensor,
    /// A mismatched caption for each image, `(B, E)`.
    mismatched: Tensor,
    /// Mismatched captions of no image of the batch, `(M, E)`.
    others: Option<Tensor>,
}

impl Texts {
    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            encoded: self.encoded.clone(),
            leaf: self.leaf.clone(),
            embedding: f(&self.embedding),
            labelled: f(&self.labelled),
            mismatched: f(&self.mismatched),
            others: self.others.as_ref().map(f),
        }
    }
}

/// The tensors of one step.
struct Forward {
    real: Tensor,
    fake: Tensor,
    texts: Texts,
    inferred: Option<EncodedLatent>,
    labels: Option<Labels>,
    attribute_code: Option<Tensor>,
    conditioned: Conditioned,
    at: Growth,
    key: Key,
    /// The augmentation probability.
    p: f64,
    /// The progress of the run, 0 to 1.
    progress: f64,
}

impl Forward {
    /// The condition of images: embedding and attribute code, concatenated, `(B, E + P)`. A mismatched
    /// caption has the attribute code of the image.
    fn condition(&self, embedding: &Tensor) -> Result<Tensor> {
        condition(embedding, self.attribute_code.as_ref())
    }

    fn discriminator_inputs<'a>(
        &'a self,
        texts: &'a Texts,
        real: &'a Tensor,
        features: &'a Tensor,
    ) -> DiscriminatorInputs<'a> {
        DiscriminatorInputs {
            real,
            features,
            embedding: &texts.embedding,
            texts: &texts.labelled,
            others: texts.others.as_ref(),
            labels: self.labels.as_ref(),
            at: self.at,
            key: self.key,
        }
    }

    fn generator_inputs<'a>(
        &'a self,
        augmented: &'a Tensor,
        features: &'a Tensor,
        real: &'a Tensor,
    ) -> GeneratorInputs<'a> {
        GeneratorInputs {
            fake: &self.fake,
            augmented,
            features,
            real,
            embedding: &self.texts.embedding,
            texts: &self.texts.labelled,
            others: self.texts.others.as_ref(),
            labels: self.labels.as_ref(),
            conditioned: &self.conditioned,
            inferred: self.inferred.as_ref(),
            at: self.at,
            progress: self.progress,
            key: self.key,
        }
    }
}

/// Embedding and attribute code, concatenated, `(B, E + P)`.
pub(super) fn condition(embedding: &Tensor, attribute_code: Option<&Tensor>) -> Result<Tensor> {
    Ok(match attribute_code {
        Some(code) => Tensor::cat(&[embedding, code], 1)?,
        None => embedding.clone(),
    })
}

fn record(losses: &mut Losses, network: &str, terms: &LossTerms, total: &Tensor) {
    losses.extend(terms.iter().map(|(name, value)| (format!("Loss/{network}/{name}"), value.detach())));
    losses.push((format!("Loss/{network}/total"), total.detach()));
}

/// The norm of a network's gradients, the root of the sum of squares over all parameters.
fn norm(network: &str, squares: f64, device: &Device) -> Result<(String, Tensor)> {
    Ok((format!("Gradients/{network}"), Tensor::new(squares.sqrt() as f32, device)?))
}

fn sum(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)?),
        (a, b) => a.or(b),
    })
}

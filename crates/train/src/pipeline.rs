//! The pipeline from captions to images: text encoder, conditioning augmentation, attribute prior and
//! generator.
//!
//! A [`Pipeline`] is built on trainable parameters (training), on their average (samples), or on a model
//! file. It contains neither losses nor data.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use t2f_data::attributes::Attributes;
use t2f_gan::{AttributePrior, Conditioned, ConditioningAugmentation, Generator, GeneratorShape, Growth};
use t2f_ops::rng::{self, Key};
use t2f_text::{Negation, TextEncoder, Tokenizer};

use crate::components::Components;
use crate::config::Config;
use crate::error::Result;
use crate::understanding::{self, Content, Understanding, UnreadDenial};

/// Captions that are encoded at once to be understood.
const BATCH: usize = 64;

/// Options of sampling: the scale of the noise and the guidance scale; 1 each by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Scale of the noise: 1 is the full variety, 0 the most typical image of the caption.
    pub truncation: f64,
    /// Extrapolation from the embedding of the empty caption (0) through that of the caption (1): the
    /// guidance scale of a one-step generator (after classifier-free guidance, arXiv:2207.12598).
    pub guidance_scale: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { truncation: 1.0, guidance_scale: 1.0 }
    }
}

/// The networks from captions and noise to images.
#[derive(Debug)]
pub struct Pipeline {
    text: Box<dyn TextEncoder>,
    conditioning: ConditioningAugmentation,
    prior: Option<AttributePrior>,
    generator: Box<dyn Generator>,
    noise_size: usize,
    noise_map_size: usize,
}

impl Pipeline {
    /// Builds the networks on parameters named `text.…`, `conditioning.…`, `prior.…` and `generator.…`.
    /// `attribute_sizes` are the numbers of values of the data's attributes.
    ///
    /// # Errors
    /// If a network cannot be built, a parameter is missing or has another shape, or a custom generator has
    /// another latent size or resolution than the configuration.
    pub fn new(
        config: &Config,
        components: &Components,
        tokenizer: &Tokenizer,
        attribute_sizes: &[usize],
        vb: VarBuilder,
    ) -> Result<Self> {
        let text = components.text(config, tokenizer.clone(), vb.pp("text"))?;
        let size = text.embedding_size();
        let shape = config.gan.generator_shape(config.loss.attribute_code_size(attribute_sizes))?;
        let shape = GeneratorShape { features: config.precision.dtype(vb.device()), ..shape };
        Ok(Self {
            conditioning: config.gan.conditioning(size, vb.pp("conditioning"))?,
            prior: config.loss.prior(size, attribute_sizes, vb.pp("prior"))?,
            generator: components.generator(config, &shape, vb.pp("generator"))?,
            noise_size: config.gan.noise_size(),
            noise_map_size: config.gan.noise_map_size(),
            text,
        })
    }

    /// The text encoder.
    pub fn text(&self) -> &dyn TextEncoder {
        self.text.as_ref()
    }

    /// The attribute prior, if configured.
    pub fn prior(&self) -> Option<&AttributePrior> {
        self.prior.as_ref()
    }

    /// The generator.
    pub fn generator(&self) -> &dyn Generator {
        self.generator.as_ref()
    }

    /// The text code of an embedding, and the latent of the generator: text code, noise, attribute code
    /// and noise maps.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, Z)`, standard normal: the columns of the conditioning
    /// augmentation, those of the generator's noise, those of the prior's sampling, and the noise maps.
    /// `attribute_code`: `(B, P)`; if absent, the prior, if configured, samples it.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn latent(
        &self,
        embedding: &Tensor,
        noise: &Tensor,
        attribute_code: Option<&Tensor>,
    ) -> Result<(Conditioned, Tensor)> {
        let code_size = self.conditioning.code_size();
        let conditioned = self.conditioning.forward(embedding, &noise.narrow(1, 0, code_size)?)?;
        let beside = self.latent_noise(noise)?;
        let maps = noise.dim(1)?.saturating_sub(self.noise_map_size);
        let attribute_code = match attribute_code {
            Some(code) => Some(code.clone()),
            None => self.attribute_code(embedding, noise)?,
        };
        let maps = match self.noise_map_size {
            0 => None,
            size => Some(noise.narrow(1, maps, size)?),
        };
        let latent = [Some(conditioned.code.clone()), Some(beside), attribute_code, maps];
        let latent = Tensor::cat(&latent.into_iter().flatten().collect::<Vec<_>>(), 1)?; // (B, Z)
        Ok((conditioned, latent))
    }

    /// The attribute code that the prior samples; `None` without a prior.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, Z)`, as of [`latent`](Self::latent); the code: `(B, P)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn attribute_code(&self, embedding: &Tensor, noise: &Tensor) -> Result<Option<Tensor>> {
        let Some(prior) = &self.prior else { return Ok(None) };
        let first = self.conditioning.code_size() + self.noise_size;
        let maps = noise.dim(1)?.saturating_sub(self.noise_map_size);
        let noise = noise.narrow(1, first, maps.saturating_sub(first))?;
        Ok(Some(prior.sample(embedding, &noise)?))
    }

    /// The columns of `noise` that are the generator's noise.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`; the result is `(B, N)`, where N is the latent size minus the sizes of text code,
    /// attribute code and noise maps.
    ///
    /// # Errors
    /// If `noise` has fewer columns.
    pub fn latent_noise(&self, noise: &Tensor) -> Result<Tensor> {
        Ok(noise.narrow(1, self.conditioning.code_size(), self.noise_size)?)
    }

    /// Replaces the columns of [`latent_noise`](Self::latent_noise) in the first rows of `noise`.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`; `inferred`: up to B rows `(M, N)`; the result is `(B, Z)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn with_latent_noise(&self, noise: &Tensor, inferred: &Tensor) -> Result<Tensor> {
        let (rows, columns) = noise.dims2()?;
        let count = inferred.dim(0)?;
        let first = noise.narrow(0, 0, count)?;
        let code_size = self.conditioning.code_size();
        let after = code_size + self.noise_size;
        let code = first.narrow(1, 0, code_size)?;
        let rest = first.narrow(1, after, columns - after)?;
        let first = Tensor::cat(&[&code, inferred, &rest], 1)?;
        Ok(Tensor::cat(&[&first, &noise.narrow(0, count, rows - count)?], 0)?)
    }

    /// Generates an image for each caption.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`, one row a caption; the result is `(B, 3, H, W)` in `[-1, 1]`.
    ///
    /// # Errors
    /// If the number of rows differs from the number of captions.
    pub fn generate(&self, captions: &[String], noise: &Tensor, at: Growth) -> Result<Tensor> {
        self.generate_embedded(&self.text.encode(captions)?, noise, at)
    }

    /// The guided embeddings of captions, `null + scale · (embedding - null)`, where `null` is the
    /// embedding of the empty caption.
    ///
    /// # Shapes
    /// The result is `(B, E)`.
    ///
    /// # Errors
    /// If there are no captions, or the device fails.
    pub fn scaled_embedding(&self, captions: &[String], scale: f64) -> Result<Tensor> {
        let embedding = self.text.encode(captions)?;
        if scale == 1.0 {
            return Ok(embedding);
        }
        let null = self.text.encode(&[String::new()])?; // (1, E)
        Ok(embedding.broadcast_sub(&null)?.affine(scale, 0.0)?.broadcast_add(&null)?)
    }

    /// Generates an image for each embedding.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, Z)`; the result is `(B, 3, H, W)` in `[-1, 1]`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn generate_embedded(&self, embedding: &Tensor, noise: &Tensor, at: Growth) -> Result<Tensor> {
        self.generate_coded(embedding, noise, None, at)
    }

    /// As [`generate_embedded`](Self::generate_embedded), with an attribute code; if absent, the prior, if
    /// configured, samples it.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn generate_coded(
        &self,
        embedding: &Tensor,
        noise: &Tensor,
        attribute_code: Option<&Tensor>,
        at: Growth,
    ) -> Result<Tensor> {
        let (_, latent) = self.latent(embedding, noise, attribute_code)?;
        Ok(self.generator.forward(&latent, at)?.clamp(-1f32, 1f32)?)
    }

    /// The content of embeddings about each attribute; empty for each without a prior.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn content(&self, embedding: &Tensor) -> Result<Vec<Vec<Content>>> {
        let Some(prior) = &self.prior else { return Ok(vec![Vec::new(); embedding.dim(0)?]) };
        let of = |text: &Vec<Vec<f32>>| text.iter().map(|one| Content::new(one)).collect();
        Ok(prior.content(embedding)?.iter().map(of).collect())
    }

    /// The attributes of attribute codes that the prior sampled; none without a prior.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn attributes_of(&self, code: &Tensor) -> Result<Vec<Attributes>> {
        let Some(prior) = &self.prior else { return Ok(Vec::new()) };
        Ok(prior.classes_of(code)?.iter().map(|classes| understanding::attributes(classes)).collect())
    }

    /// What is understood of each caption at a guidance scale.
    ///
    /// # Errors
    /// As for [`scaled_embedding`](Self::scaled_embedding).
    pub fn understanding(&self, captions: &[String], guidance_scale: f64) -> Result<Vec<Understanding>> {
        let mut all = Vec::with_capacity(captions.len());
        for captions in captions.chunks(BATCH) {
            let content = self.content(&self.scaled_embedding(captions, guidance_scale)?)?;
            for (caption, content) in captions.iter().zip(content) {
                let unread_denials = self.unread_denials_of(caption, Some(&content), guidance_scale)?;
                let unknown_words = self.text.unknown_words(caption)?;
                let mut read_as = BTreeMap::new();
                for word in &unknown_words {
                    if let Some((known, _)) = self.text.similar_word(word)? {
                        read_as.insert(word.clone(), known);
                    }
                }
                all.push(Understanding {
                    content,
                    unknown_words,
                    read_as,
                    cut_words: self.text.cut_words(caption)?,
                    unread_denials,
                });
            }
        }
        Ok(all)
    }

    /// The denials of each caption that are not read, see [`UnreadDenial`]. Only captions with words that
    /// deny are encoded.
    ///
    /// # Errors
    /// As for [`scaled_embedding`](Self::scaled_embedding).
    pub fn unread_denials(&self, captions: &[String], guidance_scale: f64) -> Result<Vec<Vec<UnreadDenial>>> {
        captions.iter().map(|caption| self.unread_denials_of(caption, None, guidance_scale)).collect()
    }

    /// `content` is that of the caption, if it is known.
    fn unread_denials_of(
        &self,
        caption: &str,
        content: Option<&[Content]>,
        guidance_scale: f64,
    ) -> Result<Vec<UnreadDenial>> {
        let negations = t2f_text::negations(caption);
        let (mut unread, mut known) = (Vec::new(), Vec::new());
        for negation in negations {
            let unknown = self.text.unknown_words(negation.word())?;
            if unknown.iter().any(|word| word.chars().any(char::is_alphabetic)) {
                unread.push((negation, false));
            } else {
                known.push(negation);
            }
        }
        if !known.is_empty() && self.prior.is_some() {
            let mut texts: Vec<String> = known.iter().map(Negation::removed).collect();
            if content.is_none() {
                texts.push(caption.to_owned());
            }
            let without = self.content(&self.scaled_embedding(&texts, guidance_scale)?)?;
            let with = content.or(without.last().map(Vec::as_slice)).unwrap_or_default();
            let equal = known.into_iter().zip(&without);
            let equal = equal.filter(|(_, without)| !understanding::reads_denial(with, without));
            unread.extend(equal.map(|(negation, _)| (negation, true)));
        }
        let unread = unread.into_iter().map(|(negation, known)| UnreadDenial {
            word: negation.word().into(),
            phrase: negation.phrase().into(),
            known,
        });
        Ok(unread.collect())
    }

    /// The noise of each seed, one row a seed, scaled by `truncation`; see [`Sampling`].
    ///
    /// # Errors
    /// If the device refuses the copy.
    pub fn noise(&self, seeds: &[u64], truncation: f64, device: &Device) -> Result<Tensor> {
        let row = |&seed: &u64| {
            let key = Key::new(seed).child("latent");
            rng::normal(key, (1, self.generator.latent_size()), DType::F32, device)
        };
        let rows = seeds.iter().map(row).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?.affine(truncation, 0.0)?)
    }
}

/// Images in `[-1, 1]` as bytes.
///
/// # Shapes
/// `(B, 3, H, W)` → `B` images.
///
/// # Errors
/// If `images` is not rank 4 with three channels.
pub fn to_pictures(images: &Tensor) -> Result<Vec<t2f_data::Image>> {
    let (batch, _, height, width) = images.dims4()?;
    let bytes = images.affine(127.5, 127.5)?.round()?.clamp(0f32, 255f32)?.to_dtype(DType::U8)?;
    let bytes = bytes.permute((0, 2, 3, 1))?.contiguous()?; // (B, H, W, 3)
    (0..batch)
        .map(|i| {
            let pixels = bytes.get(i)?.flatten_all()?.to_vec1::<u8>()?;
            Ok(t2f_data::Image { width, height, pixels })
        })
        .collect()
}

//! From captions to faces: text encoder, conditioning augmentation and generator as one.
//!
//! The same [`Pipeline`] draws during training (on trainable parameters), for the sample grids (on
//! the average of the parameters) and from a model file. It knows nothing of losses or data.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use t2f_gan::{AttributePrior, Conditioned, ConditioningAugmentation, Generator, Growth};
use t2f_ops::rng::{self, Key};
use t2f_text::{TextEncoder, Tokenizer};

use crate::config::Config;
use crate::error::Result;

/// How an encoder is built: from the words of the training captions and parameters named
/// `text.…`. [`t2f_text::TextConfig::build`] is one; an encoder of another crate brings its own and
/// is free to ignore the tokenizer.
pub type BuildTextEncoder<'a> = dyn Fn(Tokenizer, VarBuilder) -> t2f_text::Result<Box<dyn TextEncoder>> + 'a;

/// How much of the noise and of the caption goes into a face; all of both by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Scale of the noise: 1 leaves all its variety, 0 draws the most typical face of the caption.
    pub truncation: f64,
    /// How far the embedding is led from that of the empty caption through that of the caption: 0 is
    /// the one, 1 the other. A guidance scale, as far as a network that draws in one step can have one
    /// (after classifier-free guidance, arXiv:2207.12598).
    pub guidance_scale: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { truncation: 1.0, guidance_scale: 1.0 }
    }
}

/// What turns `(caption, noise)` into a picture.
pub struct Pipeline {
    /// Captions → `(B, E)`.
    pub text: Box<dyn TextEncoder>,
    /// `(B, E)` and noise → the code `(B, C)`.
    pub conditioning: ConditioningAugmentation,
    /// `(B, E)` and noise → a plan of what is shown `(B, P)`, where there is a prior.
    pub prior: Option<AttributePrior>,
    /// The latent `(B, Z)`, code first → images `(B, 3, H, W)` in `[-1, 1]`.
    pub generator: Box<dyn Generator>,
    noise_size: usize,
}

impl Pipeline {
    /// Builds the parts on parameters named `text.…`, `conditioning.…`, `prior.…` and `generator.…`.
    ///
    /// # Errors
    /// If a stored parameter is missing or has another shape.
    pub fn new(config: &Config, tokenizer: Tokenizer, vb: VarBuilder) -> Result<Self> {
        Self::with_text(config, config.text.build(tokenizer, vb.pp("text"))?, vb)
    }

    /// As [`new`](Self::new), around an encoder that is built already.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_text(config: &Config, text: Box<dyn TextEncoder>, vb: VarBuilder) -> Result<Self> {
        let (size, attributes) = (text.embedding_size(), config.data.attribute_sizes());
        Ok(Self {
            conditioning: config.gan.conditioning(size, vb.pp("conditioning"))?,
            prior: config.gan.prior(size, &attributes, vb.pp("prior"))?,
            generator: config.gan.generator(&attributes, vb.pp("generator"))?,
            noise_size: config.gan.noise_size(),
            text,
        })
    }

    /// The code of an embedding and the latent that the generator draws from: code, noise and plan.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, Z)`, standard normal: the columns of the conditioning
    /// augmentation, those that go to the generator as they are, and those that a plan is drawn by.
    /// `plan`: `(B, P)`; without it the prior draws one, where there is a prior.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn latent(
        &self,
        embedding: &Tensor,
        noise: &Tensor,
        plan: Option<&Tensor>,
    ) -> Result<(Conditioned, Tensor)> {
        let code_size = self.conditioning.code_size();
        let conditioned = self.conditioning.forward(embedding, &noise.narrow(1, 0, code_size)?)?;
        let beside = self.latent_noise(noise)?;
        let first = code_size + self.noise_size;
        let plan = match (&self.prior, plan) {
            (Some(prior), None) => {
                let noise = noise.narrow(1, first, noise.dim(1)?.saturating_sub(first))?;
                Some(prior.draw(embedding, &noise)?)
            }
            (_, plan) => plan.cloned(),
        };
        let latent = [Some(conditioned.code.clone()), Some(beside), plan];
        let latent = Tensor::cat(&latent.into_iter().flatten().collect::<Vec<_>>(), 1)?; // (B, Z)
        Ok((conditioned, latent))
    }

    /// The columns of `noise` that go to the generator as they are.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`; the result is `(B, N)`, N being the latent less code and plan.
    ///
    /// # Errors
    /// If `noise` has fewer columns.
    pub fn latent_noise(&self, noise: &Tensor) -> Result<Tensor> {
        Ok(noise.narrow(1, self.conditioning.code_size(), self.noise_size)?)
    }

    /// `noise` with the columns of [`latent_noise`](Self::latent_noise) replaced in its first rows.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`, `plain`: up to B rows `(M, N)`; the result is `(B, Z)`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn with_latent_noise(&self, noise: &Tensor, plain: &Tensor) -> Result<Tensor> {
        let (rows, columns) = noise.dims2()?;
        let count = plain.dim(0)?;
        let first = noise.narrow(0, 0, count)?;
        let code_size = self.conditioning.code_size();
        let after = code_size + self.noise_size;
        let code = first.narrow(1, 0, code_size)?;
        let plan = first.narrow(1, after, columns - after)?;
        let first = Tensor::cat(&[&code, plain, &plan], 1)?;
        Ok(Tensor::cat(&[&first, &noise.narrow(0, count, rows - count)?], 0)?)
    }

    /// Faces for captions.
    ///
    /// # Shapes
    /// `noise`: `(B, Z)`, one row a caption; the result is `(B, 3, H, W)` in `[-1, 1]`.
    ///
    /// # Errors
    /// If the number of rows differs from the number of captions.
    pub fn draw(&self, captions: &[String], noise: &Tensor, at: Growth) -> Result<Tensor> {
        self.generate_embedded(&self.text.encode(captions)?, noise, at)
    }

    /// The embeddings of captions on the line `null + scale · (embedding - null)`, where `null` is that
    /// of the empty caption.
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

    /// Faces for embeddings.
    ///
    /// # Shapes
    /// `embedding`: `(B, E)`; `noise`: `(B, Z)`; the result is `(B, 3, H, W)` in `[-1, 1]`.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn generate_embedded(&self, embedding: &Tensor, noise: &Tensor, at: Growth) -> Result<Tensor> {
        let (_, latent) = self.latent(embedding, noise, None)?;
        Ok(self.generator.forward(&latent, at)?.clamp(-1f32, 1f32)?)
    }

    /// The noise that a seed stands for: one row, scaled by `truncation`; see [`Sampling`].
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

/// Pictures in `[-1, 1]` as bytes.
///
/// # Shapes
/// `(B, 3, H, W)` → `B` pictures.
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

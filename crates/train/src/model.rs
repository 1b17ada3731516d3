//! A trained model: the pipeline of a model file, of a run folder or of a checkpoint.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use t2f_data::Image;
use t2f_data::attributes::{Attributes, Schema};
use t2f_files::tensors;
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::checkpoint_model;
use crate::components::Components;
use crate::config::{Config, Precision};
use crate::device;
use crate::error::{Error, Result};
use crate::model_file::Metadata;
pub use crate::model_file::{ModelFile, Provenance, to_half};
use crate::pipeline::{Pipeline, Sampling, to_pictures};
use crate::stored_weights::Weights;
use crate::understanding::{Generated, Understanding, UnreadDenial};
use crate::walk::Walk;

/// A trained model.
///
/// ```no_run
/// use t2f_train::components::Components;
/// use t2f_train::model::Model;
/// use t2f_train::pipeline::Sampling;
///
/// let model = Model::load("runs/00000-procedural-quick", "auto", &Components::new())?;
/// let images = model.generate(&["a bald man with a beard".into()], &[0], Sampling::default())?;
/// assert_eq!(images[0].width, model.resolution());
/// # t2f_train::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Model {
    config: Config,
    schema: Schema,
    growth: Growth,
    provenance: Provenance,
    pipeline: Pipeline,
    device: Device,
    hash: String,
    tokenizer: Tokenizer,
}

impl Model {
    /// Loads a model on the named device: a model file, the model of a run folder, or the averaged parameters
    /// of a checkpoint, which is given by its folder or by its `g_ema.safetensors`.
    ///
    /// A checkpoint gives the model that the run wrote at its step. It has to be in its run folder, which has
    /// the configuration. Its schema is that of the run's `model.safetensors`; without that file the data set
    /// is opened.
    ///
    /// Generation on the CPU is faster after [`t2f_ops::Runtime::install`], which this does not call.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another format; if a tensor is missing, unexpected, of another
    /// shape or type, or not finite (the message lists them); if a custom component is not among
    /// `components`; or if the device is not available.
    pub fn load(path: impl AsRef<Path>, device_name: &str, components: &Components) -> Result<Self> {
        let path = path.as_ref();
        let device = device::open(device_name)?;
        if let Some(checkpoint) = checkpoint_model::checkpoint_of(path)? {
            let bytes = checkpoint_model::model_bytes(&checkpoint, components)?;
            return Self::from_bytes(&bytes, &device, components)
                .map_err(|error| of_file(checkpoint.path(), error));
        }
        let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
        let bytes = std::fs::read(&file).map_err(|error| Error::file(&file, error))?;
        Self::from_bytes(&bytes, &device, components).map_err(|error| of_file(&file, error))
    }

    /// Loads the bytes of a model file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8], device: &Device, components: &Components) -> Result<Self> {
        let (tensors, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
        let metadata = Metadata::parse(&json)?;
        let config = Config::of_json(metadata.config.clone())?;
        config.check()?;
        components.check_model(&config.components)?;
        let schema = metadata.schema(&config);
        let tokenizer = Tokenizer::from_json(&metadata.tokenizer)?;
        // Models for distribution have weights in 16 bits; see `to_half`.
        let whole = |(name, tensor): (String, Tensor)| match tensor.dtype() {
            DType::F16 => Ok((name, tensor.to_dtype(DType::F32)?)),
            _ => Ok((name, tensor)),
        };
        let weights = Weights::new(tensors.into_iter().map(whole).collect::<Result<_>>()?);
        let vb = weights.builder(DType::F32, device);
        let exact = Config { precision: Precision::Fp32, ..config.clone() };
        let pipeline = Pipeline::new(&exact, components, &tokenizer, &schema.sizes(), vb)?;
        weights.check()?;
        Ok(Self {
            config,
            schema,
            growth: metadata.growth,
            provenance: metadata.provenance,
            pipeline,
            device: device.clone(),
            hash: blake3::hash(bytes).to_hex().to_string(),
            tokenizer,
        })
    }

    /// The configuration in a model file.
    pub(crate) fn config_of(file: &Path) -> Result<Config> {
        Config::of_json(metadata_of(file)?.config)
    }

    /// The provenance in a model file, without building the networks.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn provenance_of(file: impl AsRef<Path>) -> Result<Provenance> {
        Ok(metadata_of(file.as_ref())?.provenance)
    }

    /// Generates an image for each caption and seed. Equal captions, seeds and sampling give equal images.
    ///
    /// # Errors
    /// If the numbers of captions and seeds differ, the guidance scale is not 1 and the model was trained
    /// without caption dropout, or the device fails.
    pub fn generate(&self, captions: &[String], seeds: &[u64], sampling: Sampling) -> Result<Vec<Image>> {
        to_pictures(&self.generate_tensor(captions, seeds, sampling)?)
    }

    /// As [`generate`](Self::generate), in `[-1, 1]`.
    ///
    /// # Shapes
    /// The result is `(B, 3, H, W)`.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_tensor(&self, captions: &[String], seeds: &[u64], sampling: Sampling) -> Result<Tensor> {
        let (embedding, noise) = self.inputs(captions, seeds, sampling)?;
        self.pipeline.generate_embedded(&embedding, &noise, self.growth)
    }

    /// As [`generate`](Self::generate), each image with the content of its caption and with its sampled
    /// attributes. The images are equal to those of [`generate`](Self::generate).
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_explained(
        &self,
        captions: &[String],
        seeds: &[u64],
        sampling: Sampling,
    ) -> Result<Vec<Generated>> {
        let (embedding, noise) = self.inputs(captions, seeds, sampling)?;
        let code = self.pipeline.attribute_code(&embedding, &noise)?;
        let attributes = match &code {
            Some(code) => self.pipeline.attributes_of(code)?,
            None => vec![Attributes::unknown(0); captions.len()],
        };
        let images = self.pipeline.generate_coded(&embedding, &noise, code.as_ref(), self.growth)?;
        let each = to_pictures(&images)?.into_iter().zip(self.pipeline.content(&embedding)?).zip(attributes);
        Ok(each.map(|((image, content), attributes)| Generated { image, content, attributes }).collect())
    }

    /// Generates the images at `positions` of a walk over `stops`, captions with their seeds: position 0 is the
    /// first stop, 1 the second, 1.5 half way to the third.
    ///
    /// Between two stops embeddings and attribute codes are interpolated linearly, and noise spherically, so that it
    /// keeps its length (Shoemake, 1985, doi:10.1145/325165.325242). At a stop the image is that of
    /// [`generate`](Self::generate).
    ///
    /// # Errors
    /// If there are fewer than two stops or a position is not among them, or as [`generate`](Self::generate).
    pub fn walk(&self, stops: &[(String, u64)], positions: &[f64], sampling: Sampling) -> Result<Vec<Image>> {
        let (captions, seeds): (Vec<String>, Vec<u64>) = stops.iter().cloned().unzip();
        let walk = Walk::new(stops.len(), positions)?;
        let (embedding, noise) = self.inputs(&captions, &seeds, sampling)?;
        let code = self.pipeline.attribute_code(&embedding, &noise)?;
        let linear = walk.linear(&self.device)?;
        let noise = walk.spherical(&noise)?.matmul(&noise)?;
        let code = code.map(|code| linear.matmul(&code)).transpose()?;
        let embedding = linear.matmul(&embedding)?;
        to_pictures(&self.pipeline.generate_coded(&embedding, &noise, code.as_ref(), self.growth)?)
    }

    /// The embeddings of captions and the noise of seeds.
    fn inputs(&self, captions: &[String], seeds: &[u64], sampling: Sampling) -> Result<(Tensor, Tensor)> {
        if captions.len() != seeds.len() {
            let (captions, seeds) = (captions.len(), seeds.len());
            return Err(Error::Config(format!(
                "there are {captions} captions and {seeds} seeds, expected one seed for each caption"
            )));
        }
        self.check_guidance(sampling)?;
        let noise = self.pipeline.noise(seeds, sampling.truncation, &self.device)?;
        Ok((self.pipeline.scaled_embedding(captions, sampling.guidance_scale)?, noise))
    }

    fn check_guidance(&self, Sampling { guidance_scale, .. }: Sampling) -> Result<()> {
        if guidance_scale != 1.0 && !self.has_empty_caption() {
            return Err(Error::Config(format!(
                "a guidance scale of {guidance_scale} extrapolates from the empty caption, and the model was \
                 trained without it: train with `loader.caption_dropout` above 0, or use a scale of 1"
            )));
        }
        Ok(())
    }

    /// What the model understands of each caption when it generates with this sampling.
    ///
    /// # Errors
    /// If the guidance scale is not 1 and the model was trained without caption dropout, or the device fails.
    pub fn understanding(&self, captions: &[String], sampling: Sampling) -> Result<Vec<Understanding>> {
        self.check_guidance(sampling)?;
        self.pipeline.understanding(captions, sampling.guidance_scale)
    }

    /// The denials of each caption that the model does not read; part of
    /// [`understanding`](Self::understanding), at less cost.
    ///
    /// # Errors
    /// As [`understanding`](Self::understanding).
    pub fn unread_denials(&self, captions: &[String], sampling: Sampling) -> Result<Vec<Vec<UnreadDenial>>> {
        self.check_guidance(sampling)?;
        self.pipeline.unread_denials(captions, sampling.guidance_scale)
    }

    /// Whether the model has an attribute prior, and so an understanding of attributes.
    pub fn has_prior(&self) -> bool {
        self.pipeline.prior().is_some()
    }

    /// Whether the model was trained with caption dropout or without captions, so that the empty caption means
    /// any image.
    pub fn has_empty_caption(&self) -> bool {
        self.config.loader.caption_dropout > 0.0 || self.words_known() == 0
    }

    /// The number of words in the vocabulary; 0 if the data had no captions.
    pub fn words_known(&self) -> usize {
        self.tokenizer.words_known()
    }

    /// The tokenizer with the vocabulary of the training captions.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The unknown words of a caption, once each. The model ignores them, unless it
    /// [reads](Self::reads_unknown_words) them.
    pub fn unknown_words(&self, caption: &str) -> Vec<String> {
        self.pipeline.text().unknown_words(caption).unwrap_or_default()
    }

    /// Whether unknown words are read by their letters.
    pub fn reads_unknown_words(&self) -> bool {
        self.pipeline.text().reads_unknown_words()
    }

    /// The words at the end of a caption that the model does not read, since the caption has more than
    /// `text.max_length`.
    pub fn cut_words(&self, caption: &str) -> Vec<String> {
        self.pipeline.text().cut_words(caption).unwrap_or_default()
    }

    /// The configuration of the training.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The attribute schema of the training data; empty if it has no attributes.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The provenance of the model.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The side of the images in pixels.
    pub fn resolution(&self) -> usize {
        self.growth.resolution()
    }

    /// The blake3 hash of the file, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The metadata of a model file.
fn metadata_of(file: &Path) -> Result<Metadata> {
    let bytes = std::fs::read(file).map_err(|error| Error::file(file, error))?;
    let (_, json) = tensors::from_bytes(&bytes).map_err(|error| Error::file(file, error))?;
    serde_json::from_str(&json).map_err(|error| Error::file(file, error.to_string()))
}

/// An error with the file or folder of the model.
fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::State(message) => Error::file(path, message),
        error => Error::file(path, error),
    }
}

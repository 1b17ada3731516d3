//! A trained model: the pipeline of a model file, of a run folder or of a checkpoint.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use t2f_data::Image;
use t2f_data::attributes::Schema;
use t2f_files::tensors;
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::checkpoint_model;
use crate::components::Components;
use crate::config::Config;
use crate::device;
use crate::error::{Error, Result};
use crate::model_file::Metadata;
pub use crate::model_file::{ModelFile, Provenance, to_half};
use crate::pipeline::{Pipeline, Sampling, to_pictures};
use crate::stored_weights::Weights;

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
    /// Whether the vocabulary has no word, since the data had no captions.
    wordless: bool,
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
        let pipeline = Pipeline::new(&config, components, &tokenizer, &schema.sizes(), vb)?;
        weights.check()?;
        Ok(Self {
            config,
            schema,
            growth: metadata.growth,
            provenance: metadata.provenance,
            pipeline,
            device: device.clone(),
            hash: blake3::hash(bytes).to_hex().to_string(),
            wordless: tokenizer.vocabulary_size() <= 2,
        })
    }

    /// The configuration in a model file.
    pub(crate) fn config_of(file: &Path) -> Result<Config> {
        let bytes = std::fs::read(file).map_err(|error| Error::file(file, error))?;
        let (_, json) = tensors::from_bytes(&bytes).map_err(Error::State)?;
        let metadata: Metadata =
            serde_json::from_str(&json).map_err(|error| Error::file(file, error.to_string()))?;
        Config::of_json(metadata.config)
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
        let Sampling { truncation, guidance_scale } = sampling;
        if captions.len() != seeds.len() {
            let (captions, seeds) = (captions.len(), seeds.len());
            return Err(Error::Config(format!(
                "there are {captions} captions and {seeds} seeds, expected one seed for each caption"
            )));
        }
        if guidance_scale != 1.0 && !self.has_empty_caption() {
            return Err(Error::Config(format!(
                "a guidance scale of {guidance_scale} extrapolates from the empty caption, and the model was \
                 trained without it: train with `loader.caption_dropout` above 0, or use a scale of 1"
            )));
        }
        let noise = self.pipeline.noise(seeds, truncation, &self.device)?;
        let embedding = self.pipeline.scaled_embedding(captions, guidance_scale)?;
        self.pipeline.generate_embedded(&embedding, &noise, self.growth)
    }

    /// Whether the model was trained with caption dropout or without captions, so that the empty caption means
    /// any image.
    pub fn has_empty_caption(&self) -> bool {
        self.config.loader.caption_dropout > 0.0 || self.wordless
    }

    /// The unknown words of a caption, once each. The model ignores them.
    pub fn unknown_words(&self, caption: &str) -> Vec<String> {
        self.pipeline.text().unknown_words(caption).unwrap_or_default()
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

/// An error with the file or folder of the model.
fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::State(message) => Error::file(path, message),
        error => Error::file(path, error),
    }
}

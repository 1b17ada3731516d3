//! The model file: one safetensors file with everything that generation requires.
//!
//! Its tensors are the averaged `text.…`, `conditioning.…`, `generator.…` and, with a prior, `prior.…`.
//! Its metadata entry is JSON with the tokenizer, the resolved configuration, the attribute schema of the
//! data and the provenance of the model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use t2f_data::attributes::Schema;
use t2f_data::{DataConfig, Image, procedural};
use t2f_files::{disk, tensors};
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::components::Components;
use crate::config::Config;
use crate::device;
use crate::error::{Error, Result};
use crate::pipeline::{Pipeline, Sampling, to_pictures};
use crate::stored_weights::Weights;

/// The provenance of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program of the training.
    pub version: String,
    /// Fingerprint of the training data.
    pub data: String,
    /// Thousands of images shown.
    pub kimg: f64,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    config: serde_json::Value,
    tokenizer: String,
    growth: Growth,
    provenance: Provenance,
    /// The attribute schema, since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Schema>,
}

/// The format of the metadata. Format 1, without a schema and with old configuration keys, can be read
/// too.
const FORMAT: u32 = 2;

/// The content of a model file.
#[derive(Clone, Debug)]
pub struct ModelFile<'a> {
    /// The resolved configuration.
    pub config: &'a Config,
    /// The schema of the data's attributes.
    pub schema: &'a Schema,
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The averaged parameters, see [`TrainState::model`](crate::state::TrainState::model).
    pub tensors: BTreeMap<String, Tensor>,
    /// The level and alpha of the last batch.
    pub growth: Growth,
    /// The provenance.
    pub provenance: Provenance,
}

impl ModelFile<'_> {
    /// Writes the file atomically.
    ///
    /// # Errors
    /// If a tensor is not finite, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(disk::replace(&disk::OsDisk, path.as_ref(), &self.to_bytes()?)?)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If a tensor is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if let Some((name, value)) = tensors::first_not_finite(&self.tensors) {
            return Err(Error::Diverged { what: format!("{name} of the model"), value });
        }
        let json = |error: serde_json::Error| Error::State(error.to_string());
        let metadata = Metadata {
            format: FORMAT,
            config: serde_json::to_value(self.config).map_err(json)?,
            tokenizer: self.tokenizer.to_json()?,
            growth: self.growth,
            provenance: self.provenance.clone(),
            schema: Some(self.schema.clone()),
        };
        let metadata = serde_json::to_string(&metadata).map_err(json)?;
        tensors::to_bytes(&self.tensors, &metadata).map_err(Error::State)
    }
}

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
}

impl Model {
    /// Loads a model file, or the model of a run folder, on the named device.
    ///
    /// Generation on the CPU is faster after [`t2f_ops::Runtime::install`], which this does not call.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another format; if a tensor is missing, unexpected, of another
    /// shape or type, or not finite (the message lists them); if a custom component is not among
    /// `components`; or if the device is not available.
    pub fn load(path: impl AsRef<Path>, device_name: &str, components: &Components) -> Result<Self> {
        let file = file_of(path.as_ref());
        let bytes = std::fs::read(&file).map_err(|error| Error::file(&file, error))?;
        Self::from_bytes(&bytes, &device::open(device_name)?, components).map_err(|error| match error {
            Error::State(message) => Error::file(&file, message),
            error => Error::file(&file, error),
        })
    }

    /// Loads the bytes of a model file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8], device: &Device, components: &Components) -> Result<Self> {
        let (tensors, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
        let metadata: Metadata = serde_json::from_str(&json).map_err(|error| {
            Error::State(format!("not a t2f model: its metadata cannot be read: {error}"))
        })?;
        if !(1..=FORMAT).contains(&metadata.format) {
            let found = metadata.format;
            return Err(Error::State(format!("the model has format {found}, expected 1 to {FORMAT}")));
        }
        let config = Config::of_json(metadata.config)?;
        config.check()?;
        components.check_model(&config.components)?;
        let schema = metadata.schema.unwrap_or_else(|| first_schema(&config.data));
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

    /// Whether the model was trained with caption dropout, so that the empty caption means any image.
    pub fn has_empty_caption(&self) -> bool {
        self.config.loader.caption_dropout > 0.0
    }

    /// The unknown words of a caption, once each. The model ignores them.
    pub fn unknown_words(&self, caption: &str) -> Vec<String> {
        self.pipeline.text().unknown_words(caption).unwrap_or_default()
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

/// Converts the bytes of a model file to weights in 16 bits, for distribution: half the size.
///
/// # Errors
/// If the bytes are not a safetensors file, or a weight is too large for 16 bits.
pub fn to_half(bytes: &[u8]) -> Result<Vec<u8>> {
    let (stored, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
    let half = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_dtype(DType::F16)?));
    let halves: BTreeMap<String, Tensor> = stored.into_iter().map(half).collect::<Result<_>>()?;
    tensors::all_finite(&halves).map_err(Error::State)?;
    tensors::to_bytes(&halves, &json).map_err(Error::State)
}

/// The schema of a model of format 1, which always was that of the procedural faces.
fn first_schema(data: &DataConfig) -> Schema {
    match data {
        DataConfig::Lfw(_) => Schema::default(),
        _ => procedural::schema().clone(),
    }
}

/// The model file of a path: a run folder or a file.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
}

//! The model file: one safetensors file that holds all it takes to draw.
//!
//! Tensors are the averaged `text.…`, `conditioning.…`, `generator.…` and, where there is one,
//! `prior.…`; the one metadata entry
//! is JSON with the tokenizer, the resolved configuration and where the model comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use t2f_data::Image;
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::pipeline::{BuildTextEncoder, Pipeline, Sampling, to_pictures};
use crate::stored_weights::Weights;
use t2f_files::{disk, tensors};

use crate::device;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program that trained it.
    pub version: String,
    /// Identity of the data it was trained on.
    pub data: String,
    /// Thousands of images shown.
    pub kimg: f64,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    config: Config,
    tokenizer: String,
    growth: Growth,
    provenance: Provenance,
}

/// The version of the metadata that this build writes and reads.
const FORMAT: u32 = 1;

/// A trained model, ready to draw.
pub struct Model {
    config: Config,
    growth: Growth,
    provenance: Provenance,
    pipeline: Pipeline,
    device: Device,
    hash: String,
}

impl Model {
    /// Writes a model file.
    ///
    /// # Errors
    /// If a tensor is not finite, or the file cannot be written.
    pub fn save(
        path: &Path,
        config: &Config,
        tokenizer: &Tokenizer,
        tensors: &BTreeMap<String, Tensor>,
        growth: Growth,
        provenance: Provenance,
    ) -> Result<()> {
        let bytes = Self::to_bytes(config, tokenizer, tensors, growth, provenance)?;
        Ok(disk::replace(&disk::OsDisk, path, &bytes)?)
    }

    /// The bytes of a model file.
    ///
    /// # Errors
    /// If a tensor is not finite.
    pub fn to_bytes(
        config: &Config,
        tokenizer: &Tokenizer,
        tensors: &BTreeMap<String, Tensor>,
        growth: Growth,
        provenance: Provenance,
    ) -> Result<Vec<u8>> {
        if let Some((name, value)) = tensors::first_not_finite(tensors) {
            return Err(Error::Diverged { what: format!("{name} of the model"), value });
        }
        let metadata = Metadata {
            format: FORMAT,
            config: config.clone(),
            tokenizer: tokenizer.to_json()?,
            growth,
            provenance,
        };
        let json = serde_json::to_string(&metadata).map_err(|error| Error::State(error.to_string()))?;
        tensors::to_bytes(tensors, &json).map_err(Error::State)
    }

    /// Reads a model file, or the one in a run folder, onto the named device.
    ///
    /// # Errors
    /// If there is no such file, it is not a model of this format, it is damaged, a tensor is
    /// missing, left over, of another shape or type, or not finite (the message lists them), or the
    /// device is not there.
    pub fn load(path: &Path, device_name: &str) -> Result<Self> {
        Self::read(path, device_name, None)
    }

    /// As [`load`](Self::load), for a model whose encoder the configuration has no name for.
    ///
    /// # Errors
    /// As [`load`](Self::load), and if the encoder cannot be built.
    pub fn load_with_text(path: &Path, device_name: &str, text: &BuildTextEncoder) -> Result<Self> {
        Self::read(path, device_name, Some(text))
    }

    fn read(path: &Path, device_name: &str, text: Option<&BuildTextEncoder>) -> Result<Self> {
        let file = file_of(path);
        let bytes = std::fs::read(&file).map_err(|error| Error::file(&file, error))?;
        Self::parse(&bytes, &device::open(device_name)?, text).map_err(|error| match error {
            Error::State(message) => Error::file(&file, message),
            error => Error::file(&file, error),
        })
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        Self::parse(bytes, device, None)
    }

    fn parse(bytes: &[u8], device: &Device, text: Option<&BuildTextEncoder>) -> Result<Self> {
        let (tensors, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
        let metadata: Metadata = serde_json::from_str(&json).map_err(|error| {
            Error::State(format!("not a t2f model: its metadata cannot be read: {error}"))
        })?;
        if metadata.format != FORMAT {
            let found = metadata.format;
            return Err(Error::State(format!("model format {found}, and this build reads format {FORMAT}")));
        }
        metadata.config.check()?;
        let tokenizer = Tokenizer::from_json(&metadata.tokenizer)?;
        let paint = |vb: VarBuilder| match text {
            Some(text) => {
                let text = text(tokenizer.clone(), vb.pp("text"))?;
                Pipeline::with_text(&metadata.config, text, vb)
            }
            None => Pipeline::new(&metadata.config, tokenizer.clone(), vb),
        };
        // A model that is passed on has its weights in 16 bits; see `halved`.
        let whole = |(name, tensor): (String, Tensor)| match tensor.dtype() {
            DType::F16 => Ok((name, tensor.to_dtype(DType::F32)?)),
            _ => Ok((name, tensor)),
        };
        let weights = Weights::new(tensors.into_iter().map(whole).collect::<Result<_>>()?);
        let pipeline = paint(weights.builder(DType::F32, device))?;
        weights.check()?;
        Ok(Self {
            config: metadata.config,
            growth: metadata.growth,
            provenance: metadata.provenance,
            pipeline,
            device: device.clone(),
            hash: blake3::hash(bytes).to_hex().to_string(),
        })
    }

    /// Faces for captions, a seed each. Equal captions, seeds and sampling give equal pictures.
    ///
    /// # Errors
    /// If the numbers of captions and seeds differ, a text scale is asked of a model that was trained
    /// without null captions, or the device fails.
    pub fn draw(&self, captions: &[String], seeds: &[u64], sampling: Sampling) -> Result<Vec<Image>> {
        to_pictures(&self.generate_tensor(captions, seeds, sampling)?)
    }

    /// As [`draw`](Self::draw), in `[-1, 1]`.
    ///
    /// # Shapes
    /// The result is `(B, 3, H, W)`.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    pub fn generate_tensor(&self, captions: &[String], seeds: &[u64], sampling: Sampling) -> Result<Tensor> {
        let Sampling { truncation, guidance_scale } = sampling;
        if captions.len() != seeds.len() {
            let (captions, seeds) = (captions.len(), seeds.len());
            return Err(Error::Config(format!(
                "{captions} captions and {seeds} seeds: each caption needs one"
            )));
        }
        if guidance_scale != 1.0 && !self.knows_empty_caption() {
            return Err(Error::Config(format!(
                "a text scale of {guidance_scale} leads away from the empty caption, and the model was trained \
                 without: train with `optimizer.null_captions` above 0, or leave the scale at 1"
            )));
        }
        let noise = self.pipeline.noise(seeds, truncation, &self.device)?;
        let embedding = self.pipeline.scaled_embedding(captions, guidance_scale)?;
        self.pipeline.generate_embedded(&embedding, &noise, self.growth)
    }

    /// Whether it was trained with null captions, so that the empty one stands for any face.
    pub fn knows_empty_caption(&self) -> bool {
        self.config.optimizer.null_captions > 0.0
    }

    /// Words of a caption that the model has not learnt, once each.
    pub fn unknown_words(&self, caption: &str) -> Vec<String> {
        self.pipeline.text.unknown_words(caption).unwrap_or_default()
    }

    /// The configuration that it was trained with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it comes from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Side of the pictures in pixels.
    pub fn resolution(&self) -> usize {
        self.growth.resolution()
    }

    /// blake3 of the file, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The bytes of a model file with its weights in 16 bits: half the size, to be passed on.
///
/// # Errors
/// If they are no safetensors, or a weight is too large for 16 bits.
pub fn halved(bytes: &[u8]) -> Result<Vec<u8>> {
    let (stored, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
    let half = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_dtype(DType::F16)?));
    let halves: BTreeMap<String, Tensor> = stored.into_iter().map(half).collect::<Result<_>>()?;
    tensors::all_finite(&halves).map_err(Error::State)?;
    tensors::to_bytes(&halves, &json).map_err(Error::State)
}

/// The model file of a path that a user names: a run folder or a file.
fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
}

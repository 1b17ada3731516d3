//! The model file: one safetensors file with everything that generation requires.
//!
//! Its tensors are the averaged `text.…`, `conditioning.…`, `generator.…` and, with a prior, `prior.…`.
//! Its metadata entry is JSON with the tokenizer, the resolved configuration, the attribute schema of the
//! data and the provenance of the model.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use t2f_data::attributes::Schema;
use t2f_data::{DataConfig, procedural};
use t2f_files::{disk, tensors};
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::config::Config;
use crate::error::{Error, Result};

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

/// The metadata entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Metadata {
    format: u32,
    pub(crate) config: serde_json::Value,
    pub(crate) tokenizer: String,
    pub(crate) growth: Growth,
    pub(crate) provenance: Provenance,
    /// The attribute schema, since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Schema>,
}

impl Metadata {
    /// Parses the entry.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        if json.is_empty() {
            let message = "not a t2f model: it has no metadata; the parameters of a checkpoint are read in the \
                           checkpoint's folder";
            return Err(Error::State(message.into()));
        }
        let metadata: Self = serde_json::from_str(json).map_err(|error| {
            Error::State(format!("not a t2f model: its metadata cannot be read: {error}"))
        })?;
        if !(1..=FORMAT).contains(&metadata.format) {
            let found = metadata.format;
            return Err(Error::State(format!("the model has format {found}, expected 1 to {FORMAT}")));
        }
        Ok(metadata)
    }

    /// The schema of the training data, of a model with the configuration `config`.
    pub(crate) fn schema(&self, config: &Config) -> Schema {
        self.schema.clone().unwrap_or_else(|| first_schema(&config.data))
    }
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

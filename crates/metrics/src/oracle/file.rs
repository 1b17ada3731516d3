//! The oracle's file: safetensors with weights in 16 bits and a JSON record.
//!
//! Format 2 has the schema, the gate, the minimum skill and the quality of each attribute. Format 1, which is read, has
//! procedural faces for its schema.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use t2f_data::attributes::{Attribute, Schema};
use t2f_data::procedural::{self, IMAGES_VERSION};
use t2f_files::tensors;

use super::record::{AttributeQuality, GATE, Record, SKILL_GATE};
use crate::error::{Error, Result};

/// The version of the file.
const FORMAT: u32 = 2;

/// The record of format 2.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    /// The version of the images of the procedural faces, if the attributes are theirs.
    generator_version: Option<u32>,
    resolution: usize,
    channels: Vec<usize>,
    train_data: String,
    train_images: usize,
    held_out_images: usize,
    gate: f64,
    /// Earlier files have none of the next three.
    #[serde(default = "earlier_skill")]
    skill: f64,
    #[serde(default)]
    augment: bool,
    #[serde(default)]
    epoch: Option<usize>,
    attributes: Vec<AttributeEntry>,
}

fn earlier_skill() -> f64 {
    SKILL_GATE
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeEntry {
    name: String,
    values: Vec<String>,
    accuracy: f64,
    majority: Option<f64>,
    support: Option<usize>,
    /// For readers of the file; computed anew when it is read.
    scored: bool,
}

/// The record of format 1. Attributes that were scored and dropped are computed anew.
#[derive(Deserialize)]
struct FirstMetadata {
    generator_version: u32,
    record: FirstRecord,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstRecord {
    resolution: usize,
    channels: Vec<usize>,
    train_images: usize,
    held_out_images: usize,
    accuracy: BTreeMap<String, f64>,
}

/// Any format.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// The bytes of a file.
pub(super) fn to_bytes(record: &Record, weights: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    let schema = record.schema.attributes().iter().enumerate().zip(&record.quality);
    let entry = |((at, attribute), quality): ((usize, &Attribute), &AttributeQuality)| AttributeEntry {
        name: attribute.name.clone(),
        values: attribute.values.clone(),
        accuracy: quality.accuracy,
        majority: quality.majority,
        support: quality.support,
        scored: record.is_scored(at),
    };
    let metadata = Metadata {
        format: FORMAT,
        generator_version: is_procedural(&record.schema).then_some(IMAGES_VERSION),
        resolution: record.resolution,
        channels: record.channels.clone(),
        train_data: record.train_data.clone(),
        train_images: record.train_images,
        held_out_images: record.held_out_images,
        gate: record.gate,
        skill: record.skill,
        augment: record.augment,
        epoch: record.epoch,
        attributes: schema.map(entry).collect(),
    };
    let json = serde_json::to_string(&metadata).map_err(|error| Error::State(error.to_string()))?;
    let halved = weights.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_dtype(DType::F16)?)));
    tensors::to_bytes(&halved.collect::<Result<_>>()?, &json).map_err(Error::State)
}

/// The record, the weights and the hash of a file.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<(Record, BTreeMap<String, Tensor>, String)> {
    let (weights, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
    let not_an_oracle = |error: serde_json::Error| Error::State(format!("not an oracle: {error}"));
    let format = serde_json::from_str::<AnyFormat>(&json).map_err(not_an_oracle)?.format;
    let (record, hash) = match format {
        1 => {
            let first: FirstMetadata = serde_json::from_str(&json).map_err(not_an_oracle)?;
            check_version(format, first.generator_version)?;
            first.record.read()?
        }
        FORMAT => {
            let metadata: Metadata = serde_json::from_str(&json).map_err(not_an_oracle)?;
            let record = metadata.read()?;
            (record, blake3::hash(bytes).to_hex().to_string())
        }
        _ => return Err(Error::State(format!("the oracle has format {format}, expected 1 or {FORMAT}"))),
    };
    Ok((record, weights, hash))
}

fn is_procedural(schema: &Schema) -> bool {
    schema == procedural::schema()
}

fn check_version(format: u32, version: u32) -> Result<()> {
    if version == IMAGES_VERSION {
        return Ok(());
    }
    Err(Error::State(format!(
        "the oracle has format {format} and was trained on images of version {version} of the procedural faces, expected \
         version {IMAGES_VERSION}: train it again"
    )))
}

impl Metadata {
    fn read(self) -> Result<Record> {
        let attributes = self.attributes.iter().map(|entry| Attribute::new(&entry.name, &entry.values));
        let schema = Schema::new(attributes.collect())?;
        if is_procedural(&schema) {
            check_version(self.format, self.generator_version.unwrap_or(0))?;
        }
        let quality = |entry: &AttributeEntry| AttributeQuality {
            accuracy: entry.accuracy,
            majority: entry.majority,
            support: entry.support,
        };
        Ok(Record {
            schema,
            resolution: self.resolution,
            channels: self.channels,
            train_data: self.train_data,
            train_images: self.train_images,
            held_out_images: self.held_out_images,
            gate: self.gate,
            skill: self.skill,
            augment: self.augment,
            epoch: self.epoch,
            quality: self.attributes.iter().map(quality).collect(),
        })
    }
}

impl FirstRecord {
    /// The record, and the hash of its JSON with the attributes in the order of the schema: the hash
    /// of such oracles in the protocol of metrics.
    fn read(self) -> Result<(Record, String)> {
        let schema = procedural::schema();
        let accuracy = |name: &str| self.accuracy.get(name).copied();
        let pairs =
            schema.names().filter_map(|name| Some(format!("\"{name}\":{}", json(&accuracy(name)?).ok()?)));
        let accuracies = pairs.collect::<Vec<_>>().join(",");
        let record = format!(
            "{{\"resolution\":{},\"channels\":{},\"train_images\":{},\"held_out_images\":{},\"accuracy\":{{{accuracies}}}}}",
            self.resolution,
            json(&self.channels)?,
            self.train_images,
            self.held_out_images
        );
        let hash = blake3::hash(record.as_bytes()).to_hex().to_string();
        let quality = |name| AttributeQuality {
            accuracy: accuracy(name).unwrap_or(0.0),
            majority: None,
            support: None,
        };
        let record = Record {
            schema: schema.clone(),
            resolution: self.resolution,
            quality: schema.names().map(quality).collect(),
            channels: self.channels,
            train_data: format!("procedural-v{IMAGES_VERSION}"),
            train_images: self.train_images,
            held_out_images: self.held_out_images,
            gate: GATE,
            skill: SKILL_GATE,
            augment: false,
            epoch: None,
        };
        Ok((record, hash))
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::State(error.to_string()))
}

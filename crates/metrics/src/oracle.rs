//! A small network that sees which factors a face shows.
//!
//! Trained on drawn faces of the full distribution (the pairs that training of a generator never
//! sees included) by the experiment `oracle`, which measures how often it is right on held-out
//! faces and writes that beside the weights. A factor on which it is right less often than
//! [`GATE`] is not scored.

use std::collections::{BTreeMap, HashMap};

use candle_core::{D, DType, Device, IndexOp, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_data::procedural::GENERATOR_VERSION;
use t2f_data::{Attributes, Claim, Factor};
use t2f_gan::ImageEncoder;

use crate::error::{Error, Result};
use t2f_files::tensors;

/// The least held-out accuracy of a factor that is scored.
pub const GATE: f64 = 0.98;
/// The classes a factor can have: hidden, then its values.
const CLASSES: usize = 7;
/// The logit of a class that the factor does not have.
const CLOSED: f64 = -1e4;
/// Images that are looked at together.
const BATCH: usize = 64;
/// The version of the file.
const FORMAT: u32 = 1;

/// What the oracle sees on one face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prediction([Option<u8>; Factor::ALL.len()]);

impl Prediction {
    /// The position of the factor's value, or `None` where it is taken to be hidden.
    pub fn get(&self, factor: Factor) -> Option<usize> {
        self.0[factor as usize].map(usize::from)
    }

    /// Whether what is claimed is seen. What is hidden is not.
    pub fn fulfils(&self, claim: &Claim) -> bool {
        self.get(claim.factor).is_some_and(|value| claim.allowed.contains(&value))
    }
}

/// What an oracle that is always right would see.
impl From<&Attributes> for Prediction {
    fn from(attributes: &Attributes) -> Self {
        Self(Factor::ALL.map(|factor| attributes.get(factor).map(|value| value as u8)))
    }
}

/// What stands beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The side of the faces it was trained on, in pixels.
    pub resolution: usize,
    /// Channels of each stage; each stage halves the sides, the last ends at 4x4.
    pub channels: Vec<usize>,
    /// Faces it was trained on.
    pub train_images: usize,
    /// Faces that the accuracies were measured on.
    pub held_out_images: usize,
    /// The share of held-out faces that show a factor on which it is seen rightly.
    pub accuracy: BTreeMap<Factor, f64>,
}

/// The file's metadata.
#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    generator_version: u32,
    gate: f64,
    scored: Vec<Factor>,
    dropped: Vec<Factor>,
    record: Record,
}

impl Record {
    /// The factors that are right often enough to be scored.
    pub fn scored(&self) -> Vec<Factor> {
        let right = |factor: &Factor| self.accuracy.get(factor).is_some_and(|accuracy| *accuracy >= GATE);
        Factor::ALL.into_iter().filter(right).collect()
    }

    /// The oracle's file: weights in 16 bits, this record as metadata.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn to_bytes(&self, weights: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
        let scored = self.scored();
        let dropped = Factor::ALL.into_iter().filter(|factor| !scored.contains(factor)).collect();
        let record = self.clone();
        let metadata = Metadata {
            format: FORMAT,
            generator_version: GENERATOR_VERSION,
            gate: GATE,
            scored,
            dropped,
            record,
        };
        let json = serde_json::to_string(&metadata).map_err(|error| Error::State(error.to_string()))?;
        let halved = weights.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_dtype(DType::F16)?)));
        tensors::to_bytes(&halved.collect::<Result<_>>()?, &json).map_err(Error::State)
    }
}

/// The network: a [`ImageEncoder`], as training has one beside the discriminator, and a linear head that all
/// factors share.
pub struct OracleNetwork {
    reader: ImageEncoder,
    head: (Tensor, Tensor),
    /// `(22·7)`: where each class of each factor stands among the head's outputs.
    places: Tensor,
}

impl OracleNetwork {
    /// Asks `vb` for `stages.<i>.{mix,see}.{weight,bias}` and `head.{weight,bias}`.
    ///
    /// # Errors
    /// If the channels do not lead from `resolution` to 4x4, or a parameter cannot be had.
    pub fn new(resolution: usize, channels: &[usize], vb: VarBuilder) -> Result<Self> {
        if channels.is_empty() || ImageEncoder::side(channels) != resolution || channels.contains(&0) {
            let expected = "one number for each halving down to 4";
            return Err(Error::State(format!(
                "oracle of {resolution} pixels: channels are {channels:?}, expected {expected}"
            )));
        }
        let reader = ImageEncoder::new(channels, &vb.pp("stages"))?;
        let vb = vb.pp("head");
        let (inputs, outputs) = (reader.outputs(), classes());
        let init = Init::Randn { mean: 0.0, stdev: (1.0 / inputs as f64).sqrt() };
        let weight = vb.get_with_hints((inputs, outputs), "weight", init)?;
        let bias = vb.get_with_hints(outputs, "bias", Init::Const(0.0))?;
        let places = Tensor::new(places(), vb.device())?;
        Ok(Self { reader, head: (weight, bias), places })
    }

    /// The logit of each class of each factor: class 0 is hidden, class `v + 1` is value `v`.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`; result: `(B, 22, 7)`, with -10000 at classes that a
    /// factor does not have.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let features = self.features(images)?;
        let batch = features.dim(0)?;
        let logits = features.matmul(&self.head.0)?.broadcast_add(&self.head.1)?;
        let closed = Tensor::full(CLOSED as f32, (batch, 1), images.device())?.to_dtype(logits.dtype())?;
        let logits = Tensor::cat(&[&logits, &closed], 1)?.index_select(&self.places, 1)?;
        Ok(logits.reshape((batch, Factor::ALL.len(), CLASSES))?)
    }

    /// What the head looks at.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`; result: `(B, 16·C)` with the last stage's C.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.reader.features(images)?)
    }
}

/// The number of classes that exist, which is that of the head's outputs.
fn classes() -> usize {
    Factor::ALL.iter().map(|factor| factor.values().len() + 1).sum()
}

/// Where each class of each factor stands among the head's outputs; classes that a factor does not
/// have stand behind them.
fn places() -> Vec<u32> {
    let mut outputs = 0..classes() as u32;
    let exists = |factor: Factor| (0..CLASSES).map(move |class| class <= factor.values().len());
    let mut place = |exists: bool| if exists { outputs.next() } else { None }.unwrap_or(classes() as u32);
    Factor::ALL.into_iter().flat_map(exists).map(&mut place).collect()
}

/// A trained network with what is known of it.
pub struct Oracle {
    network: OracleNetwork,
    record: Record,
    scored: Vec<Factor>,
}

impl Oracle {
    /// The oracle that comes with this build, if it can look at faces of `resolution` pixels a side:
    /// of 32, or a power of two times that, which it sees halved to 32.
    ///
    /// # Errors
    /// If the embedded file does not fit this build.
    pub fn embedded(resolution: usize) -> Result<Option<Self>> {
        let oracle = Self::from_bytes(include_bytes!("../assets/oracle-32.safetensors"))?;
        Ok(oracle.halvings(resolution).map(|_| oracle))
    }

    /// Reads an oracle's file.
    ///
    /// # Errors
    /// If it is none, or was trained on faces that this build draws differently.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (weights, json) = tensors::from_bytes(bytes).map_err(Error::State)?;
        let metadata: Metadata =
            serde_json::from_str(&json).map_err(|error| Error::State(format!("not an oracle: {error}")))?;
        let (format, version) = (metadata.format, metadata.generator_version);
        if (format, version) != (FORMAT, GENERATOR_VERSION) {
            return Err(Error::State(format!(
                "the oracle has format {format} and knows version {version} of the faces, expected format {FORMAT} \
                 and version {GENERATOR_VERSION}: train it anew"
            )));
        }
        let record = metadata.record;
        let weights: HashMap<String, Tensor> = weights.into_iter().collect();
        let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let network = OracleNetwork::new(record.resolution, &record.channels, vb)?;
        Ok(Self { network, scored: record.scored(), record })
    }

    /// What is seen on each image.
    ///
    /// # Shapes
    /// `images`: `(B, 3, S, S)` in `[-1, 1]`, where S is the resolution that the oracle was trained
    /// on, or a power of two times that: larger images are halved by averaging.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn predict(&self, images: &Tensor) -> Result<Vec<Prediction>> {
        let classes = self.in_batches(images, |images| {
            Ok(self.network.logits(images)?.argmax(D::Minus1)?.to_vec2::<u32>()?)
        })?;
        let prediction = |classes: Vec<u32>| {
            let mut seen = [None; Factor::ALL.len()];
            for (seen, class) in seen.iter_mut().zip(classes) {
                *seen = class.checked_sub(1).map(|value| value as u8);
            }
            Prediction(seen)
        };
        Ok(classes.into_iter().flatten().map(prediction).collect())
    }

    /// What the oracle's head looks at: features in which distributions of faces can be compared.
    ///
    /// # Shapes
    /// `images`: as for [`predict`](Self::predict); result: `(B, F)`.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        let features = self.in_batches(images, |images| self.network.features(images))?;
        Ok(Tensor::cat(&features, 0)?)
    }

    fn in_batches<T>(&self, images: &Tensor, look: impl Fn(&Tensor) -> Result<T>) -> Result<Vec<T>> {
        let (count, halvings) = match *images.dims() {
            [count, 3, height, width] if height == width => (count, self.halvings(width)),
            _ => (0, None),
        };
        let Some(halvings) = halvings else {
            let (dims, side) = (images.dims(), self.record.resolution);
            return Err(Error::State(format!(
                "the oracle was shown images {dims:?}, expected (B, 3, S, S) with S {side} or a power of two times that"
            )));
        };
        let images = images.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let some = |from: usize| {
            let mut images = images.i(from..count.min(from + BATCH))?;
            for _ in 0..halvings {
                images = images.avg_pool2d(2)?;
            }
            look(&images)
        };
        (0..count).step_by(BATCH).map(some).collect()
    }

    /// How often a side is halved before it is looked at; `None` where that does not lead there.
    fn halvings(&self, side: usize) -> Option<u32> {
        let own = self.record.resolution;
        let times = (side / own).checked_ilog2()?;
        (own << times == side).then_some(times)
    }

    /// The factors that are scored, in order.
    pub fn scored_factors(&self) -> &[Factor] {
        &self.scored
    }

    /// How it was trained, and how often it is right.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

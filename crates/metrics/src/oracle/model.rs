//! A trained oracle: network, weights and record.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{D, DType, Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use t2f_data::Dataset;
use t2f_data::attributes::Schema;
use t2f_files::disk::{self, OsDisk};

use crate::error::{Error, Result};
use crate::prediction::{Prediction, ScoredAttributes};

use super::file;
use super::network::OracleNetwork;
use super::record::Record;

/// Images that are classified together.
const BATCH: usize = 64;

/// A trained network and its record.
#[derive(Debug)]
pub struct Oracle {
    network: OracleNetwork,
    weights: BTreeMap<String, Tensor>,
    record: Record,
    scored: ScoredAttributes,
    hash: String,
}

impl Oracle {
    /// The oracle of procedural faces that is part of this crate, if it fits images of `resolution`
    /// pixels a side: 32, or a power of two times that.
    ///
    /// # Errors
    /// If the embedded file does not fit this build.
    pub fn embedded(resolution: usize) -> Result<Option<Self>> {
        let oracle = Self::for_features()?;
        Ok(oracle.halvings(resolution).map(|_| oracle))
    }

    /// The embedded oracle, if it classifies the attributes of a data set and fits its images.
    ///
    /// # Errors
    /// As for [`embedded`](Self::embedded).
    pub fn embedded_for(data: &dyn Dataset) -> Result<Option<Self>> {
        Ok(Self::embedded(data.resolution())?.filter(|oracle| oracle.record().schema == *data.schema()))
    }

    /// The embedded oracle for its features alone, which are defined for images of any kind and size.
    ///
    /// # Errors
    /// As for [`embedded`](Self::embedded).
    pub fn for_features() -> Result<Self> {
        Self::from_bytes(include_bytes!("../../assets/oracle-32.safetensors"))
    }

    /// An oracle from its file.
    ///
    /// # Errors
    /// If the file cannot be read; those of [`from_bytes`](Self::from_bytes).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
        Self::from_bytes(&bytes).map_err(|error| Error::file(path, error))
    }

    /// An oracle from the bytes of its file.
    ///
    /// # Errors
    /// If they are not an oracle's, or it was trained on another version of the procedural faces.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (record, weights, hash) = file::from_bytes(bytes)?;
        let tensors: HashMap<String, Tensor> = weights.clone().into_iter().collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let network = OracleNetwork::new(&record.schema, record.resolution, &record.channels, vb)?;
        Ok(Self { network, weights, scored: record.scored()?, record, hash })
    }

    /// The bytes of its file, in the present format.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        file::to_bytes(&self.record, &self.weights)
    }

    /// Writes its file atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(disk::replace(&OsDisk, path.as_ref(), &self.to_bytes()?)?)
    }

    /// The attributes of each image.
    ///
    /// # Shapes
    /// `images`: `(B, 3, S, S)` in `[-1, 1]`, where S is the oracle's resolution or a power of two
    /// times that: larger images are halved by averaging.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn predict(&self, images: &Tensor) -> Result<Vec<Prediction>> {
        let classes = self.in_batches(images, |images| {
            Ok(self.network.logits(images)?.argmax(D::Minus1)?.to_vec2::<u32>()?)
        })?;
        Ok(classes.into_iter().flatten().map(|classes| Prediction::of_classes(&classes)).collect())
    }

    /// The input of the oracle's head: features in which distributions of images can be compared.
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

    fn in_batches<T>(&self, images: &Tensor, of: impl Fn(&Tensor) -> Result<T>) -> Result<Vec<T>> {
        let (count, halvings) = match *images.dims() {
            [count, 3, height, width] if height == width => (count, self.halvings(width)),
            _ => (0, None),
        };
        let Some(halvings) = halvings else {
            let (dims, side) = (images.dims(), self.record.resolution);
            return Err(Error::State(format!(
                "the oracle has images {dims:?}, expected (B, 3, S, S) with S {side} or a power of two times that"
            )));
        };
        let images = images.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let some = |from: usize| {
            let mut images = images.i(from..count.min(from + BATCH))?;
            for _ in 0..halvings {
                images = images.avg_pool2d(2)?;
            }
            of(&images)
        };
        (0..count).step_by(BATCH).map(some).collect()
    }

    /// The number of halvings from images of a side to the oracle's resolution; `None` if they do not
    /// lead there.
    pub fn halvings(&self, side: usize) -> Option<u32> {
        let own = self.record.resolution;
        let times = (side / own).checked_ilog2()?;
        (own << times == side).then_some(times)
    }

    /// Checks that it classifies the attributes of a schema in images of `resolution` pixels a side.
    ///
    /// # Errors
    /// If not; the error says why.
    pub fn check_fits(&self, schema: &Schema, resolution: usize) -> Result<()> {
        if &self.record.schema != schema {
            let names = |schema: &Schema| schema.names().collect::<Vec<_>>().join(", ");
            let (own, other) = (names(&self.record.schema), names(schema));
            return Err(Error::Unavailable(format!(
                "the oracle has another schema ({own}) than the data ({other}): train one on this data with `t2f \
                 oracle train`"
            )));
        }
        if self.halvings(resolution).is_none() {
            let own = self.record.resolution;
            return Err(Error::Unavailable(format!(
                "the oracle classifies images of {own} pixels or a power of two times that, and these have {resolution}"
            )));
        }
        if self.scored.is_empty() {
            let Record { gate, skill, .. } = &self.record;
            return Err(Error::Unavailable(format!(
                "no attribute passes the oracle's gate (accuracy {gate}, skill {skill}): train it on more images, or \
                 lower `--gate` and `--skill` of `t2f oracle train`"
            )));
        }
        Ok(())
    }

    /// The attributes that are scored.
    pub fn scored(&self) -> &ScoredAttributes {
        &self.scored
    }

    /// How it was trained, and its quality.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// A blake3 hash that distinguishes oracles, in hexadecimal: of the file, or of its record in format
    /// 1.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

//! The training of an oracle.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};
use rayon::prelude::*;
use t2f_data::attributes::{Attributes, Observation, Schema};
use t2f_data::procedural::{self, Face, GENERATOR_VERSION};
use t2f_data::{Caption, DataConfig, Dataset, Image};
use t2f_ops::adam::{Adam, AdamConfig};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{Key, permutation};

use super::file;
use super::model::Oracle;
use super::network::{OracleNetwork, classes};
use super::record::{AttributeQuality, GATE, Record};
use crate::error::{Error, Result};

/// Images that the quality is measured on at once.
const MEASURED: usize = 500;

/// The settings of the training of an oracle.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleTraining {
    /// The channels of each stage, one for each halving of the resolution down to 4 pixels. Default
    /// 64, 80, 64, for 32 pixels.
    pub channels: Vec<usize>,
    /// The most images to train on; default 60,000.
    pub images: usize,
    /// The most images to measure the quality on; default 4000.
    pub held_out: usize,
    /// The number of times that each image is shown; default 10.
    pub epochs: usize,
    /// The images of a step; default 64.
    pub batch: usize,
    /// The first step size of Adam; it falls to 0 along half a cosine. Default 0.002.
    pub lr: f64,
    /// The least accuracy of a scored attribute, in `[0, 1]`; default [`GATE`].
    pub gate: f64,
    /// The seed of all random numbers; default 0.
    pub seed: u64,
}

impl Default for OracleTraining {
    fn default() -> Self {
        Self {
            channels: vec![64, 80, 64],
            images: 60_000,
            held_out: 4000,
            epochs: 10,
            batch: 64,
            lr: 2e-3,
            gate: GATE,
            seed: 0,
        }
    }
}

impl OracleTraining {
    fn key(&self) -> Key {
        Key::new(self.seed).child("oracle")
    }

    fn check(&self, images: usize) -> Result<()> {
        let Self { epochs, batch, lr, gate, .. } = self;
        if *batch == 0 || images < *batch {
            return Err(Error::Config(format!(
                "an oracle is trained on {images} images in batches of {batch}, expected at least one full batch"
            )));
        }
        if *epochs == 0 || !(*lr > 0.0 && lr.is_finite()) || !(0.0..=1.0).contains(gate) {
            return Err(Error::Config(format!(
                "an oracle is trained with {epochs} epochs, step size {lr} and gate {gate}, expected at least one \
                 epoch, a step size above 0 and a gate from 0 to 1"
            )));
        }
        Ok(())
    }
}

/// The state after an epoch.
#[derive(Clone, Debug)]
pub struct Epoch<'a> {
    /// The number of the epoch, from 1.
    pub number: usize,
    /// The number of epochs.
    pub epochs: usize,
    /// The mean loss of the epoch: the sum of the cross-entropies of all attributes.
    pub loss: f64,
    /// The oracle as it would be saved now, with its quality.
    pub oracle: &'a Oracle,
}

/// The images that an oracle of a data set is trained on, and those that its quality is measured on.
///
/// - Procedural faces: new faces of the full distribution, which has the pairs of values that the
///   training part never shows.
/// - Other data: the validation part, which the training of a generator does not see, and the test
///   part.
///
/// # Errors
/// If the data cannot be opened.
pub fn parts(
    data: &DataConfig,
    resolution: usize,
    training: &OracleTraining,
) -> Result<(Arc<dyn Dataset>, Arc<dyn Dataset>)> {
    if let DataConfig::Procedural(_) = data {
        let faces = |purpose: &str, len: usize| -> Arc<dyn Dataset> {
            Arc::new(FullDistributionFaces { key: training.key().child(purpose), len, resolution })
        };
        return Ok((faces("train", training.images), faces("held out", training.held_out)));
    }
    let splits = data.open(resolution)?;
    Ok((splits.val, splits.test))
}

/// Procedural faces of the full distribution, with the pairs of values that the training part never
/// shows. They have no captions.
#[derive(Clone, Debug)]
pub struct FullDistributionFaces {
    key: Key,
    len: usize,
    resolution: usize,
}

impl FullDistributionFaces {
    /// `len` faces of `resolution` pixels a side, drawn from `key`.
    pub fn new(key: Key, len: usize, resolution: usize) -> Self {
        Self { key, len, resolution }
    }

    fn face(&self, index: usize) -> Face {
        procedural::sample(self.key.at(index as u64).child("face"))
    }
}

impl Dataset for FullDistributionFaces {
    fn name(&self) -> &str {
        "procedural"
    }
    fn len(&self) -> usize {
        self.len
    }
    fn resolution(&self) -> usize {
        self.resolution
    }
    fn image(&self, index: usize) -> t2f_data::Result<Image> {
        let key = self.key.at(index as u64).child("render");
        Ok(procedural::render(&self.face(index), self.resolution, key))
    }
    fn captions(&self, _index: usize) -> t2f_data::Result<Vec<Caption>> {
        Ok(vec![Caption::unlabelled("")])
    }
    fn schema(&self) -> &Schema {
        procedural::schema()
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        Some(self.face(index).attributes())
    }
    fn fingerprint(&self) -> String {
        let (len, side) = (self.len, self.resolution);
        format!("procedural-v{GENERATOR_VERSION}-full-{:?}-{len}x{side}", self.key)
    }
}

/// Trains an oracle of the attributes of `train` and measures its quality on `held_out`. `progress` is
/// called after each epoch.
///
/// The loss is the sum over attributes of the cross-entropy of their classes, where hidden is a class
/// and unknown attributes have no loss; it is minimised by Adam. All images are kept in memory.
///
/// # Errors
/// If the parts differ in schema or resolution, have no images with known attributes, or do not fit
/// the settings.
pub fn train(
    training: &OracleTraining,
    train: &dyn Dataset,
    held_out: &dyn Dataset,
    progress: &mut dyn FnMut(&Epoch),
) -> Result<Oracle> {
    let (schema, resolution) = (train.schema(), train.resolution());
    if held_out.schema() != schema || held_out.resolution() != resolution {
        return Err(Error::State("the parts of an oracle's data differ in schema or resolution".into()));
    }
    let key = training.key();
    let examples = Examples::read(train, training.images)?;
    let held_out = Examples::read(held_out, training.held_out)?;
    training.check(examples.labels.len())?;
    if held_out.labels.is_empty() {
        return Err(Error::State(
            "there are no held-out images with known attributes to measure an oracle on".into(),
        ));
    }
    let parameters = Parameters::drawn(key.child("weights"));
    let vb = parameters.builder(DType::F32, &Device::Cpu);
    let network = OracleNetwork::new(schema, resolution, &training.channels, vb)?;
    let mut record = Record {
        schema: schema.clone(),
        resolution,
        channels: training.channels.clone(),
        train_data: train.fingerprint(),
        train_images: examples.labels.len(),
        held_out_images: held_out.labels.len(),
        gate: training.gate,
        quality: vec![AttributeQuality { accuracy: 0.0, majority: None, support: None }; schema.len()],
    };
    let config =
        AdamConfig { lr: training.lr.into(), beta1: 0.9, beta2: 0.99.into(), ..AdamConfig::default() };
    let mut adam = Adam::new(&parameters, config)?;
    let steps = examples.labels.len() / training.batch;
    let turn = std::f64::consts::PI / (steps * training.epochs) as f64;
    // Weights are measured as they are saved: in 16 bits.
    let mut save = |parameters: &Parameters| -> Result<Oracle> {
        let weights = parameters.tensors();
        record.quality = held_out.quality(&Oracle::from_bytes(&file::to_bytes(&record, &weights)?)?)?;
        Oracle::from_bytes(&file::to_bytes(&record, &weights)?)
    };
    let mut last = None;
    for epoch in 0..training.epochs {
        let order = permutation(&mut key.child("order").at(epoch as u64).rng(), examples.labels.len());
        let mut total = 0.0;
        for (step, indices) in order.chunks_exact(training.batch).enumerate() {
            let (images, wanted) = examples.batch(indices)?;
            let loss = cross_entropy(&network.logits(&images)?, &wanted)?;
            adam.set_lr(0.5 * training.lr * (1.0 + ((epoch * steps + step) as f64 * turn).cos()));
            adam.step(&gradients(&loss)?)?;
            total += f64::from(loss.to_scalar::<f32>()?);
        }
        let oracle = save(&parameters)?;
        let loss = total / steps as f64;
        progress(&Epoch { number: epoch + 1, epochs: training.epochs, loss, oracle: &oracle });
        last = Some(oracle);
    }
    last.ok_or_else(|| Error::Config("an oracle is trained for 0 epochs, expected at least one".into()))
}

/// The sum over attributes of the cross-entropy of their classes, a mean over images.
fn cross_entropy(logits: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&highest)?;
    let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let chosen = shifted.broadcast_sub(&total)?.mul(wanted)?;
    Ok(chosen.sum_all()?.affine(-1.0 / logits.dim(0)? as f64, 0.0)?)
}

/// Images and their attributes in memory.
struct Examples {
    resolution: usize,
    schema: Schema,
    pixels: Vec<Vec<u8>>,
    labels: Vec<Attributes>,
}

impl Examples {
    /// The first `most` images with known attributes.
    fn read(data: &dyn Dataset, most: usize) -> Result<Self> {
        let known = (0..data.len()).filter_map(|index| Some((index, data.attributes(index)?)));
        let (indices, labels): (Vec<usize>, Vec<Attributes>) = known.take(most).unzip();
        let read = |index: &usize| Ok(data.image(*index)?.pixels);
        let pixels = indices.par_iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Self { resolution: data.resolution(), schema: data.schema().clone(), pixels, labels })
    }

    /// Images `(B, 3, R, R)` in `[-1, 1]`, and 1 at the class of each known attribute, `(B, A, K)`.
    fn batch(&self, indices: &[usize]) -> Result<(Tensor, Tensor)> {
        let (side, attributes, classes) = (self.resolution, self.schema.len(), classes(&self.schema));
        let pixels = indices.iter().flat_map(|&index| &self.pixels[index]);
        let pixels: Vec<f32> = pixels.map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        let images = Tensor::from_vec(pixels, (indices.len(), side, side, 3), &Device::Cpu)?;
        let mut wanted = vec![0f32; indices.len() * attributes * classes];
        for (row, &index) in indices.iter().enumerate() {
            for attribute in 0..attributes {
                let class = match self.labels[index].get(attribute) {
                    Observation::Unknown => continue,
                    Observation::Hidden => 0,
                    Observation::Value(value) => usize::from(value) + 1,
                };
                wanted[(row * attributes + attribute) * classes + class] = 1.0;
            }
        }
        let wanted = Tensor::from_vec(wanted, (indices.len(), attributes, classes), &Device::Cpu)?;
        Ok((images.permute((0, 3, 1, 2))?, wanted))
    }

    /// The quality of an oracle on each attribute, over the images that show it.
    fn quality(&self, oracle: &Oracle) -> Result<Vec<AttributeQuality>> {
        let indices: Vec<usize> = (0..self.labels.len()).collect();
        let mut predictions = Vec::with_capacity(self.labels.len());
        for indices in indices.chunks(MEASURED) {
            predictions.extend(oracle.predict(&self.batch(indices)?.0)?);
        }
        let of = |attribute: usize| {
            let mut counts = vec![0usize; self.schema.values(attribute).len()];
            let (mut right, mut support) = (0usize, 0usize);
            for (label, prediction) in self.labels.iter().zip(&predictions) {
                if let Some(value) = label.value(attribute) {
                    counts[value] += 1;
                    support += 1;
                    right += usize::from(prediction.value(attribute) == Some(value));
                }
            }
            let share = |count: usize| count as f64 / support.max(1) as f64;
            let majority = counts.into_iter().max().map(share);
            AttributeQuality { accuracy: share(right), majority, support: Some(support) }
        };
        Ok((0..self.schema.len()).map(of).collect())
    }
}

//! The training of an oracle.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};
use t2f_data::attributes::{Attributes, Schema};
use t2f_data::procedural::{self, Face, IMAGES_VERSION};
use t2f_data::{Caption, DataConfig, Dataset, Image};
use t2f_ops::adam::{Adam, AdamConfig};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{Key, permutation};

use super::examples::Examples;
use super::file;
use super::model::Oracle;
use super::network::OracleNetwork;
use super::record::{AttributeQuality, GATE, Record, SKILL_GATE, mean_skill};
use crate::error::{Error, Result};

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
    /// The least skill of a scored attribute, in `[0, 1]`; default [`SKILL_GATE`].
    pub skill: f64,
    /// Whether training images are mirrored with probability 1/2 and shifted by up to a sixteenth of
    /// their side; default false. Not for attributes that tell left from right. A fixed tenth of the
    /// training images is then left out of the training, and the weights of the epoch with the highest
    /// mean skill on it are kept: with augmentation an oracle is trained for more epochs, of which the
    /// last need not be the best.
    pub augment: bool,
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
            skill: SKILL_GATE,
            augment: false,
            seed: 0,
        }
    }
}

impl OracleTraining {
    fn key(&self) -> Key {
        Key::new(self.seed).child("oracle")
    }

    fn check(&self, images: usize) -> Result<()> {
        let Self { epochs, batch, lr, gate, skill, .. } = self;
        if *batch == 0 || images < *batch {
            return Err(Error::Config(format!(
                "an oracle is trained on {images} images in batches of {batch}, expected at least one full batch"
            )));
        }
        let share = |share: &f64| (0.0..=1.0).contains(share);
        let shares = share(gate) && share(skill);
        if *epochs == 0 || !(*lr > 0.0 && lr.is_finite()) || !shares {
            return Err(Error::Config(format!(
                "an oracle is trained with {epochs} epochs, step size {lr}, gate {gate} and skill {skill}, expected at \
                 least one epoch, a step size above 0, and a gate and a skill from 0 to 1"
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
        format!("procedural-v{IMAGES_VERSION}-full-{:?}-{len}x{side}", self.key)
    }
}

/// Trains an oracle of the attributes of `train` and measures its quality on `held_out`. `progress` is
/// called after each epoch.
///
/// The loss is the sum over attributes of the cross-entropy of their classes, where hidden is a class
/// and unknown attributes have no loss; it is minimised by Adam. All images are kept in memory. The
/// weights are those of the last epoch, with [`OracleTraining::augment`] those of the best one on a tenth of
/// the training images; `held_out` selects nothing.
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
    let mut examples = Examples::read(train, training.images)?;
    let held_out = Examples::read(held_out, training.held_out)?;
    let chooses = training.augment && examples.len() > 1;
    let validation = chooses.then(|| examples.split_off_tenth(key.child("validation")));
    training.check(examples.len())?;
    if held_out.len() == 0 {
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
        train_images: examples.len(),
        held_out_images: held_out.len(),
        gate: training.gate,
        skill: training.skill,
        augment: training.augment,
        epoch: None,
        quality: vec![AttributeQuality { accuracy: 0.0, majority: None, support: None }; schema.len()],
    };
    let mut optimizer = Optimizer::new(training, &parameters, examples.len())?;
    let mut best: Option<(f64, Oracle)> = None;
    for epoch in 0..training.epochs {
        let loss = optimizer.epoch(epoch, &network, &examples)?;
        record.epoch = validation.as_ref().map(|_| epoch + 1);
        // Weights are measured as they are saved: in 16 bits.
        let weights = parameters.tensors();
        let oracle = Oracle::from_bytes(&file::to_bytes(&record, &weights)?)?;
        record.quality = held_out.quality(&oracle)?;
        let oracle = Oracle::from_bytes(&file::to_bytes(&record, &weights)?)?;
        progress(&Epoch { number: epoch + 1, epochs: training.epochs, loss, oracle: &oracle });
        // Without validation images every epoch replaces the one before.
        let skill = match &validation {
            Some(validation) => mean_skill(&validation.quality(&oracle)?).unwrap_or(0.0),
            None => 0.0,
        };
        if best.as_ref().is_none_or(|(highest, _)| skill >= *highest) {
            best = Some((skill, oracle));
        }
    }
    let kept = best.map(|(_, oracle)| oracle);
    kept.ok_or_else(|| Error::Config("an oracle is trained for 0 epochs, expected at least one".into()))
}

/// Adam, its learning rate, and the order of the images.
struct Optimizer<'a> {
    training: &'a OracleTraining,
    adam: Adam,
    /// The steps of an epoch.
    steps: usize,
}

impl<'a> Optimizer<'a> {
    fn new(training: &'a OracleTraining, parameters: &Parameters, images: usize) -> Result<Self> {
        let config =
            AdamConfig { lr: training.lr.into(), beta1: 0.9, beta2: 0.99.into(), ..AdamConfig::default() };
        Ok(Self { training, adam: Adam::new(parameters, config)?, steps: images / training.batch })
    }

    /// Shows each image once, without the last incomplete batch. The result is the mean loss.
    fn epoch(&mut self, epoch: usize, network: &OracleNetwork, examples: &Examples) -> Result<f64> {
        let (training, key) = (self.training, self.training.key());
        let turn = std::f64::consts::PI / (self.steps * training.epochs) as f64;
        let order = permutation(&mut key.child("order").at(epoch as u64).rng(), examples.len());
        let augment = training.augment.then(|| key.child("augment").at(epoch as u64));
        let mut total = 0.0;
        for (step, indices) in order.chunks_exact(training.batch).enumerate() {
            let (images, wanted) = examples.batch(indices, augment)?;
            let loss = cross_entropy(&network.logits(&images)?, &wanted)?;
            let done = (epoch * self.steps + step) as f64;
            self.adam.set_lr(0.5 * training.lr * (1.0 + (done * turn).cos()));
            self.adam.step(&gradients(&loss)?)?;
            total += f64::from(loss.to_scalar::<f32>()?);
        }
        Ok(total / self.steps as f64)
    }
}

/// The sum over attributes of the cross-entropy of their classes, a mean over images.
fn cross_entropy(logits: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&highest)?;
    let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let chosen = shifted.broadcast_sub(&total)?.mul(wanted)?;
    Ok(chosen.sum_all()?.affine(-1.0 / logits.dim(0)? as f64, 0.0)?)
}

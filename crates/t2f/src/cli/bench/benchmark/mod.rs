//! The benchmark of `t2f bench`: one training step of fixed networks on fixed random data, and a check
//! that another program computes the same step.
//!
//! The step is the whole of [`TrainState::step`]: both losses, both optimisers and the average. A table of
//! random embeddings replaces the text encoder.

pub mod operators;
mod parity;

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use t2f_data::attributes::{Claims, Schema};
use t2f_data::{Batch, Item};
use t2f_gan::{AdversarialConfig, Channels, GanConfig, Growth, LossConfig, ParameterRow};
use t2f_ops::init::Parameters;
use t2f_ops::rng::{self, Key};
use t2f_text::{LstmConfig, TextConfig, TextEncoder, Tokenizer};

use t2f_train::Result;
use t2f_train::components::Components;
use t2f_train::config::{Config, Precision};
use t2f_train::model::{ModelFile, Provenance};
use t2f_train::pipeline::Pipeline;
use t2f_train::schedule::Stage;
use t2f_train::state::TrainState;

pub use parity::{Parity, formula};

/// The networks and the data of the benchmark. The other program gets the same fields as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Feature maps at each level, from 4x4 upwards.
    pub channels: Vec<usize>,
    /// Size of the generator's input.
    pub latent_size: usize,
    /// Size of the text code in it.
    pub code_size: usize,
    /// Size of a text embedding.
    pub embedding_size: usize,
    /// Size of the compressed embedding in the discriminator.
    pub compressed_size: usize,
    /// Images per step.
    pub batch: usize,
    /// The trained level: 0 is 4x4, each level doubles.
    pub level: usize,
    /// Weight of its newest layers, in `(0, 1]`.
    pub alpha: f64,
    /// The loss.
    pub loss: Loss,
    /// The element type of feature maps.
    #[serde(default)]
    pub precision: Precision,
    /// The device, by the name that [`t2f_train::device::open`] takes.
    #[serde(default = "cpu")]
    pub device: String,
}

fn cpu() -> String {
    "cpu".into()
}

/// The losses of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Wasserstein with gradient penalty and drift, matching-aware.
    WganGp,
    /// Non-saturating logistic, without penalty and without mismatched captions.
    Ns,
}

impl Loss {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::WganGp => "wgan-gp",
            Self::Ns => "ns",
        }
    }

    fn config(self) -> AdversarialConfig {
        let default = AdversarialConfig::default();
        match self {
            Self::WganGp => default,
            Self::Ns => AdversarialConfig { kind: "logistic".into(), matching_aware: false, ..default },
        }
    }
}

impl Benchmark {
    /// T2F's network for 64x64 (2.conf): latent size 256, compressed embedding 32, batch size 16, alpha 0.5.
    /// Larger resolutions have one more level for each doubling.
    pub fn wide(level: usize, loss: Loss) -> Self {
        let levels = (level + 1).max(5);
        Self {
            channels: (0..levels).map(|level| 256 >> level.saturating_sub(3)).collect(),
            latent_size: 256,
            code_size: 128,
            embedding_size: 512,
            compressed_size: 32,
            batch: 16,
            level,
            alpha: 0.5,
            loss,
            precision: Precision::Fp32,
            device: cpu(),
        }
    }

    /// The same with the channels of the preset `quick`, up to 32x32.
    pub fn narrow(level: usize, loss: Loss) -> Self {
        Self {
            channels: vec![96, 96, 64, 48],
            latent_size: 128,
            code_size: 96,
            embedding_size: 128,
            ..Self::wide(level, loss)
        }
    }

    /// The side of the images in pixels.
    pub fn resolution(&self) -> usize {
        4 << self.level
    }

    fn growth(&self) -> Growth {
        Growth { level: self.level, alpha: self.alpha }
    }

    /// The configuration of a run with this step.
    pub fn config(&self) -> Config {
        let gan = GanConfig {
            resolution: 4 << (self.channels.len().max(1) - 1),
            latent_size: self.latent_size,
            code_size: self.code_size,
            compressed_size: self.compressed_size,
            channels: Channels::List(self.channels.clone()),
            ..GanConfig::default()
        };
        let loss = LossConfig { adversarial: self.loss.config(), ..LossConfig::default() };
        let mut config = Config { gan, loss, precision: self.precision, ..Config::default() };
        config.optimizer.text_learns_from_discriminator = false;
        config
    }

    /// The parameters of the networks.
    ///
    /// # Errors
    /// If the sizes contradict each other.
    pub fn parameter_table(&self) -> t2f_gan::Result<Vec<ParameterRow>> {
        let config = self.config();
        config.gan.parameter_table(&config.loss, self.embedding_size, &[])
    }

    /// Networks with initial parameters, and a batch.
    ///
    /// # Errors
    /// If the sizes contradict each other or the device fails.
    pub fn training(&self, device: &Device) -> Result<Training> {
        let config = self.config();
        config.gan.check()?;
        let key = Key::new(config.seed).child("yardstick");
        let table = rng::normal(key.child("texts"), (self.batch, self.embedding_size), DType::F32, device)?;
        let words = (0..self.batch).map(|i| i.to_string());
        let captions: Vec<String> = words.collect();
        let tokenizer = Tokenizer::train(captions.iter(), 1, 10_000, None)?;
        let components = Components::new().with_text("table", move |_, _| Ok(Box::new(Table(table.clone()))));
        let state = TrainState::new(&config, &components, &tokenizer, &[], device)?;
        let side = self.resolution();
        let images =
            rng::uniform(key.child("images"), self.batch * 3 * side * side, DType::F32, &Device::Cpu)?;
        let mut mismatched = captions.clone();
        mismatched.rotate_left(1);
        let pixels = images.affine(2.0, -1.0)?.to_vec1()?;
        let items = captions.iter().zip(&mismatched).enumerate().map(|(index, (caption, mismatched))| Item {
            index,
            caption: caption.clone(),
            full_caption: caption.clone(),
            mismatched: mismatched.clone(),
            claims: Claims::default(),
            attributes: None,
        });
        let (items, schema) = (items.collect(), Schema::default());
        let batch = Batch { items, texts: Vec::new(), pixels, schema, resolution: side, substituted: 0 };
        let (level, alpha, batch_size) = (self.level, self.alpha, self.batch);
        let stage = Stage { level, resolution: side, alpha, batch_size, progress: 0.0 };
        Ok(Training { state, batch, stage, key, steps: 0 })
    }

    /// Writes the model file of untrained networks with a text encoder, for the benchmark of generation.
    ///
    /// # Errors
    /// If the sizes contradict each other, or the file cannot be written.
    pub fn write_model(&self, path: &Path) -> Result<()> {
        let mut config = self.config();
        config.text =
            TextConfig::Lstm(LstmConfig { hidden_size: self.embedding_size / 2, ..LstmConfig::default() });
        let captions = ["a bald man with a beard and round glasses", "a young woman with long blond hair"];
        let tokenizer = config.text.train_tokenizer(captions)?;
        let parameters = Parameters::drawn(Key::new(config.seed));
        let vb = parameters.builder(DType::F32, &Device::Cpu);
        Pipeline::new(&config, &Components::new(), &tokenizer, &[], vb)?;
        let provenance =
            Provenance { version: env!("CARGO_PKG_VERSION").into(), data: "none".into(), kimg: 0.0 };
        let file = ModelFile {
            config: &config,
            schema: &Schema::default(),
            tokenizer: &tokenizer,
            tensors: parameters.tensors(),
            growth: Growth::stable(self.level),
            provenance,
        };
        file.save(path)
    }

    /// Operations of a step in 10⁹, for direct convolution and one computation of each gradient. A
    /// multiplication and an addition are two operations.
    ///
    /// Forward pass, gradient of the inputs and gradient of the weights of a network have the same number of
    /// operations. The generator has all three. The discriminator has them for real and for generated images,
    /// the first two in the generator's update, and each twice for the gradient penalty.
    pub fn gflop(&self) -> f64 {
        let discriminator = match self.loss {
            Loss::WganGp => 3 + 3 + 6 + 2,
            Loss::Ns => 3 + 3 + 2,
        };
        let (generator_pass, discriminator_pass) = self.passes();
        (3.0 * generator_pass + f64::from(discriminator) * discriminator_pass) / 1e9
    }

    /// Operations of a forward pass of the generator and of the discriminator, for direct convolution.
    fn passes(&self) -> (f64, f64) {
        let c = |level: usize| self.channels[level] as f64;
        let conv = |side: usize, kernel: f64, inputs: f64, outputs: f64| {
            2.0 * self.batch as f64 * (side * side) as f64 * kernel * kernel * inputs * outputs
        };
        let mut generator = conv(4, 1.0, self.latent_size as f64, c(0)) + conv(4, 3.0, c(0), c(0));
        let mut discriminator = conv(4, 3.0, c(0) + 1.0, c(0))
            + conv(4, 1.0, c(0) + self.compressed_size as f64, c(0))
            + conv(1, 4.0, c(0), c(0));
        for level in 1..=self.level {
            let (below, here, side) = (c(level - 1), c(level), 4 << level);
            generator += conv(side, 3.0, below, here) + conv(side, 3.0, here, here);
            discriminator += conv(side, 3.0, here, here) + conv(side, 3.0, here, below);
        }
        let rgb = conv(self.resolution(), 1.0, 3.0, c(self.level));
        (generator + rgb, discriminator + rgb)
    }
}

/// Networks and the batch of every step.
#[derive(Debug)]
pub struct Training {
    /// The networks, their optimisers and their average.
    pub state: TrainState,
    batch: Batch,
    stage: Stage,
    key: Key,
    steps: u64,
}

impl Training {
    /// Takes one step and returns the losses of discriminator and generator.
    ///
    /// # Errors
    /// If a loss is not finite.
    pub fn step(&mut self) -> Result<(f32, f32)> {
        let shown = self.steps * self.batch.len() as u64;
        let losses = self.state.step(&self.batch, &self.stage, self.key, self.steps, shown)?;
        self.steps += 1;
        let total = |name: &str| -> Result<f32> {
            let found = losses.iter().find(|(other, _)| other == name);
            Ok(found.map_or(Ok(f32::NAN), |(_, value)| value.to_dtype(DType::F32)?.to_scalar())?)
        };
        Ok((total("Loss/D/total")?, total("Loss/G/total")?))
    }
}

/// A table whose row `i` is the embedding of the caption `i`.
#[derive(Debug)]
struct Table(Tensor);

impl TextEncoder for Table {
    fn encode(&self, captions: &[String]) -> t2f_text::Result<Tensor> {
        let rows = self.0.dim(0)? as u32;
        let row = |caption: &String| caption.parse::<u32>().unwrap_or(0) % rows;
        let rows: Vec<u32> = captions.iter().map(row).collect();
        Ok(self.0.index_select(&Tensor::new(rows, self.0.device())?, 0)?)
    }

    fn embedding_size(&self) -> usize {
        self.0.dims()[1]
    }

    fn unknown_words(&self, _: &str) -> t2f_text::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

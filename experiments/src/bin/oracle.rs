//! Trains the oracle of attribute agreement on drawn faces, and measures it on others.
//!
//! `cargo run --release -p t2f-experiments --bin oracle -- --resolution 32`
//!
//! Faces come from the full distribution, with the pairs that the training of a generator never
//! sees. The file holds weights in 16 bits and the accuracy of each factor on held-out faces,
//! measured with those weights; factors below the gate are not scored.
#![allow(clippy::print_stdout)] // a program's output

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use candle_core::{D, DType, Device, Tensor};
use clap::Parser;
use t2f_data::procedural::{render, sample};
use t2f_data::{Attributes, Factor};
use t2f_metrics::oracle::{GATE, Oracle, OracleNetwork, Prediction, Record};
use t2f_ops::adam::{Adam, AdamConfig};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::{Key, permutation};

/// The classes of a factor: hidden, then its values, as [`OracleNetwork::logits`] has them.
const CLASSES: usize = 7;
/// Faces that are measured together.
const MEASURED: usize = 500;

#[derive(Parser)]
struct Options {
    /// Side of the faces, in pixels.
    #[arg(long, default_value_t = 32)]
    resolution: usize,
    /// Channels of each stage.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 80, 64])]
    channels: Vec<usize>,
    /// Faces to train on.
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Faces to measure on.
    #[arg(long, default_value_t = 4_000)]
    held_out: usize,
    /// How often each face is shown.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Faces a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// First step size; it falls to zero along half a cosine.
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Where all randomness comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The file to write.
    #[arg(long, default_value = "oracle.safetensors")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.images >= options.batch && options.batch > 0, "--images must fill a --batch");
    let key = Key::new(options.seed).child("oracle");
    let began = Instant::now();
    let train = Faces::draw(key.child("train"), options.images, options.resolution)?;
    let held_out = Faces::draw(key.child("held out"), options.held_out, options.resolution)?;
    println!("drew {} faces in {:.0} s", options.images + options.held_out, began.elapsed().as_secs_f64());

    let parameters = Parameters::drawn(key.child("weights"));
    let vb = parameters.builder(DType::F32, &Device::Cpu);
    let network = OracleNetwork::new(options.resolution, &options.channels, vb)?;
    println!("{} parameters", parameters.count());
    let mut record = Record {
        resolution: options.resolution,
        channels: options.channels.clone(),
        train_images: options.images,
        held_out_images: options.held_out,
        accuracy: BTreeMap::new(),
    };
    let config = AdamConfig { lr: options.lr, beta1: 0.9, beta2: 0.99, ..AdamConfig::default() };
    let mut adam = Adam::new(&parameters, config)?;
    let steps = options.images / options.batch;
    let turn = std::f64::consts::PI / (steps * options.epochs) as f64;
    for epoch in 0..options.epochs {
        let order = permutation(&mut key.child("order").at(epoch as u64).rng(), train.labels.len());
        let mut total = 0.0;
        for (step, indices) in order.chunks_exact(options.batch).enumerate() {
            let (images, wanted) = train.batch(indices)?;
            let loss = cross_entropy(&network.logits(&images)?, &wanted)?;
            adam.set_lr(0.5 * options.lr * (1.0 + ((epoch * steps + step) as f64 * turn).cos()));
            adam.step(&gradients(&loss)?)?;
            total += f64::from(loss.to_scalar::<f32>()?);
        }
        // Measured is what is written: weights in 16 bits.
        let oracle = Oracle::from_bytes(&record.to_bytes(&parameters.tensors())?)?;
        record.accuracy = held_out.accuracy(&oracle)?;
        let bytes = record.to_bytes(&parameters.tensors())?;
        std::fs::write(&options.out, &bytes).with_context(|| format!("writing {}", options.out.display()))?;
        let worst = record.accuracy.values().copied().fold(1.0, f64::min);
        println!(
            "epoch {}: loss {:.4}, {} factors right in {:.0} %, worst {worst:.4}, {:.0} s",
            epoch + 1,
            total / steps as f64,
            record.scored().len(),
            100.0 * GATE,
            began.elapsed().as_secs_f64()
        );
    }
    let scored = record.scored();
    for (factor, accuracy) in &record.accuracy {
        let note = if scored.contains(factor) { "" } else { "  dropped" };
        println!("{:<14} {accuracy:.4}{note}", factor.name());
    }
    println!("wrote {}", options.out.display());
    Ok(())
}

/// The sum over factors of the cross-entropy of their classes, as a mean over faces.
fn cross_entropy(logits: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&highest)?;
    let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let chosen = shifted.broadcast_sub(&total)?.mul(wanted)?;
    Ok(chosen.sum_all()?.affine(-1.0 / logits.dim(0)? as f64, 0.0)?)
}

/// Drawn faces and what they show.
struct Faces {
    resolution: usize,
    pixels: Vec<Vec<u8>>,
    labels: Vec<Attributes>,
}

impl Faces {
    fn draw(key: Key, count: usize, resolution: usize) -> Result<Self> {
        let threads = std::thread::available_parallelism()?.get();
        let draw = |index: usize| {
            let key = key.at(index as u64);
            let face = sample(key.child("face"));
            (render(&face, resolution, key.child("render")).pixels, face)
        };
        let draw = &draw;
        let parts: Vec<Vec<_>> = std::thread::scope(|scope| {
            let part = |first: usize| (first..count).step_by(threads).map(draw).collect();
            let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
            workers.into_iter().map(|worker| worker.join().expect("drawing does not panic")).collect()
        });
        let (pixels, labels) = parts.into_iter().flatten().unzip();
        Ok(Self { resolution, pixels, labels })
    }

    /// Images `(B, 3, R, R)` in `[-1, 1]`, and 1 at the class that each factor shows, `(B, 22, 7)`.
    fn batch(&self, indices: &[usize]) -> Result<(Tensor, Tensor)> {
        let side = self.resolution;
        let pixels = indices.iter().flat_map(|&index| &self.pixels[index]);
        let pixels: Vec<f32> = pixels.map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        let images = Tensor::from_vec(pixels, (indices.len(), side, side, 3), &Device::Cpu)?;
        let mut wanted = vec![0f32; indices.len() * Factor::ALL.len() * CLASSES];
        for (row, &index) in indices.iter().enumerate() {
            for (column, factor) in Factor::ALL.into_iter().enumerate() {
                let class = self.labels[index].get(factor).map_or(0, |value| value + 1);
                wanted[(row * Factor::ALL.len() + column) * CLASSES + class] = 1.0;
            }
        }
        let wanted = Tensor::from_vec(wanted, (indices.len(), Factor::ALL.len(), CLASSES), &Device::Cpu)?;
        Ok((images.permute((0, 3, 1, 2))?, wanted))
    }

    /// The share of the faces showing a factor on which the oracle sees it rightly.
    fn accuracy(&self, oracle: &Oracle) -> Result<BTreeMap<Factor, f64>> {
        let indices: Vec<usize> = (0..self.labels.len()).collect();
        let mut seen: Vec<Prediction> = Vec::new();
        for indices in indices.chunks(MEASURED) {
            seen.extend(oracle.predict(&self.batch(indices)?.0)?);
        }
        let of = |factor: Factor| {
            let shown = self.labels.iter().zip(&seen).filter(|(face, _)| face.get(factor).is_some());
            let (right, count) = shown.fold((0, 0), |(right, count), (face, seen)| {
                (right + usize::from(seen.get(factor) == face.get(factor)), count + 1)
            });
            (factor, f64::from(right as u32) / f64::from(count.max(1)))
        };
        Ok(Factor::ALL.into_iter().map(of).collect())
    }
}

//! Trains a generator and a discriminator of its own: two-layer perceptrons at one resolution:
//! `cargo run --release --example custom_generator -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder, linear};
use t2f::gan::{Discriminator, Generator, Growth, Result};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::trainer::Trainer;
use t2f::train::{model::Model, pipeline::Sampling};

const PIXELS: usize = 3 * 4 * 4;
const SETTINGS: &str = "gan.resolution=4 gan.channels=[8] schedule.fade_kimg=[0] schedule.stable_kimg=[4] \
                        schedule.batch_sizes=[16]";

#[derive(Debug)]
struct Perceptron(Linear, Linear);

impl Perceptron {
    fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(linear(inputs, 64, vb.pp("first"))?, linear(64, outputs, vb.pp("second"))?))
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.1.forward(&self.0.forward(x)?.relu()?)?)
    }
}

#[derive(Debug)]
struct TinyGenerator(Perceptron, usize);

impl Generator for TinyGenerator {
    fn forward(&self, latent: &Tensor, _at: Growth) -> Result<Tensor> {
        Ok(self.0.forward(latent)?.reshape(((), 3, 4, 4))?.tanh()?)
    }
    fn latent_size(&self) -> usize {
        self.1
    }
    fn max_level(&self) -> usize {
        0 // 4x4
    }
}

#[derive(Debug)]
struct TinyDiscriminator(Perceptron);

impl Discriminator for TinyDiscriminator {
    fn features(&self, images: &Tensor, _at: Growth) -> Result<Tensor> {
        Ok(images.reshape(((), 1, 1, PIXELS))?)
    }
    fn score(&self, features: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let both = Tensor::cat(&[&features.flatten_from(1)?, condition], 1)?;
        Ok(self.0.forward(&both)?.squeeze(1)?)
    }
    fn feature_channels(&self) -> usize {
        PIXELS
    }
}

fn main() -> anyhow::Result<()> {
    let overrides: Vec<String> =
        SETTINGS.split(' ').map(String::from).chain(std::env::args().skip(1)).collect();
    let config = Config::resolve(Some("quick"), None, &overrides)?;
    let components = Components::new()
        .with_generator("tiny", |shape, vb| {
            Ok(Box::new(TinyGenerator(Perceptron::new(shape.latent_size, PIXELS, vb)?, shape.latent_size)))
        })
        .with_discriminator("tiny", |shape, vb| {
            Ok(Box::new(TinyDiscriminator(Perceptron::new(PIXELS + shape.condition_size, 1, vb)?)))
        });
    let mut trainer = Trainer::create(config, components.clone(), "runs")?;
    trainer.run(|_event| ControlFlow::Continue(()))?;
    let model = Model::load(trainer.run_dir().path(), "cpu", &components)?;
    let face = model.generate(&["a bald man".into()], &[0], Sampling::default())?;
    println!("{} generates {}x{} pixels", trainer.run_dir().path().display(), face[0].width, face[0].height);
    Ok(())
}

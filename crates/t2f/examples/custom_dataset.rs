//! Trains with attribute prior and classifier on a data set of its own, and measures the agreement:
//! `cargo run --release --example custom_dataset -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;
use std::sync::Arc;

use t2f::data::attributes::{Attribute, Attributes, Claims, Observation, Schema};
use t2f::data::{Caption, Dataset, Image, Result, Splits};
use t2f::metrics::metric::Part;
use t2f::metrics::oracle::{self, OracleTraining};
use t2f::metrics::request::GenerationRequest;
use t2f::metrics::{Context, measure, select};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::trainer::Trainer;
use t2f::train::{model::Model, pipeline::Sampling};

const COLOURS: [(&str, [u8; 3]); 3] = [("red", [220, 0, 0]), ("green", [0, 180, 0]), ("blue", [0, 0, 220])];

/// A number of flags of two stripes: a colour and white, in one of two orders.
struct Flags(Schema, usize);

impl Flags {
    fn part(len: usize) -> Result<Arc<dyn Dataset>> {
        let colour = Attribute::new("colour", COLOURS.map(|(name, _)| name));
        Ok(Arc::new(Self(Schema::new(vec![colour, Attribute::new("white", ["above", "below"])])?, len)))
    }
}

impl Dataset for Flags {
    fn len(&self) -> usize {
        self.1
    }
    fn resolution(&self) -> usize {
        32
    }
    fn image(&self, index: usize) -> Result<Image> {
        let mut image = Image::filled(32, 32, [250; 3]);
        let (border, below) = (8 + index * 7 % 16, index / 3 % 2 == 1);
        for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
            if (at / 32 < border) == below {
                pixel.copy_from_slice(&COLOURS[index % 3].1);
            }
        }
        Ok(image)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        let (mut claims, order) = (Claims::default(), index / 3 % 2);
        claims.add(0, &[index % 3]);
        claims.add(1, &[order]);
        let text = format!("a {} flag with white {}", COLOURS[index % 3].0, self.0.values(1)[order]);
        Ok(vec![Caption::new(text, claims)])
    }
    fn schema(&self) -> &Schema {
        &self.0
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        Some(Attributes::new([index % 3, index / 3 % 2].map(|value| Observation::Value(value as u8))))
    }
}

fn main() -> anyhow::Result<()> {
    let config = Config::resolve(Some("quick"), None, &std::env::args().skip(1).collect::<Vec<_>>())?;
    let splits = Splits::new(Flags::part(3000)?, Flags::part(48)?, Flags::part(96)?)?;
    let components = Components::new().with_data("flags", splits.clone());
    let mut trainer = Trainer::create(config, components.clone(), "runs")?;
    trainer.run(|_event| ControlFlow::Continue(()))?;
    let training = OracleTraining { epochs: 2, ..OracleTraining::default() };
    let oracle = oracle::train(&training, &*Flags::part(1200)?, &*Flags::part(300)?, &mut |_epoch| ())?;
    let model = Model::load(trainer.run_dir().path(), "auto", &components)?;
    let generate = |texts: &[String], seeds: &[u64]| Ok(model.generate(texts, seeds, Sampling::default())?);
    let request = GenerationRequest::first(&*splits.test, 96, 1, 0)?;
    let context = Context::new(&generate, &splits, Part::Test, &request).with_oracle(&oracle);
    for value in measure::measure(&context, &select(t2f::metrics::all(), &["attributes"])?)?.values() {
        println!("{}: {:?}", value.key, value.numbers());
    }
    Ok(())
}

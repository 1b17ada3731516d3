//! Adds a metric of its own: to a training, which records it at every checkpoint, and to a measurement
//! of the model.
//!
//! `cargo run --release --example custom_metric -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use t2f::data::Image;
use t2f::metrics::metric::{Accumulator, Batch, Better, MetricValue, Part, Report};
use t2f::metrics::request::GenerationRequest;
use t2f::metrics::{Context, Metric, Result, measure, select};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::model::Model;
use t2f::train::pipeline::Sampling;
use t2f::train::trainer::Trainer;

/// The mean absolute difference of horizontally neighbouring pixels, 0 to 255: higher is sharper.
struct Sharpness;

impl Metric for Sharpness {
    fn name(&self) -> &'static str {
        "sharpness"
    }
    fn about(&self) -> &'static str {
        "mean difference of neighbouring pixels"
    }
    fn start<'a>(&'a self, _context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Mean::default()))
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Accumulator for Mean {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        for image in batch.images() {
            for row in image.pixels.chunks_exact(3 * image.width) {
                for (left, right) in row.iter().zip(&row[3..]) {
                    self.sum += f64::from(left.abs_diff(*right));
                    self.count += 1.0;
                }
            }
        }
        Ok(())
    }
    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let mean = self.sum / self.count;
        Ok(Report::new([MetricValue::number("sharpness", "sharpness", mean, Better::Higher)]))
    }
}

fn main() -> anyhow::Result<()> {
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let config = Config::resolve(Some("quick"), None, &overrides)?;
    let splits = config.open_data(config.gan.resolution)?;
    let components = Components::new().with_metric(Sharpness);
    let mut trainer = Trainer::create(config, components, "runs")?;
    trainer.run(|_event| ControlFlow::Continue(()))?;

    let model = Model::load(trainer.run_dir().path(), "auto", &Components::new())?;
    let generate =
        |captions: &[String], seeds: &[u64]| Ok(model.generate(captions, seeds, Sampling::default())?);
    let mut metrics = select(t2f::metrics::all(), &["ms-ssim"])?;
    metrics.push(Box::new(Sharpness));
    let request = GenerationRequest::first(splits.test.as_ref(), 24, 1, 0)?;
    let context = Context::new(&generate, &splits, Part::Test, &request);
    for value in measure::measure(&context, &metrics)?.values() {
        if let Some((number, _)) = value.numbers() {
            println!("{}: {number:.3}", value.title);
        }
    }
    println!("statistics {}", trainer.run_dir().stats().display());
    Ok(())
}

//! Trains with an adversarial loss and an objective of its own.
//!
//! `cargo run --release --example custom_loss -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use candle_core::Tensor;
use t2f::gan::{AdversarialLoss, GeneratorInputs, LossTerms, Objective, Result, Scores};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::trainer::{Event, Trainer};

/// Exponential loss, `D: E exp(-r) + E exp(f)`, `G: E exp(-f)`, on scores clamped to [-5, 5].
#[derive(Debug)]
struct Exponential;

fn exponential(scores: &Tensor, sign: f64) -> candle_core::Result<Tensor> {
    scores.clamp(-5f32, 5f32)?.affine(sign, 0.0)?.exp()
}

impl AdversarialLoss for Exponential {
    fn discriminator_terms(&self, scores: &Scores) -> Result<LossTerms> {
        scores.weighted(|real| exponential(real, -1.0), |fake| exponential(fake, 1.0))
    }

    fn generator_terms(&self, fake: &Tensor, _real: Option<&Tensor>) -> Result<LossTerms> {
        Ok(LossTerms::one("adversarial", exponential(fake, -1.0)?.mean_all()?))
    }
}

/// Asks for generated batches of the same mean colour as the real ones.
#[derive(Debug)]
struct MeanColour {
    weight: f64,
}

impl Objective for MeanColour {
    fn name(&self) -> &str {
        "mean-colour"
    }

    fn generator_terms(&self, inputs: &GeneratorInputs<'_>) -> Result<LossTerms> {
        let mean = |images: &Tensor| images.mean((0, 2, 3)); // (3)
        let difference = mean(inputs.augmented)?.sub(&mean(inputs.real)?)?;
        Ok(LossTerms::one("mean_colour", difference.sqr()?.sum_all()?.affine(self.weight, 0.0)?))
    }
}

fn main() -> anyhow::Result<()> {
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let config = Config::resolve(Some("quick"), None, &overrides)?;
    let components = Components::new()
        .with_loss("exponential", Exponential)
        .with_objective("mean-colour", |_context| Ok(Box::new(MeanColour { weight: 1.0 })));
    let mut trainer = Trainer::create(config, components, "runs")?;
    trainer.run(|event| {
        if let Event::Tick(tick) = event {
            println!("{:>7} images, mean colour {:.4}", tick.images, tick.losses["Loss/G/mean_colour"]);
        }
        ControlFlow::Continue(())
    })?;
    println!("model {}", trainer.run_dir().model().display());
    Ok(())
}

//! Trains the preset `quick` and resumes it.
//!
//! `cargo run --release --example train -- [KEY=VALUE …]`; the settings are those of
//! `docs/configuration.md`.
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::trainer::{Event, Outcome, Trainer};

fn main() -> anyhow::Result<()> {
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let config = Config::resolve(Some("quick"), None, &overrides)?;
    let mut trainer = Trainer::create(config, Components::new(), "runs")?;
    let run = trainer.run_dir().path().to_owned();
    println!("run {}", run.display());

    // Stop after the first tick, as Ctrl-C would: the run leaves a checkpoint.
    let outcome = trainer.run(|event| match event {
        Event::Tick(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })?;
    println!("{outcome:?} after {} images", trainer.progress().images);
    drop(trainer); // one process trains in a folder at a time

    // Continue to the end, from the same bits.
    let mut trainer = Trainer::resume(&run, Components::new())?;
    let outcome = trainer.run(|event| {
        if let Event::Tick(tick) = event {
            let loss = |network: &str| tick.losses[&format!("Loss/{network}/total")];
            println!("{:>7} images, D {:.3}, G {:.3}", tick.images, loss("D"), loss("G"));
        }
        ControlFlow::Continue(())
    })?;
    assert_eq!(outcome, Outcome::Finished);
    println!("model {}", trainer.run_dir().model().display());
    Ok(())
}

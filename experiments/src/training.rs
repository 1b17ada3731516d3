//! What every experiment does: read the configuration in its folder, and train.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use t2f_train::Result;
use t2f_train::config::Config;
use t2f_train::trainer::{Event, Outcome, Tick, Trainer};

/// `config.toml` of an experiment's folder, with `key.path=value` overrides.
///
/// # Errors
/// If it cannot be read, or a key or value is wrong.
pub fn config(folder: &Path, overrides: &[String]) -> Result<Config> {
    Config::resolve(None, Some(&folder.join("config.toml")), overrides)
}

/// Trains a new run under `out` to its end, telling `report` of every tick, and returns its folder.
///
/// # Errors
/// As [`Trainer::create`] and [`Trainer::run`].
pub fn train(
    config: Config,
    overrides: &[String],
    out: &Path,
    report: &mut dyn FnMut(&Tick),
) -> Result<PathBuf> {
    let mut trainer = Trainer::create(config, overrides, out)?;
    train_to(&mut trainer, u64::MAX, report)?;
    Ok(trainer.run_dir().path().to_owned())
}

/// Trains until `images` have been shown in all, or to the end of the schedule.
///
/// # Errors
/// As [`Trainer::run`].
pub fn train_to(trainer: &mut Trainer, images: u64, report: &mut dyn FnMut(&Tick)) -> Result<Outcome> {
    trainer.run(&mut |event| {
        if let Event::Tick(tick) = event {
            report(tick);
        }
        match event {
            Event::Started { images: shown, .. } | Event::Stepped { images: shown } if *shown >= images => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    })
}

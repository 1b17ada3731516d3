//! Training of a declared run: start, resume, and completion.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use t2f_files::disk::{self, OsDisk};
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::trainer::{Event, Outcome, Tick, Trainer};

/// The file with the declared configuration, in the parent of the run folder.
const DECLARED: &str = "declared.toml";

/// Starts a run in a folder, or resumes an existing one.
///
/// # Errors
/// If the run in the folder has another configuration, or as [`Trainer::create`] and
/// [`Trainer::resume`].
pub fn begin_or_resume(config: Config, folder: &Path) -> Result<Trainer> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(DECLARED);
    let declared = config.to_toml()?;
    match run_folder(folder) {
        Some(run) => {
            let begun = std::fs::read_to_string(&path).unwrap_or_default();
            ensure!(
                begun == declared,
                "{} has a run with another configuration: choose another folder with --out",
                run.display()
            );
            Ok(Trainer::resume(run, Components::new())?)
        }
        None => {
            disk::replace(&OsDisk, &path, declared.as_bytes())?;
            Ok(Trainer::create(config, Components::new(), folder)?)
        }
    }
}

/// The run folder in a folder of [`begin_or_resume`].
pub fn run_folder(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.join("config.toml").is_file()).max()
}

/// Trains a new run under `out` to its end, with a call of `report` at every tick, and returns its folder.
///
/// # Errors
/// As [`Trainer::create`] and [`Trainer::run`].
pub fn train(config: Config, out: &Path, report: &mut dyn FnMut(&Tick)) -> t2f_train::Result<PathBuf> {
    let mut trainer = Trainer::create(config, Components::new(), out)?;
    train_to(&mut trainer, u64::MAX, report)?;
    Ok(trainer.run_dir().path().to_owned())
}

/// Trains until `images` images have been shown in all, or to the end of the schedule.
///
/// # Errors
/// As [`Trainer::run`].
pub fn train_to(
    trainer: &mut Trainer,
    images: u64,
    report: &mut dyn FnMut(&Tick),
) -> t2f_train::Result<Outcome> {
    trainer.run(|event| {
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

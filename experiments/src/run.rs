//! Runs an experiment: trains, measures, writes `results.json`.
//!
//! Every experiment has a folder in the output folder, with a folder for each run: the run folder, the
//! declared configuration and, after the measurement, `figures.json`. Measured runs are skipped, and
//! interrupted ones are resumed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use t2f_files::disk::{self, OsDisk};
use t2f_train::trainer::Tick;

use crate::declare::{self, Experiment, Run};
use crate::levels;
use crate::measure::Measures;
use crate::results::{Figures, Results, RunResult};
use crate::training::{begin_or_resume, run_folder, train_to};

/// Options of a run of experiments.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the experiments.
    pub root: PathBuf,
    /// The output folder; each experiment has a subfolder of its name.
    pub out: PathBuf,
    /// Whether experiments run in the short form of a few seconds; its values have no meaning.
    pub smoke: bool,
    /// Settings of every run, which win over all others.
    pub overrides: Vec<String>,
}

impl Options {
    /// The output folder of an experiment.
    pub fn folder(&self, experiment: &Experiment) -> PathBuf {
        self.out.join(&experiment.name)
    }
}

/// A measured run, `figures.json`.
#[derive(Serialize, Deserialize)]
struct Measured {
    config: String,
    measure: Measures,
    figures: Figures,
}

/// Trains and measures every run of an experiment, and writes `results.json`.
///
/// # Errors
/// If a run cannot be trained or measured.
pub fn run(experiment: &Experiment, options: &Options, report: &mut dyn FnMut(&str)) -> Result<Results> {
    let smoke = if options.smoke { Some(declare::smoke_settings(&options.root)?) } else { None };
    let runs = experiment.runs(smoke.as_deref(), &options.overrides)?;
    let measure = &experiment.declaration.measure;
    let measure = if options.smoke { measure.shortened() } else { measure.clone() };
    let folder = options.folder(experiment);
    let mut results = Results {
        experiment: experiment.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        smoke: options.smoke,
        runs: Vec::new(),
    };
    for run in &runs {
        report(&format!("{}: run {}", experiment.name, run.name));
        let (path, figures) = one(run, &measure, &folder, &options.out.join("cache"), report)?;
        results.runs.push(RunResult {
            name: run.name.clone(),
            title: run.title.clone(),
            folder: path,
            figures,
        });
    }
    let path = results.write(&folder)?;
    report(&format!("wrote {}", path.display()));
    if experiment.declaration.plot {
        let plot = plot(&results, &folder.join("losses.svg"))?;
        report(&format!("wrote {}", plot.display()));
    }
    Ok(results)
}

/// Trains and measures a run, or reads its figures; returns its folder and the figures.
fn one(
    run: &Run,
    measure: &Measures,
    experiment: &Path,
    cache: &Path,
    report: &mut dyn FnMut(&str),
) -> Result<(PathBuf, Figures)> {
    let folder = experiment.join(&run.name);
    let path = folder.join("figures.json");
    let config = run.config.to_toml()?;
    if let (Ok(bytes), Some(trained)) = (std::fs::read(&path), run_folder(&folder)) {
        let measured: Measured =
            serde_json::from_slice(&bytes).with_context(|| format!("in {}", path.display()))?;
        if measured.config != config {
            bail!("{} has another configuration: choose another folder with --out", folder.display());
        }
        if measured.measure == *measure {
            report(&format!("{} is measured already", trained.display()));
            return Ok((trained, measured.figures));
        }
    }
    if let (Some(_), Some(trained)) = (&measure.levels, run_folder(&folder)) {
        report(&format!("{} starts again: levels are measured in training", trained.display()));
        std::fs::remove_dir_all(&trained).with_context(|| format!("cannot remove {}", trained.display()))?;
    }
    let mut figures = Figures::new();
    let trained = {
        let mut trainer = begin_or_resume(run.config.clone(), &folder)?;
        let mut tick = |tick: &Tick| report(&progress(tick));
        if let Some(request) = &measure.levels {
            let images = request.images;
            figures.extend(levels::train_and_measure(&mut trainer, &run.config, images, &mut tick)?);
        } else {
            train_to(&mut trainer, u64::MAX, &mut tick)?;
        }
        trainer.run_dir().path().to_owned()
    };
    figures.extend(measure.of_run(&trained, &run.config, cache, report)?);
    let measured = Measured { config, measure: measure.clone(), figures };
    disk::replace(&OsDisk, &path, &serde_json::to_vec_pretty(&measured)?)?;
    Ok((trained, measured.figures))
}

/// Plots the loss curves of all runs into one file.
fn plot(results: &Results, file: &Path) -> Result<PathBuf> {
    let mut arguments: Vec<OsString> = vec!["t2f".into(), "plot".into()];
    arguments.extend(results.runs.iter().map(|run| run.folder.clone().into()));
    arguments.extend(["--out".into(), file.into()]);
    ensure!(t2f::cli::run(arguments) == ExitCode::SUCCESS, "`t2f plot` failed");
    Ok(file.to_owned())
}

fn progress(tick: &Tick) -> String {
    let losses: Vec<String> = ["D", "G"]
        .iter()
        .filter_map(|network| {
            let loss = tick.losses.get(&format!("Loss/{network}/total"))?;
            Some(format!("{network} {loss:.3}"))
        })
        .collect();
    let side = tick.stage.resolution;
    format!(
        "{:6} of {} images, {side}x{side}, loss {}, {:.0} img/s",
        tick.images,
        tick.total_images,
        losses.join(" "),
        tick.images_per_sec
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(out: &Path) -> Options {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Options { root, out: out.to_owned(), smoke: true, overrides: Vec::new() }
    }

    #[test]
    fn an_experiment_runs_in_its_short_form_is_skipped_when_measured_and_refuses_other_settings() {
        let out = tempfile::tempdir().unwrap();
        let options = options(out.path());
        let experiment = Experiment::find(&options.root, "overfit-8").unwrap();
        let results = run(&experiment, &options, &mut |_| {}).unwrap();
        assert!(results.smoke && results.figure("overfit", "own_face").is_some());
        assert_eq!(Results::read(&options.folder(&experiment)).unwrap(), results);

        let mut lines = Vec::new();
        let again = run(&experiment, &options, &mut |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(again, results);
        assert!(lines.iter().any(|line| line.contains("measured already")), "{lines:?}");

        let other = Options { overrides: vec!["seed=9".into()], ..options };
        let message = run(&experiment, &other, &mut |_| {}).unwrap_err().to_string();
        assert!(message.contains("another configuration"), "{message}");
    }
}

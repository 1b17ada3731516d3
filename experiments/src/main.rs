//! Runs a named experiment and says whether it came out as expected, by the exit code too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use candle_core::Device;
use clap::{Parser, Subcommand};
use t2f_experiments::fade_in::{self, Outcome};
use t2f_experiments::overfit::{self, Expected};
use t2f_experiments::training;
use t2f_train::model::{Model, halved};
use t2f_train::trainer::Tick;

/// Named experiments: train, measure, compare with what is expected.
#[derive(Parser)]
#[command(name = "experiments")]
struct Options {
    #[command(subcommand)]
    experiment: Experiment,
    /// Where run folders are made
    #[arg(short, long, default_value = "runs", value_name = "FOLDER", global = true)]
    out: PathBuf,
    /// One setting, by its path in the configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    overrides: Vec<String>,
}

#[derive(Subcommand)]
enum Experiment {
    /// A handful of pairs, trained until each caption gives its own face
    Overfit {
        /// The experiment's folder
        #[arg(default_value = "experiments/01-overfit-8")]
        folder: PathBuf,
    },
    /// Levels that fade in against levels that are switched on, at equal images
    FadeIn {
        /// The experiment's folder
        #[arg(default_value = "experiments/02-fade-in")]
        folder: PathBuf,
    },
    /// A run's model with its weights in 16 bits, as the program brings one along
    Ship {
        /// A model.safetensors
        model: PathBuf,
        /// The file to write
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.experiment {
        Experiment::Overfit { folder } => overfit(folder, &options),
        Experiment::FadeIn { folder } => fade_in(folder, &options),
        Experiment::Ship { model, file } => ship(model, file),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Seeds that every caption is drawn with.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

fn overfit(folder: &Path, options: &Options) -> Result<bool> {
    let config = training::config(folder, &options.overrides)?;
    let expected = Expected::read(folder)?;
    let train = config.data.open(config.gan.resolution)?.train;
    let run = training::train(config, &options.overrides, &options.out, &mut progress)?;
    let verdict = overfit::own_faces(&Model::load(&run, "auto")?, train.as_ref(), &SEEDS)?;
    for mistake in &verdict.mistakes {
        let overfit::Mistake { caption, seed, own, nearest } = mistake;
        say(&format!("seed {seed}: image {nearest} instead of {own} for \"{caption}\""));
    }
    let right = verdict.drawings - verdict.mistakes.len();
    say(&format!(
        "{}: {right} of {} drawings are their caption's own face ({:.3}; expected at least {:.3})",
        run.display(),
        verdict.drawings,
        verdict.share(),
        expected.own_face
    ));
    Ok(verdict.share() >= expected.own_face)
}

fn fade_in(folder: &Path, options: &Options) -> Result<bool> {
    let mut on = training::config(folder, &options.overrides)?;
    let mut off = fade_in::without_fade_in(&on)?;
    on.name.push_str("-on");
    off.name.push_str("-off");
    let on = fade_in::measure(on, &options.out, &mut progress)?;
    let off = fade_in::measure(off, &options.out, &mut progress)?;
    say(&table(&on, &off));
    say(&format!("t2f plot {} {} --out fade-in.svg", on.run.display(), off.run.display()));
    let gentler = |(on, off): (&fade_in::Switch, &fade_in::Switch)| on.change < off.change;
    Ok(on.switches.iter().zip(&off.switches).all(gentler))
}

fn ship(model: &Path, file: &Path) -> Result<bool> {
    let bytes = std::fs::read(model).with_context(|| format!("cannot read {}", model.display()))?;
    let bytes = halved(&bytes)?;
    Model::from_bytes(&bytes, &Device::Cpu)?;
    std::fs::write(file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    say(&format!("{}: {} bytes", file.display(), bytes.len()));
    Ok(true)
}

/// Markdown; a column a run.
fn table(on: &Outcome, off: &Outcome) -> String {
    let mut rows = vec!["| | fades in | switched on |".to_owned(), "|---|---|---|".to_owned()];
    let mut row = |name: String, on: f64, off: f64| rows.push(format!("| {name} | {on:.2} | {off:.2} |"));
    for (a, b) in on.switches.iter().zip(&off.switches) {
        let to = a.resolution;
        row(format!("change of the pictures by the last step before {to}x{to}"), a.usual, b.usual);
        row(format!("change by the first step at {to}x{to}"), a.change, b.change);
        row(format!("distance to real images before {to}x{to}"), a.before, b.before);
        row(format!("distance after the first step at {to}x{to}"), a.after, b.after);
    }
    row("distance at the end".into(), on.distance, off.distance);
    for ((name, a), (_, b)) in on.losses.iter().zip(&off.losses) {
        row(format!("`{name}`, last tick"), *a, *b);
    }
    rows.join("\n")
}

fn progress(tick: &Tick) {
    let losses: Vec<String> = ["D", "G"]
        .iter()
        .filter_map(|network| {
            tick.losses.get(&format!("Loss/{network}/total")).map(|loss| format!("{network} {loss:.3}"))
        })
        .collect();
    say(&format!(
        "{:6} of {} images, {}x{}, loss {}, {:.0} img/s",
        tick.images,
        tick.total_images,
        tick.stage.resolution,
        tick.stage.resolution,
        losses.join(" "),
        tick.images_per_sec
    ));
}

#[expect(clippy::print_stdout, reason = "a program says what it found")]
fn say(line: &str) {
    println!("{line}");
}

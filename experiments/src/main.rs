//! Runs experiments by name and compares their results with the documents.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use candle_core::Device;
use clap::{Parser, Subcommand};
use t2f_experiments::compare::compare;
use t2f_experiments::declare::Experiment;
use t2f_experiments::run::{self, Options};
use t2f_train::components::Components;
use t2f_train::model::{Model, to_half};

/// Experiments: train and measure their runs, and compare the results with the documents
#[derive(Parser)]
#[command(
    name = "experiments",
    after_help = "\
Examples:
  experiments list
  experiments run contrast                        trains and measures, resumes, skips finished runs
  experiments compare contrast                    the table; exit code 1 if a figure is not as expected
  experiments run --all --smoke                   every experiment in its short form, seconds each
  experiments run fade-in --set seed=1 --out runs/seed-1"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The folder of the experiments
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"), value_name = "FOLDER", global = true, hide_default_value = true)]
    root: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// List the experiments
    List,
    /// Train and measure the runs of an experiment, write results.json, and compare
    Run {
        /// The experiment, with or without its number
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// Every experiment
        #[arg(long)]
        all: bool,
        /// The short form of a few seconds; its values have no meaning
        #[arg(long)]
        smoke: bool,
        /// The output folder [default: runs/experiments; a temporary folder with --smoke]
        #[arg(short, long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// A setting of every run; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Print the table of an experiment and check its figures; the exit code is 1 if a check fails
    Compare {
        /// The experiment, with or without its number
        name: String,
        /// The output folder of `run`
        #[arg(short, long, value_name = "FOLDER", default_value = DEFAULT_OUT)]
        out: PathBuf,
    },
    /// Write a model with weights in 16 bits, as in the embedded model
    ExportWeights {
        /// A model.safetensors
        model: PathBuf,
        /// The file to write
        file: PathBuf,
    },
}

/// The output folder of `run` without `--out`.
const DEFAULT_OUT: &str = "runs/experiments";

fn main() -> ExitCode {
    let cli = Cli::parse();
    match execute(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn execute(cli: &Cli) -> Result<bool> {
    match &cli.command {
        Command::List => {
            for experiment in Experiment::all(&cli.root)? {
                let runs = experiment.runs(None, &[])?.len();
                let runs = if runs == 1 { "1 run".into() } else { format!("{runs} runs") };
                say(&format!("{:<30} {runs:<8} {}", experiment.name, experiment.declaration.title));
            }
            Ok(true)
        }
        Command::Run { name, smoke, out, overrides, .. } => {
            let experiments = match name {
                Some(name) => vec![Experiment::find(&cli.root, name)?],
                None => Experiment::all(&cli.root)?,
            };
            let temporary = if *smoke && out.is_none() { Some(tempfile::tempdir()?) } else { None };
            let out = match (&temporary, out) {
                (Some(folder), _) => folder.path().to_owned(),
                (None, Some(out)) => out.clone(),
                (None, None) => PathBuf::from(DEFAULT_OUT),
            };
            let options =
                Options { root: cli.root.clone(), out, smoke: *smoke, overrides: overrides.clone() };
            run_all(&experiments, &options)
        }
        Command::Compare { name, out } => {
            let experiment = Experiment::find(&cli.root, name)?;
            let comparison = compare(&experiment, &cli.root, &out.join(&experiment.name))?;
            say(&comparison.text);
            Ok(comparison.as_expected)
        }
        Command::ExportWeights { model, file } => export_weights(model, file).map(|()| true),
    }
}

/// Runs experiments and prints their tables and checks; the result is whether all checks hold. A failed
/// experiment does not stop the others.
fn run_all(experiments: &[Experiment], options: &Options) -> Result<bool> {
    let (mut failed, mut as_expected) = (Vec::new(), true);
    for experiment in experiments {
        say(&format!("== {}: {}", experiment.name, experiment.declaration.title));
        let done = run::run(experiment, options, &mut say)
            .and_then(|_| compare(experiment, &options.root, &options.folder(experiment)));
        match done {
            Ok(comparison) => {
                say(&comparison.text);
                as_expected &= comparison.as_expected;
            }
            Err(error) => {
                say(&format!("error: {error:#}"));
                failed.push(experiment.name.as_str());
            }
        }
    }
    if failed.is_empty() { Ok(as_expected) } else { bail!("failed: {}", failed.join(", ")) }
}

fn export_weights(model: &Path, file: &Path) -> Result<()> {
    let bytes = std::fs::read(model).with_context(|| format!("cannot read {}", model.display()))?;
    let bytes = to_half(&bytes)?;
    Model::from_bytes(&bytes, &Device::Cpu, &Components::new())?;
    std::fs::write(file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    say(&format!("{}: {} bytes", file.display(), bytes.len()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the output of a program")]
fn say(line: &str) {
    println!("{line}");
}

//! The command line: `train`, `sweep`, `watch`, `generate`, `walk`, `demo`, `metrics`, `oracle`, `plot`, `report`, `export`,
//! `data`, `bench`.
//!
//! Each subcommand is one file: its options, their checks, and its output. The libraries do the work and
//! never print. [`run`] is the whole program and can be called by another binary.

pub mod bench;
mod data;
mod demo;
mod dry_run;
mod explain;
mod export;
mod failure;
mod generate;
mod json_file;
mod manifest;
mod metrics;
mod names;
mod oracle;
mod plot;
mod processes;
mod progress;
mod report;
mod sampling;
mod saved_images;
mod seeds;
mod shipped;
mod signals;
mod source;
mod sweep;
mod terminal;
mod train;
mod walk;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use t2f_files::home;

/// Text in, face out: trains a progressively growing GAN on captioned faces and generates faces.
#[derive(Debug, Parser)]
#[command(name = "t2f", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Also print information of the libraries
    #[arg(short, long, global = true, display_order = 900)]
    verbose: bool,
    /// Threads of the operators; the results do not depend on it [default: all of the machine]
    #[arg(long, global = true, display_order = 901, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  t2f train                                     train on procedural faces; no download
  t2f generate --model runs/00000-procedural-quick \"a bald man with a beard\"
  t2f sweep --set seed=0,1,2                    a run for each value, one table and one plot
  t2f watch runs/00000-procedural-quick         watch it in the terminal
  t2f demo                                      faces as you type, on a local page
  t2f plot runs/00000-procedural-quick          plot its loss curves again
  t2f report runs/00000-procedural-quick        write a page and a notebook of it
  t2f data preview                              see faces and captions as one picture

`t2f COMMAND --help` has examples of each command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, or continue a run
    Train(train::Options),
    /// Train a run for each combination of settings
    Sweep(sweep::Options),
    /// Watch a run in the terminal
    Watch(watch::Options),
    /// Generate faces from captions
    Generate(generate::Options),
    /// Generate an animation that walks from caption to caption, or from seed to seed
    Walk(walk::Options),
    /// Serve a local page that turns descriptions into faces
    Demo(demo::Options),
    /// Measure the quality of a model and its agreement with captions
    Metrics(metrics::Options),
    /// Train an oracle, the attribute classifier of metrics
    #[command(subcommand)]
    Oracle(oracle::Command),
    /// Plot the loss curves of one or more runs
    Plot(plot::Options),
    /// Write a report of one or more runs: page, notebook, tables
    Report(report::Options),
    /// Write a script that uploads a run to a tracker of experiments
    Export(export::Options),
    /// Preview, check or export a data set
    #[command(subcommand)]
    Data(data::Command),
    /// Measure the training step, optionally compared with PyTorch
    Bench(bench::Options),
}

/// Runs the program on its arguments; the first is its name. The exit code is 0 for success, 2 for invalid
/// or contradictory arguments, and 1 for other errors, such as a setting out of range.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Result<Vec<OsString>, _> = arguments.into_iter().map(with_home).collect();
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            terminal::note(&failure::report(&error));
            return ExitCode::from(failure::exit_code(&error));
        }
    };
    let parsed = taking_negatives(Cli::command()).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are also printed here; a closed pipe is not an error.
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    terminal::print_events(cli.verbose);
    let runtime = t2f_ops::Runtime::install_on(processes::threads(cli.threads));
    tracing::info!("runtime: {runtime}");
    let cores = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    if let Some(threads) = cli.threads.filter(|threads| *threads > cores) {
        terminal::warn(&format!("`--threads {threads}` is more than the {cores} cores: steps take longer"));
    }
    let outcome = match cli.command {
        Command::Train(options) => train::run(&options),
        Command::Sweep(options) => sweep::run(&options, cli.threads),
        Command::Watch(options) => watch::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Walk(options) => walk::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Metrics(options) => metrics::run(&options),
        Command::Oracle(command) => oracle::run(&command),
        Command::Plot(options) => plot::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Data(command) => data::run(&command),
        Command::Bench(options) => bench::run(&options, cli.threads),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&failure::report(&error));
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

/// The value of `--threads`.
fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|threads| (1..=MOST_THREADS).contains(threads));
    number.ok_or_else(|| format!("expected a number of threads from 1 to {MOST_THREADS}"))
}

/// The maximum of `--threads`.
const MOST_THREADS: usize = 1024;

/// The argument with `~` replaced by the home folder at its beginning and after `--option=`, where a shell
/// leaves it.
fn with_home(argument: OsString) -> anyhow::Result<OsString> {
    let Some(text) = argument.to_str() else { return Ok(argument) };
    let option = text.starts_with("--").then(|| text.split_once("=~")).flatten();
    let (before, path) = match option {
        Some((name, _)) => text.split_at(name.len() + 1),
        None if text == "~" || text.starts_with("~/") => ("", text),
        None => return Ok(argument),
    };
    let path = home::expanded(path)
        .map_err(|error| failure::usage(error.to_string(), "give the whole path of the file or folder"))?;
    Ok(format!("{before}{path}").into())
}

/// The same command, with `-1` accepted as the value of an option, so that the error states the option's
/// range; clap would take it for another option.
fn taking_negatives(command: clap::Command) -> clap::Command {
    let with_value = |arg: &clap::Arg| !arg.is_positional() && arg.get_action().takes_values();
    command
        .mut_args(|arg| if with_value(&arg) { arg.allow_negative_numbers(true) } else { arg })
        .mut_subcommands(taking_negatives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_declared_consistently() {
        taking_negatives(Cli::command()).debug_assert();
    }
}

//! The command line: `train`, `generate`, `metrics`, `oracle`, `plot`, `data`, `bench`.
//!
//! One file a subcommand: its options, the checks of their combinations, and its output. The work is done by the libraries, which never print. [`run`] is the whole program, so
//! that another binary (a test) can be it.

pub mod bench;
mod data;
mod dry_run;
mod failure;
mod generate;
mod json_file;
mod metrics;
mod oracle;
mod plot;
mod progress;
mod sampling;
mod seeds;
mod shipped;
mod signals;
mod source;
mod terminal;
mod train;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Text in, face out: trains a progressively growing GAN on captioned faces and draws from it.
#[derive(Debug, Parser)]
#[command(name = "t2f", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Print what the libraries tell about their work, too
    #[arg(short, long, global = true, display_order = 900)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  t2f train                                     train on drawn faces; no download
  t2f generate --model runs/00000-procedural-quick \"a bald man with a beard\"
  t2f plot runs/00000-procedural-quick          redraw its loss curves
  t2f data preview                              see faces and captions as one picture

`t2f COMMAND --help` has examples of each command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model, or continue a run
    Train(train::Options),
    /// Draw faces from captions
    Generate(generate::Options),
    /// Measure whether faces say what their captions say
    Metrics(metrics::Options),
    /// Train a classifier of attributes that metrics need
    #[command(subcommand)]
    Oracle(oracle::Command),
    /// Draw the loss curves of one or more runs
    Plot(plot::Options),
    /// Look at a dataset, check it, export the drawn one
    #[command(subcommand)]
    Data(data::Command),
    /// Measure the training step, beside PyTorch if wanted
    Bench(bench::Options),
}

/// Runs the program on its arguments, the first of which is its name. Exit code 0 for success, 2
/// for arguments that cannot be or contradict one another, 1 for anything else, a setting out of
/// range included.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = taking_negatives(Cli::command()).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version end here, too; a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    terminal::print_events(cli.verbose);
    let runtime = t2f_ops::Runtime::install();
    tracing::info!("runtime: {runtime}");
    let outcome = match cli.command {
        Command::Train(options) => train::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Metrics(options) => metrics::run(&options),
        Command::Oracle(command) => oracle::run(&command),
        Command::Plot(options) => plot::run(&options),
        Command::Data(command) => data::run(&command),
        Command::Bench(options) => bench::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&failure::report(&error));
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

/// The same command, whose options take a `-1` for their value, so that it is answered with the
/// option's range; to clap it would be an option of its own.
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
    fn options_are_declared_without_contradiction() {
        taking_negatives(Cli::command()).debug_assert();
    }
}

//! `t2f watch`: a dashboard of a run in the terminal.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use t2f_watch::Error;

use crate::cli::failure::{because, failure};
use crate::cli::terminal;

/// Columns and rows of a page without a terminal.
const PAGE: (u16, u16) = (110, 36);

/// The options of `t2f watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f watch runs/00000-procedural-quick
  t2f watch runs/00000-procedural-quick --every 10
  t2f watch runs/00000-procedural-quick --once > page.txt

Keys: q, Escape or Ctrl-C leave, the arrows or Tab select other curves, l makes the vertical axis
logarithmic. The command only reads the folder, so that it never disturbs the run; a run that has
ended is shown, too. Faces need a terminal of 24-bit colour.")]
pub struct Options {
    /// A run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Seconds between two readings of the folder
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600), value_name = "S")]
    every: u16,
    /// Print one page as text and end, as without a terminal
    #[arg(long)]
    once: bool,
}

/// Runs `t2f watch`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let run = &options.run;
    let shown = if options.once || !std::io::stdout().is_terminal() {
        t2f_watch::page(run, PAGE.0, PAGE.1).map(|page| terminal::result(page.trim_end()))
    } else {
        t2f_watch::watch(run, Duration::from_secs(options.every.into()))
    };
    shown.map_err(|error| match error {
        Error::NoRun(_) => {
            failure(error.to_string(), "give a run folder, such as runs/00000-procedural-quick")
        }
        error => {
            because(error, format!("cannot watch `{}`", run.display()), "`--once` prints a page as text")
        }
    })
}

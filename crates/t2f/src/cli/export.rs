//! `t2f export`: a script that uploads a run to a tracker of experiments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use t2f_files::disk::{self, OsDisk};
use t2f_report::Tracker;

use crate::cli::failure::{because, failure};
use crate::cli::terminal::{self, quoted};

/// The options of `t2f export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f export --to wandb runs/00000-procedural-quick
  t2f export --to mlflow runs/00000-procedural-quick --out upload.py

The script uploads the settings, the statistics and the sheets of samples. This program uploads
nothing: run the script with Python 3.11 and the package of the tracker.")]
pub struct Options {
    /// The tracker of experiments
    #[arg(long, value_enum)]
    to: To,
    /// The run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The script [default: upload-TRACKER.py in the run]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A tracker of experiments.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    Wandb,
    Mlflow,
    Trackio,
}

impl From<To> for Tracker {
    fn from(to: To) -> Self {
        match to {
            To::Wandb => Self::Wandb,
            To::Mlflow => Self::Mlflow,
            To::Trackio => Self::Trackio,
        }
    }
}

/// Runs `t2f export`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let run = &options.run;
    if !run.join("config.toml").is_file() {
        let hint = "give a folder such as runs/00000-procedural-quick; `t2f train` creates one";
        return Err(failure(format!("{} is not a run folder: it has no config.toml", run.display()), hint));
    }
    let tracker = Tracker::from(options.to);
    let out = options.out.clone().unwrap_or_else(|| run.join(format!("upload-{}.py", tracker.name())));
    disk::replace(&OsDisk, &out, tracker.script().as_bytes())
        .map_err(|error| because(error, "cannot write the script", "check `--out`"))?;
    let (script, run) = (quoted(&out.to_string_lossy()), quoted(&run.to_string_lossy()));
    terminal::result(&format!("python {script} {run}"));
    Ok(())
}

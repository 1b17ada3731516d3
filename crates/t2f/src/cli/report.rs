//! `t2f report`: a report of one or more runs, finished or not.

use std::path::{Path, PathBuf};

use clap::Args;
use t2f_report::{Error, Options as Contents, Run, name, write};

use crate::cli::failure::because;
use crate::cli::terminal;

/// The parent of reports.
const REPORTS: &str = "notebooks-export";

/// The options of `t2f report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f report runs/00000-procedural-quick
  t2f report runs/00000-* --out compare                 several runs in one report
  t2f report runs/00003-lfw-face2text --neighbours      also nearest photographs of training

The report has a page (report.html) that needs no network, a notebook (report.ipynb), the
statistics in long form (stats.parquet, stats.csv, metrics.csv), a script that trains again
(reproduce.sh) and the papers to cite (CITATION.txt). A run may go on: report it again later.

Generated faces are shown beside the nearest training images. Data that may show real people,
all but the procedural faces, are shown with --neighbours alone.")]
pub struct Options {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The folder of the report [default: notebooks-export/NAME, the name of the run]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the nearest training images also of data that may show real people
    #[arg(long)]
    neighbours: bool,
    /// The maximum of sheets in the timeline of samples
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = frames)]
    frames: usize,
}

/// A number of sheets.
fn frames(text: &str) -> Result<usize, String> {
    let frames = text.parse().ok().filter(|frames| (2..=1000).contains(frames));
    frames.ok_or_else(|| "expected a number from 2 to 1000, such as 12".into())
}

/// Runs `t2f report`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let runs = options.runs.iter().map(|run| open(run)).collect::<anyhow::Result<Vec<_>>>()?;
    let out = options.out.clone().unwrap_or_else(|| Path::new(REPORTS).join(name(&runs)));
    let contents = Contents { neighbours: options.neighbours, frames: options.frames };
    let files = write(&runs, &out, &contents).map_err(|error| {
        let hint = match &error {
            Error::Runs(_) => "give each run once, or copy one under another name",
            Error::File(file) if file.path.starts_with(&out) => "check `--out`",
            _ => "check the files of the run",
        };
        because(error, "cannot write the report", hint)
    })?;
    for file in files {
        terminal::result(&file.display().to_string());
    }
    Ok(())
}

fn open(run: &Path) -> anyhow::Result<Run> {
    Run::open(run).map_err(|error| {
        let hint = match &error {
            Error::NotARun(_) => "give a folder such as runs/00000-procedural-quick; `t2f train` creates one",
            _ => "check the files of the run",
        };
        because(error, format!("cannot read `{}`", run.display()), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::frames;

    #[test]
    fn numbers_of_sheets_out_of_range_are_refused() {
        assert_eq!(frames("12").unwrap(), 12);
        for text in ["1", "0", "-3", "1001", "x"] {
            assert!(frames(text).unwrap_err().contains("2 to 1000"), "{text}");
        }
    }
}

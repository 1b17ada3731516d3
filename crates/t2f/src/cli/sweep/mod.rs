//! `t2f sweep`: a run for each combination of settings, with one table and one plot.

mod grid;
mod queue;
mod slurm;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use t2f_files::disk::{self, OsDisk};
use t2f_pictures::curves::{self, Panels, RunRows};
use t2f_pictures::picture;
use t2f_train::config::Config;

use self::grid::Grid;
use self::queue::{Job, name};
use crate::cli::failure::{because, failure, usage};
use crate::cli::generate::create_folder_of;
use crate::cli::source::{self, Source};
use crate::cli::terminal;

/// The options of `t2f sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f sweep --set seed=0,1,2
  t2f sweep --set seed=0,1,2 --set loss.adversarial.r1.gamma=0.1,1 --jobs 2 --out gamma
  t2f sweep --preset faces-64 --set seed=0,1 --set output.metrics_kimg=10 --slurm sweep.sh
  t2f sweep --set seed=0,1,2 -n                            print the runs, train nothing

Each combination of the values is a run of `t2f train`, in a folder of its own with the output of
its process. The same command again resumes what was stopped, trains what is left, and writes
sweep.csv, sweep-seeds.csv (mean ± standard deviation over seeds), sweep.svg and sweep.png. A run
that fails leaves the others alone. Ctrl-C or SIGTERM stops all runs after a checkpoint.

The table has the metrics of the runs (`output.metrics_kimg`), or their losses without metrics.")]
pub struct Options {
    /// A setting of all runs, or with several values, separated by commas; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE,...", required = true)]
    settings: Vec<String>,
    /// A named configuration to start from [default: quick, unless there is --config]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A TOML file: a whole configuration, or the settings that differ from the preset
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "SOURCE", help = source::help())]
    data: Option<Source>,
    /// The folder of the sweep
    #[arg(short, long, default_value = "sweep", value_name = "FOLDER")]
    out: PathBuf,
    /// Runs at a time; they share the threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    jobs: u16,
    /// Train the run of this number alone, from 0
    #[arg(long, value_name = "N")]
    only: Option<usize>,
    /// Write a Slurm script of an array job with a task for each run, and train nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "dry_run"])]
    slurm: Option<PathBuf>,
    /// Print the runs, train nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Options {
    /// The settings of `--data` and `--set`.
    fn settings(&self) -> Vec<String> {
        self.data.iter().flat_map(Source::overrides).chain(self.settings.iter().cloned()).collect()
    }

    /// The arguments of a command with these settings, after its name.
    fn arguments(&self, settings: Vec<String>) -> Vec<String> {
        let preset = self.preset.iter().flat_map(|name| ["--preset".to_owned(), name.clone()]);
        let config = self.config.iter();
        let config = config.flat_map(|file| ["--config".to_owned(), file.to_string_lossy().into_owned()]);
        let settings = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
        preset.chain(config).chain(settings).collect()
    }
}

/// The maximum of runs.
const MOST_RUNS: usize = 10_000;

/// What a sweep is; in `sweep.json` of its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Description {
    preset: Option<String>,
    config: Option<PathBuf>,
    settings: Vec<String>,
}

/// Runs `t2f sweep`, with the threads of `--threads`.
pub fn run(options: &Options, threads: Option<usize>) -> anyhow::Result<()> {
    let grid = Grid::parse(&options.settings())
        .map_err(|error| usage(error.to_string(), "give values as in `--set seed=0,1,2`"))?;
    if grid.len() > MOST_RUNS {
        let message = format!("the settings have {} combinations, expected at most {MOST_RUNS}", grid.len());
        return Err(usage(message, "give fewer values"));
    }
    check(options, &grid)?;
    if let Some(only) = options.only.filter(|only| *only >= grid.len()) {
        let message = format!("`--only {only}` is no run: there are {}, from 0", grid.len());
        return Err(usage(message, "`-n` prints the runs"));
    }
    if options.dry_run {
        (0..grid.len()).for_each(|at| terminal::result(&format!("{}  {}", name(at), grid.label(at))));
        return Ok(());
    }
    record(options)?;
    if let Some(script) = &options.slurm {
        let text = slurm::script(options, &grid, threads);
        disk::replace(&OsDisk, script, text.as_bytes())
            .map_err(|error| because(error, "cannot write the script", "check `--slurm`"))?;
        terminal::result(&format!("sbatch {}", terminal::quoted(&script.to_string_lossy())));
        return Ok(());
    }
    let jobs: Vec<Job> = (0..grid.len()).map(|at| job(options, &grid, at)).collect();
    let chosen = options.only.map_or(&jobs[..], |only| &jobs[only..=only]);
    let at_once = usize::from(options.jobs).min(chosen.len());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = (threads.unwrap_or(cores) / at_once).max(1);
    let ended = queue::train(chosen, at_once, each)?;
    if options.only.is_none() {
        summarize(&options.out, &grid, &jobs)?;
    }
    let again = "repeat the command to train what is left";
    if !ended.failed.is_empty() {
        let numbers: Vec<String> = ended.failed.iter().map(|(number, _)| name(*number)).collect();
        let (failed, all) = (numbers.len(), chosen.len());
        return Err(failure(format!("{failed} of {all} runs failed: {}", numbers.join(", ")), again));
    }
    if ended.stopped {
        terminal::note(&format!("stopped as asked; {again}"));
    }
    Ok(())
}

/// Checks the configuration of every run, before the first one is trained.
fn check(options: &Options, grid: &Grid) -> anyhow::Result<()> {
    let preset = options.preset.as_deref().or(options.config.is_none().then_some("quick"));
    for run in 0..grid.len() {
        let config = Config::resolve(preset, options.config.as_deref(), &grid.settings(run));
        config.and_then(|config| config.check()).map_err(|error| {
            let what = format!("the configuration of run {} ({}) is not valid", name(run), grid.label(run));
            because(error, what, "docs/configuration.md lists every key with its range")
        })?;
    }
    Ok(())
}

/// Writes `sweep.json`, or compares it with this sweep.
fn record(options: &Options) -> anyhow::Result<()> {
    let (preset, config) = (options.preset.clone(), options.config.clone());
    let own = Description { preset, config, settings: options.settings() };
    let file = options.out.join("sweep.json");
    match std::fs::read(&file) {
        Ok(bytes) if serde_json::from_slice::<Description>(&bytes).ok().as_ref() == Some(&own) => Ok(()),
        Ok(_) => Err(usage(
            format!("{} has another sweep", options.out.display()),
            "give the settings of `sweep.json` there, or another folder with `--out`",
        )),
        Err(_) => {
            create_folder_of(&file)?;
            let text = serde_json::to_string_pretty(&own)? + "\n";
            disk::replace(&OsDisk, &file, text.as_bytes()).map_err(|error| {
                because(error, format!("cannot write `{}`", file.display()), "check `--out`")
            })
        }
    }
}

/// The process of a run.
fn job(options: &Options, grid: &Grid, number: usize) -> Job {
    let arguments = options.arguments(grid.settings(number));
    Job { number, label: grid.label(number), folder: options.out.join(name(number)), arguments }
}

/// Prints and writes the table and the plot of the runs that are begun.
fn summarize(out: &Path, grid: &Grid, jobs: &[Job]) -> anyhow::Result<()> {
    let mut runs: Vec<(usize, RunRows)> = Vec::new();
    for job in jobs {
        if let Some(run) = job.run() {
            let rows = curves::rows_of_run(&run)?;
            runs.push((job.number, RunRows { name: grid.short_label(job.number), ..rows }));
        }
    }
    if runs.iter().all(|(_, run)| run.rows.is_empty()) {
        return Ok(());
    }
    let (of_runs, over_seeds) = (table::of_runs(grid, &runs), table::over_seeds(grid, &runs));
    for (file, table) in [("sweep.csv", Some(of_runs)), ("sweep-seeds.csv", over_seeds)] {
        let Some(table) = table else { continue };
        table.lines().iter().for_each(|line| terminal::result(line));
        terminal::result("");
        disk::replace(&OsDisk, &out.join(file), table.csv().as_bytes())?;
        terminal::note(&format!("wrote {}", out.join(file).display()));
    }
    let rows: Vec<RunRows> = runs.into_iter().map(|(_, run)| run).collect();
    let panels = Panels::default();
    let svg = curves::panels_svg(&rows, &panels)?;
    let png = picture::to_png(&curves::panels_picture(&rows, &panels)?, None)?;
    for (file, bytes) in [("sweep.svg", svg.into_bytes()), ("sweep.png", png)] {
        picture::write_whole(&out.join(file), &bytes)?;
        terminal::note(&format!("wrote {}", out.join(file).display()));
    }
    let left = jobs.iter().filter(|job| !job.is_finished()).count();
    if left > 0 {
        terminal::note(&format!("not finished: {left} of {} runs", jobs.len()));
    }
    Ok(())
}

//! `t2f train`: starts or resumes a run.

use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use t2f_data::Error as DataError;
use t2f_gan::Error as GanError;
use t2f_pictures::run_report;
use t2f_text::Error as TextError;
use t2f_train::Error;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::hours::{self, LONGEST_HOURS};
use t2f_train::initialization::Initialization;
use t2f_train::parallel::Communicator;
use t2f_train::processes::{end, follow};
use t2f_train::run_dir::RunDir;
use t2f_train::trainer::{Event, Outcome, Trainer};

use crate::cli::dry_run;
use crate::cli::failure::{self, because};
use crate::cli::processes;
use crate::cli::progress::{Display, Status, duration};
use crate::cli::signals::Signals;
use crate::cli::source::{self, Source};
use crate::cli::terminal::{self, program, quoted};

/// The caption of the suggested command at the end of a run, if the model knows its words.
const TRY: &str = "a bald man with a beard and round glasses";

/// The options of `t2f train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f train                                           the preset quick: procedural faces, minutes
  t2f train --preset faces-64 --device cuda:0
  t2f train --preset face2text --data lfw:lfw-deepfunneled,face2text
  t2f train --config my.toml --set optimizer.generator.lr=1e-3 --set seed=1
  t2f train -n --preset faces-64 --set seed=1         resolve and check, train nothing
  t2f train --init-from runs/00000-procedural-quick --data folder:faces
  t2f train --preset faces-64 --hours 8               the same phases, scaled to take 8 hours
  t2f train --resume runs/00000-procedural-quick
  t2f train --resume runs/00000-procedural-quick --set optimizer.generator.lr=1e-3
  t2f train --resume runs/00001-folder-custom --data folder:/mnt/faces    the data moved there
  mpirun --bind-to none -n 4 t2f train --preset faces-64    4 processes, see docs/scaling.md

The order is preset, --config, --data, --device, --set; for each setting the last one wins. Ctrl-C
or SIGTERM finishes the step, writes a checkpoint and exits; the run can be resumed. A second one
exits at once. SIGUSR1 writes a checkpoint and continues.

--init-from starts a new run from the weights of a trained one, on other data or at another
resolution: a tensor of equal name and shape is copied, word vectors by word, and all else starts
anew. Its schedule starts at the highest trained level, unless schedule.start_level is set.

--hours measures some seconds of steps at each level, and multiplies schedule.fade_kimg,
stable_kimg (or epochs) and anneal_kimg by one factor. The resulting numbers are in config.toml.

A run resumes with its own configuration. --set changes it for the rest of the run: schedule,
rates, batch sizes, losses, output; networks, text encoder and seed cannot change. --data says
where the same data lies now. The device of --device or --set is not recorded.")]
pub struct Options {
    /// A named configuration to start from [default: quick, unless there is --config]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A TOML file: a whole configuration, or the settings that differ from the preset
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting of the configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    #[arg(long, value_name = "SOURCE", help = source::help())]
    data: Option<Source>,
    /// The parent of the run folder
    #[arg(short, long, default_value = "runs", value_name = "FOLDER")]
    out: PathBuf,
    /// Start from trained weights: of a run folder, a checkpoint, or a model file, which has no
    /// discriminator
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Resume a run; --set, --data and --device may change its configuration
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config", "out"])]
    resume: Option<PathBuf>,
    /// The device: auto, cpu, cuda, cuda:N or metal
    #[arg(long)]
    device: Option<String>,
    /// After a divergence return to the last intact checkpoint with half the learning rate, at most N times
    /// a run
    #[arg(long, value_name = "N", default_value_t = 0)]
    rollback: usize,
    /// Scale the phases of the schedule so that the training takes H hours, after a measurement
    #[arg(long, value_name = "H", value_parser = hours_of, conflicts_with = "resume")]
    hours: Option<f64>,
    /// Print the resolved configuration and a summary, without training
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// With several processes: end all of them if one has not finished its part of a step after N seconds
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    peer_timeout: u64,
    /// Print plain lines instead of a bar, as without a terminal
    #[arg(long)]
    plain: bool,
}

/// Runs `t2f train`; on several processes all but the first follow it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let communicator = processes::join(Duration::from_secs(options.peer_timeout))?;
    let communicator = communicator.as_ref();
    let outcome = match communicator.rank() {
        0 => lead(options, communicator).and_then(|()| Ok(end(communicator)?)),
        rank => followed(communicator).map_err(|error| error.context(format!("process {rank}"))),
    };
    if let Err(error) = &outcome
        && communicator.size() > 1
    {
        // The others wait for this process.
        terminal::note(&failure::report(error));
        communicator.abort(failure::exit_code(error).into());
    }
    outcome
}

/// Computes what process 0 asks for. It obeys the signals, too.
fn followed(communicator: &dyn Communicator) -> anyhow::Result<()> {
    let _signals = Signals::listen()?;
    Ok(follow(communicator, &Components::new())?)
}

fn lead(options: &Options, communicator: &dyn Communicator) -> anyhow::Result<()> {
    let failed = |what: &str, error: Error| {
        let hint = advice(&error, options);
        let place = place(&error, options);
        let error = anyhow::Error::new(error);
        because(place.into_iter().fold(error, anyhow::Error::context), what, hint)
    };
    let processes = communicator.size();
    if let Some(run) = &options.resume {
        let what = format!("cannot resume `{}`", run.display());
        if options.dry_run {
            let described =
                dry_resumed(run, options, processes).and_then(|config| dry_run::describe(config, None));
            return described.map_err(|error| failed(&what, error));
        }
        let trainer = resume(run, options, processes).map_err(|error| failed(&what, error))?;
        return drive(trainer, options, communicator);
    }
    if options.hours.is_some() && processes > 1 {
        let hint = "fit the schedule with one process, and divide its hours by the speed of several";
        return Err(failure::usage("`--hours` measures one process, and a launcher started several", hint));
    }
    let overrides = overrides(options);
    let config = resolve(options, &overrides, processes)
        .map_err(|error| failed("the configuration is not valid", error))?;
    start(config, options)
        .map_err(|error| failed("cannot start the run", error))?
        .map_or(Ok(()), |trainer| drive(trainer, options, communicator))
}

/// Creates a new run; with `-n` describes it and returns none.
fn start(mut config: Config, options: &Options) -> t2f_train::Result<Option<Trainer>> {
    let components = Components::new();
    let open = |path: &PathBuf| Initialization::open(path, &components);
    let initial = options.init_from.as_ref().map(open).transpose()?;
    if let Some(initial) = &initial {
        initial.settle(&mut config, &components)?;
        config.check()?;
    }
    if let Some(hours) = options.hours {
        config = within(hours, &config)?;
    }
    if options.dry_run {
        return dry_run::describe(config, initial.as_ref()).map(|()| None);
    }
    let trainer = match &initial {
        Some(initial) => Trainer::create_from(config, components, initial, &options.out),
        None => Trainer::create(config, components, &options.out),
    };
    trainer.map(Some)
}

/// The value of `--hours`.
fn hours_of(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours| *hours > 0.0 && *hours <= LONGEST_HOURS);
    hours.ok_or_else(|| format!("expected a number of hours above 0 and at most {LONGEST_HOURS}"))
}

/// The configuration with a schedule of some hours.
fn within(hours: f64, config: &Config) -> t2f_train::Result<Config> {
    let fitted = hours::fit(config, &Components::new(), hours)?;
    terminal::note(&format!(
        "the schedule is scaled by {:.3}: {:.1} kimg, about {} at the measured pace",
        fitted.factor,
        fitted.images as f64 / 1000.0,
        duration(fitted.seconds)
    ));
    Ok(fitted.config)
}

/// Resumes a run, with the changes of `--data`, `--device` and `--set`.
fn resume(run: &Path, options: &Options, processes: usize) -> t2f_train::Result<Trainer> {
    let run = RunDir::open(run)?;
    let config = run.config()?.resolve_over(&overrides(options))?.for_processes(processes)?;
    Trainer::restore(run, config, Components::new())
}

/// The configuration of a resume. Opens the run for reading alone, since another process may use it.
fn dry_resumed(run: &Path, options: &Options, processes: usize) -> t2f_train::Result<Config> {
    let recorded = Config::from_file(&run.join("config.toml"))?;
    let config = recorded.resolve_over(&overrides(options))?.for_processes(processes)?;
    for change in config.changes_in_run(&recorded)? {
        terminal::note(&change.to_string());
    }
    config.check()?;
    Ok(config)
}

/// The file and the line of a setting that is out of range; none if `--set` or a preset has it.
fn place(error: &Error, options: &Options) -> Option<String> {
    let setting = match error {
        Error::Setting(setting)
        | Error::Data(DataError::Setting(setting))
        | Error::Gan(GanError::Setting(setting))
        | Error::Text(TextError::Setting(setting)) => setting,
        _ => return None,
    };
    let in_run = options.resume.as_ref().map(|run| run.join("config.toml"));
    let file = in_run.or_else(|| options.config.clone())?;
    let name = file.display().to_string();
    let key = setting.key.split(" + ").next()?;
    let place = Config::place(None, Some(&file), &overrides(options), key).ok()??;
    place.starts_with(&name).then_some(place)
}

/// The hint for an error at the start of a run.
fn advice(error: &Error, options: &Options) -> String {
    let unknown = options.preset.as_ref().filter(|name| !Config::presets().any(|preset| preset == *name));
    if let Some(form) = missing_path(error, options) {
        return format!("give `--data {form}`; datasets/ in the repository documents each layout");
    }
    match error {
        Error::Device { .. } => "use `--device auto` for an available device".into(),
        Error::Data(DataError::File { .. } | DataError::Dataset { .. } | DataError::Refused { .. })
            if options.resume.is_some() =>
        {
            "if the data moved, give its place with `--data`".into()
        }
        Error::Data(DataError::File { .. } | DataError::Dataset { .. } | DataError::Refused { .. }) => {
            format!(
                "datasets/ in the repository documents each layout; `{} data check` with the same `--data` lists the \
                 faults",
                program()
            )
        }
        Error::Fixed(_) => format!("`{} train` without `--resume` starts a new run", program()),
        Error::File { .. } if options.resume.is_some() => {
            format!("give a run folder that is not in use; `{} train` starts a new run", program())
        }
        Error::File(file) if options.config.as_ref() == Some(&file.path) => "check `--config`".into(),
        Error::File(file) if options.init_from.as_ref().is_some_and(|from| file.path.starts_with(from)) => {
            "check `--init-from`: a run folder, a checkpoint or a model file".into()
        }
        Error::File(file) if file.path.starts_with(&options.out) => "check `--out`".into(),
        Error::Config(_) if unknown.is_some() => {
            "choose one of these with `--preset`, or give a file with `--config`".into()
        }
        Error::Parse { .. }
        | Error::Config(_)
        | Error::Setting(_)
        | Error::Data(_)
        | Error::Gan(_)
        | Error::Text(_) => "docs/configuration.md lists every key with its range".into(),
        _ => format!("check the configuration with `{} train -n`", program()),
    }
}

/// The form of `--data` for a data set whose path is not set.
fn missing_path(error: &Error, options: &Options) -> Option<String> {
    let Error::Data(DataError::Setting(setting)) = error else { return None };
    let quick = options.config.is_none().then_some("quick");
    let preset = options.preset.as_deref().or(quick);
    let config = Config::resolve(preset, options.config.as_deref(), &overrides(options)).ok()?;
    source::form(&config.data, &setting.key)
}

/// The overrides of `--data`, `--device` and `--set`, in this order.
fn overrides(options: &Options) -> Vec<String> {
    let data = options.data.iter().flat_map(Source::overrides);
    let device = options.device.iter().map(|device| format!("device={}", toml::Value::from(device.as_str())));
    data.chain(device).chain(options.overrides.iter().cloned()).collect()
}

fn resolve(options: &Options, overrides: &[String], processes: usize) -> t2f_train::Result<Config> {
    let quick = options.config.is_none().then_some("quick");
    let preset = options.preset.as_deref().or(quick);
    let config = Config::resolve(preset, options.config.as_deref(), overrides)?.for_processes(processes)?;
    config.check()?;
    Ok(config)
}

/// Trains to the end or to the first signal, and prints the next command.
fn drive(mut trainer: Trainer, options: &Options, communicator: &dyn Communicator) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let run = trainer.run_dir().path().to_path_buf();
    let complete = trainer.is_finished();
    let mut display = Display::new(options.plain);
    let log = trainer.run_dir().log();
    let opened = OpenOptions::new().create(true).append(true).open(&log);
    let hint = "make the run folder writable";
    display
        .log_to(opened.map_err(|error| because(error, format!("cannot write `{}`", log.display()), hint))?);
    for note in trainer.notes() {
        display.note(&format!("note: {note}"));
    }
    let outcome = train(&mut trainer, communicator, &signals, &mut display, options.rollback);
    display.finish();
    let outcome = outcome.map_err(|error| {
        display.note(&format!("stopped: {error}"));
        let again = format!("`{} train --resume {}", program(), path(&run));
        let hint = match error {
            Error::Divergence { .. } => {
                format!("{again} --rollback 3` halves the learning rate after each divergence")
            }
            _ => format!("{again}` continues from the last checkpoint"),
        };
        because(error, "the training stopped", hint)
    })?;
    for file in run_report::write(&run)? {
        display.note(&format!("wrote {}", file.display()));
    }
    if complete {
        display.note(&goes_on(&trainer));
    }
    match outcome {
        Outcome::Finished => {
            let caption = in_quotes(&trainer.example_caption(TRY));
            terminal::result(&format!("{} generate --model {} {caption}", program(), path(&run)));
        }
        Outcome::Stopped => {
            display.note("stopped as asked; to resume:");
            terminal::result(&format!("{} train --resume {}", program(), path(&run)));
        }
    }
    Ok(())
}

/// The way to continue a run whose schedule is complete.
fn goes_on(trainer: &Trainer) -> String {
    let config = trainer.config();
    let (key, numbers) = config.schedule.longer(config.gan.max_level() + 1);
    let kimg = trainer.progress().images as f64 / 1000.0;
    let set = quoted(&format!("{key}={numbers:?}"));
    let run = path(trainer.run_dir().path());
    format!(
        "the run was complete: its schedule has {kimg} kimg. A longer schedule continues it, such as `{} train \
         --resume {run} --set {set}`",
        program()
    )
}

/// Trains until the schedule is complete or a signal stops the run; writes a checkpoint on SIGUSR1; after a
/// divergence returns to the last intact checkpoint, at most `rollbacks` times in a run.
fn train(
    trainer: &mut Trainer,
    communicator: &dyn Communicator,
    signals: &Signals,
    display: &mut Display,
    rollbacks: usize,
) -> t2f_train::Result<Outcome> {
    loop {
        let outcome = trainer.run_on(communicator, |event| {
            show(display, event);
            if signals.pending() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match outcome {
            Ok(Outcome::Stopped) if !signals.stop() => {
                signals.saved();
                display.note("saved as asked; continuing");
            }
            Err(error @ Error::Divergence { .. }) if trainer.progress().rollbacks.len() < rollbacks => {
                display.note(&format!("{error}"));
                let back = trainer.roll_back(&error)?;
                let (step, rate) = (back.to_step, back.rate);
                display
                    .note(&format!("back to the checkpoint of step {step} with {rate} of the learning rate"));
            }
            outcome => return outcome,
        }
    }
}

/// A caption as a word of a command line.
fn in_quotes(caption: &str) -> String {
    let plain = |c: char| !c.is_control() && !"\"$`\\!".contains(c);
    if caption.chars().all(plain) { format!("\"{caption}\"") } else { quoted(caption) }
}

fn path(run: &Path) -> String {
    quoted(&run.to_string_lossy())
}

fn show(display: &mut Display, event: &Event) {
    let kimg = |images: u64| images as f64 / 1000.0;
    match event {
        Event::Started { run, device, images, total_images } => {
            let from = if *images > 0 { format!(" from {:.1} kimg", kimg(*images)) } else { String::new() };
            let total = kimg(*total_images);
            display.total(*total_images);
            display.note(&format!("run {} on {device}{from}, {total:.1} kimg in all", run.display()));
        }
        Event::Restored { checkpoint, verified } => {
            display.note(&format!("continues from {}: {verified}", checkpoint.display()));
        }
        Event::Changed(changes) => {
            for change in *changes {
                display.note(&format!("changed: {change}"));
            }
        }
        Event::Stepped { images } => display.position(*images),
        Event::Tick(tick) => display.status(&Status {
            level: tick.stage.level,
            resolution: tick.stage.resolution,
            alpha: tick.stage.alpha,
            images: tick.images,
            total_images: tick.total_images,
            losses: &tick.losses,
            images_per_sec: tick.images_per_sec,
            seconds_left: tick.seconds_left,
        }),
        Event::Level { level, resolution } => {
            display.note(&format!("level {level} begins: {resolution}x{resolution}"));
        }
        Event::Evaluated { evaluation, is_best, left_out } => {
            let figures = evaluation.figures.iter().map(|(name, value)| format!("{name} {value:.3}"));
            let figures = figures.collect::<Vec<_>>().join("  ");
            let best = if *is_best { "  best so far, kept in best/" } else { "" };
            display.note(&format!("metrics at {:.1} kimg: {figures}{best}", kimg(evaluation.images)));
            for left in *left_out {
                display.note(&format!("`{}` is skipped: {}", left.metric, left.reason));
            }
        }
        Event::Stalled { kimg, stops } => {
            let end = if *stops { "; the run stops (`output.stop`)" } else { "" };
            display.note(&format!("warning: no metric has improved for {kimg:.1} kimg{end}"));
        }
        Event::Wrote(file) => display.note(&format!("wrote {}", file.display())),
        Event::Checkpointed(folder) => display.note(&format!("saved {}", folder.display())),
        Event::Finished { model, .. } => display.note(&format!("finished: {}", model.display())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn overrides_are_in_the_order_of_precedence() {
        let line =
            ["train", "--set", "seed=1", "--device", "cuda:0", "--data", "procedural", "--set", "name=x"];
        let options = Alone::parse_from(line).options;
        assert_eq!(
            overrides(&options),
            ["data.kind=\"procedural\"", "device=\"cuda:0\"", "seed=1", "name=x"]
        );
    }
}

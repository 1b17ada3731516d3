//! The training loop: one step for each batch, and the output between steps.
//!
//! A run is a function of its seed and the number of images shown, so a resumed run gives the same bits as
//! an uninterrupted one. A checkpoint contains the tensors, the progress and the incomplete averages of
//! the statistics.

mod batches;
mod best;
mod board;
mod changed;
mod classifier_agreement;
mod evaluation;
mod evaluator;
mod events;
mod held_out;
mod output;
mod progress;
mod remarks;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::Device;
use t2f_data::{Batch, Splits};
use t2f_files::json_lines::{self, JsonLines};
use t2f_ops::rng::Key;
use t2f_parallel::{Communicator, Single};
use t2f_pictures::picture;
use t2f_text::Tokenizer;

use crate::checkpoint::{self, Checkpoint};
use crate::components::Components;
use crate::config::{Change, Config};
use crate::divergence;
use crate::error::{Error, Result};
use crate::initialization::Initialization;
use crate::pace::Pace;
use crate::pipeline::Pipeline;
use crate::processes::{Leader, Step};
use crate::rollback::{Rollback, SLOWER};
use crate::run_dir::RunDir;
use crate::samples::Samples;
use crate::schedule::{Schedule, Stage};
use crate::state::{OptimizerSteps, TrainState};

pub(crate) use batches::Batches;
pub use best::{Best, Evaluation};
use board::Board;
use evaluator::Evaluator;
pub use events::{Event, Outcome, Tick, Watch};
pub use progress::Progress;
use progress::{Clock, crosses, sheet_is_due, tick_is_due};
pub use remarks::{remarks, train_tokenizer};

/// A run: networks, data, folder and progress.
#[derive(Debug)]
pub struct Trainer {
    config: Config,
    components: Components,
    device: Device,
    tokenizer: Tokenizer,
    splits: Splits,
    schedule: Schedule,
    state: TrainState,
    samples: Samples,
    /// The metrics during the run, if any.
    evaluator: Option<Evaluator>,
    run: RunDir,
    stats: JsonLines,
    /// The event files of TensorBoard, if any.
    board: Option<Board>,
    progress: Progress,
    pace: Pace,
    /// The stage of the last batch shown.
    last: Stage,
    /// The restored checkpoint and its verification, until the event is sent.
    restored: Option<(PathBuf, String)>,
    /// The settings that a resume changed, until the event is sent.
    changes: Vec<Change>,
    /// Remarks on the initial weights of a new run.
    initial: Vec<String>,
}

impl Trainer {
    /// Creates a run folder under `out` and initialises the networks.
    ///
    /// Installs [`t2f_ops::Runtime`], as does [`resume`](Self::resume).
    ///
    /// # Errors
    /// If the configuration is invalid, the data cannot be opened, a component cannot be built, the device is
    /// not available, or the folder is not writable.
    pub fn create(config: Config, components: Components, out: impl AsRef<Path>) -> Result<Self> {
        let out = out.as_ref();
        Self::begin(config, components, None, |config, data| RunDir::claim(out, config, data))
    }

    /// As [`create`](Self::create), with initial weights of a trained run. The first checkpoint is written at
    /// once, so that a resume does not need them.
    ///
    /// # Errors
    /// As [`create`](Self::create); and if no weight fits, channels differ, or a custom component of the trained
    /// run is missing.
    pub fn create_from(
        config: Config,
        components: Components,
        initial: &Initialization,
        out: impl AsRef<Path>,
    ) -> Result<Self> {
        let out = out.as_ref();
        Self::begin(config, components, Some(initial), |config, data| RunDir::claim(out, config, data))
    }

    /// Initialises the networks and writes the first files of the run.
    fn begin(
        mut config: Config,
        components: Components,
        initial: Option<&Initialization>,
        folder: impl FnOnce(&Config, &str) -> Result<RunDir>,
    ) -> Result<Self> {
        config.origin = None;
        if let Some(initial) = initial {
            initial.settle(&mut config, &components)?;
        }
        config.check()?;
        t2f_ops::Runtime::install();
        let device = crate::device::open_for_training(&config.device, 0)?;
        config.precision = config.precision.on(&device);
        let splits = components.data(&config)?;
        config.settle(&splits)?;
        config = config.with_absolute_paths()?;
        config.components = components.names();
        let tokenizer = train_tokenizer(&config, &splits)?;
        let state = TrainState::new(&config, &components, &tokenizer, &splits.schema().sizes(), &device)?;
        let notes = initial.map(|initial| initial.apply(&state, &tokenizer, splits.schema())).transpose()?;
        let run = folder(&config, splits.train.name())?;
        let progress = Progress { data: splits.train.fingerprint(), ..Progress::default() };
        let parts = Parts { config, components, device, tokenizer, splits, state, progress };
        let mut trainer = Self::assemble(parts, run)?;
        if let Some(notes) = notes {
            trainer.initial = notes;
            trainer.commit()?;
        }
        let reals = trainer.samples.reals(&trainer.splits)?;
        trainer.run.write("reals.png", &picture::to_png(&reals, None)?)?;
        trainer.write_fakes()?;
        Ok(trainer)
    }

    /// Resumes a run from its newest intact checkpoint, or from its beginning if it has none yet.
    /// `components` must contain the custom components of the run.
    ///
    /// # Errors
    /// If the folder is not a run folder, is in use or has lost its checkpoints; if the configuration is
    /// invalid; if the data differs; or if a custom component is missing.
    pub fn resume(run: impl AsRef<Path>, components: Components) -> Result<Self> {
        let run = RunDir::open(run.as_ref())?;
        let config = run.config()?;
        Self::restore(run, config, components)
    }

    /// As [`resume`](Self::resume), for an open folder, with a configuration that may differ from the folder's.
    /// Changes are recorded in `config.toml`, except for that of the device.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); and if a setting differs that cannot change in a run, the data have another
    /// fingerprint, or a new schedule ends before the run or is at an earlier level.
    pub fn restore(run: RunDir, mut config: Config, components: Components) -> Result<Self> {
        components.check_run(&config.components)?;
        let recorded = changed::recorded(&run)?;
        let changes = config.changes_in_run(&recorded)?;
        if checkpoint::count(&run.checkpoints())? == 0 && !run.model().exists() {
            let origin = config.origin.as_ref();
            let initial = origin.map(|origin| Initialization::again(origin, &components)).transpose()?;
            let mut trainer = Self::begin(config, components, initial.as_ref(), |_, _| Ok(run))?;
            trainer.record(&recorded, changes)?;
            return Ok(trainer);
        }
        config.check()?;
        t2f_ops::Runtime::install();
        let device = crate::device::open_for_training(&config.device, 0)?;
        config.precision = config.precision.on(&device);
        let splits = components.data(&config)?;
        let checkpoint = checkpoint::load_latest(&run.checkpoints())?;
        let mut progress: Progress = checkpoint.state()?;
        let data = splits.train.fingerprint();
        if splits.train.earlier_fingerprint().is_some_and(|earlier| earlier == progress.data) {
            progress.data.clone_from(&data);
        }
        if progress.data != data {
            return Err(changed::other_data(&data, &progress.data, &changes));
        }
        if !changes.is_empty() {
            config.settle(&splits)?;
            config = config.with_absolute_paths()?;
            changed::adapt(&mut progress, &recorded, &config, splits.train.len())?;
        }
        let tokenizer = Tokenizer::from_json(checkpoint.text("tokenizer.json")?)?;
        let mut state = TrainState::new(&config, &components, &tokenizer, &splits.schema().sizes(), &device)?;
        load(&mut state, &checkpoint, &progress)?;
        let parts = Parts { config, components, device, tokenizer, splits, state, progress };
        let mut trainer = Self::assemble(parts, run)?;
        trainer.remember(&checkpoint);
        if !changes.is_empty() {
            // The checkpoint has the stage of the last batch, which the new schedule does not tell.
            trainer.commit()?;
            trainer.record(&recorded, changes)?;
        }
        Ok(trainer)
    }

    /// Records changed settings in `config.toml`, with the recorded device.
    fn record(&mut self, recorded: &Config, changes: Vec<Change>) -> Result<()> {
        if !changes.is_empty() {
            self.record_changes(&changes)?;
            self.run.write_config(&Config { device: recorded.device.clone(), ..self.config.clone() })?;
        }
        self.changes = changes;
        Ok(())
    }

    fn remember(&mut self, checkpoint: &Checkpoint) {
        self.restored = Some((checkpoint.path().to_owned(), checkpoint.verified()));
    }

    /// The factor of the learning rates by schedule and rollbacks.
    fn rate(&self) -> f64 {
        let rate = self.progress.rollbacks.last().map_or(1.0, |rollback| rollback.rate);
        rate * self.schedule.rate(self.progress.images)
    }

    fn assemble(parts: Parts, run: RunDir) -> Result<Self> {
        let Parts { config, components, device, tokenizer, splits, state, progress } = parts;
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len())?;
        let samples = Samples::choose(&splits, config.output.samples, Key::new(config.seed))?;
        let evaluator = Evaluator::open(&config, &splits)?;
        if !splits.report.bad.is_empty() {
            run.write("bad_files.tsv", splits.report.bad_files_tsv().as_bytes())?;
        }
        let stats = run.recorder(progress.step)?;
        let board = Board::open(&config, &run, samples.captions(), progress.step)?;
        let pace = Pace::new(&config, &schedule)?.with_rows(&json_lines::read(&run.stats())?.0);
        let last = progress.last.unwrap_or_else(|| schedule.before(progress.images));
        let (restored, changes, initial) = (None, Vec::new(), Vec::new());
        Ok(Self {
            config,
            components,
            device,
            tokenizer,
            splits,
            schedule,
            state,
            samples,
            evaluator,
            run,
            stats,
            board,
            progress,
            pace,
            last,
            restored,
            changes,
            initial,
        })
    }

    /// Returns to the last intact checkpoint after a divergence, halves all learning rates, and commits this
    /// state at once, so that a kill does not undo it.
    ///
    /// # Errors
    /// If there is no checkpoint, or a file cannot be read or written.
    pub fn roll_back(&mut self, cause: &Error) -> Result<&Rollback> {
        let checkpoint = checkpoint::load_latest(&self.run.checkpoints())?;
        let from_step = self.progress.step;
        let progress: Progress = checkpoint.state()?;
        load(&mut self.state, &checkpoint, &progress)?;
        self.last = progress.last.unwrap_or_else(|| self.schedule.before(progress.images));
        self.progress = progress;
        let rate = self.progress.rollbacks.last().map_or(1.0, |rollback| rollback.rate) * SLOWER;
        let (to_step, cause) = (self.progress.step, cause.to_string());
        self.progress.rollbacks.push(Rollback { from_step, to_step, cause, rate });
        self.stats = self.run.recorder(to_step)?;
        self.board = Board::open(&self.config, &self.run, self.samples.captions(), to_step)?;
        let committed = self.commit()?;
        self.remember(&Checkpoint::open(&committed)?);
        let last = self.progress.rollbacks.last();
        last.ok_or_else(|| Error::State("the rollback is not recorded".into()))
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// The progress of the run.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether the schedule is complete.
    pub fn is_finished(&self) -> bool {
        self.progress.images >= self.schedule.total_images()
    }

    /// The configuration of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Remarks on initial weights, data and schedule, a line each.
    pub fn notes(&self) -> Vec<String> {
        let of_run = remarks(&self.config, &self.splits, &self.tokenizer, &self.schedule);
        self.initial.iter().cloned().chain(of_run).collect()
    }

    /// The pipeline on the current averaged parameters.
    pub fn pipeline_ema(&self) -> &Pipeline {
        self.state.pipeline_ema()
    }

    /// A caption for a first generation: `preferred` if the model knows all its words, otherwise a caption of
    /// the sample sheets or of the training part, the first short one of which it knows all words. Empty if
    /// the data have no captions.
    pub fn example_caption(&self, preferred: &str) -> String {
        const FEW: usize = 200;
        const SHORT: usize = 100;
        if !self.splits.train.has_captions() {
            return String::new();
        }
        let text = self.state.pipeline_ema().text();
        let known = |caption: &String| text.unknown_words(caption).is_ok_and(|unknown| unknown.is_empty());
        let preferred = preferred.to_owned();
        if known(&preferred) {
            return preferred;
        }
        let train = (0..self.splits.train.len().min(FEW)).flat_map(|index| {
            let captions = self.splits.train.captions(index).unwrap_or_default();
            captions.into_iter().map(|caption| caption.text.clone()).collect::<Vec<_>>()
        });
        let captions = self.samples.captions().iter().cloned().chain(train);
        let captions = captions.filter(|caption| !caption.trim().is_empty() && known(caption));
        let captions: Vec<String> = captions.collect();
        let short = captions.iter().find(|caption| caption.chars().count() <= SHORT);
        short.or(captions.first()).cloned().unwrap_or(preferred)
    }

    /// The device of the networks.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Trains until the schedule is complete or `watch` breaks. A stopped run can be resumed.
    ///
    /// # Errors
    /// If the training diverges (the message names the first tensor that is not finite), the data cannot be
    /// read, or a file cannot be written. The last intact checkpoint is kept.
    pub fn run(&mut self, watch: impl FnMut(&Event) -> ControlFlow<()>) -> Result<Outcome> {
        self.run_on(&Single, watch)
    }

    /// As [`run`](Self::run), on several processes. This is process 0; the others
    /// [`follow`](crate::processes::follow) it, until it calls [`end`](crate::processes::end).
    ///
    /// # Errors
    /// As [`run`](Self::run); and if `schedule.micro_batches` is not a multiple of the number of processes, a
    /// process is lost, or its parameters differ.
    pub fn run_on(
        &mut self,
        communicator: &dyn Communicator,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        self.schedule.micro_batches_of(communicator.size())?;
        let stop = Cell::new(false);
        let watch: &mut Watch = &mut |event| {
            let flow = watch(event);
            stop.set(stop.get() || flow.is_break());
            flow
        };
        let key = Key::new(self.config.seed);
        let total_images = self.schedule.total_images();
        let mut device = crate::device::describe(&self.device);
        if communicator.size() > 1 {
            device += &format!(", {} processes by {}", communicator.size(), communicator.name());
        }
        let images = self.progress.images;
        self.require_room()?;
        let _ = watch(&Event::Started { run: self.run.path(), device: &device, images, total_images });
        if let Some((checkpoint, verified)) = self.restored.take() {
            // A kill may have come between the checkpoint and `LATEST` or the model.
            checkpoint::point_to(self.run.disk(), &checkpoint)?;
            self.save_model()?;
            let _ = watch(&Event::Restored { checkpoint: &checkpoint, verified: &verified });
        }
        if !self.changes.is_empty() {
            let _ = watch(&Event::Changed(&std::mem::take(&mut self.changes)));
        }
        let leader = Leader::begin(communicator, &self.config, &self.tokenizer, &self.state)?;
        let dataset = self.splits.train.clone();
        let mut batches =
            Batches::new(dataset, &self.config.loader, &self.schedule, key, images, communicator)?;
        let mut clock = Clock::start(self.progress.images);

        while self.progress.images < total_images {
            if stop.get() {
                leader.compare(&self.state)?;
                self.checkpoint(watch)?;
                return Ok(Outcome::Stopped);
            }
            let shown = self.progress.images;
            let stage = self.schedule.at(shown);
            let begins = shown > 0 && stage.level != self.last.level;
            let reset = begins && self.config.optimizer.reset_at_level;
            let rate = self.rate();
            let ada = self.state.ada();
            leader.step(Step { shown, number: self.progress.step, rate, reset, ada })?;
            if reset {
                self.state.reset_optimizers()?;
            }
            if begins {
                let _ = watch(&Event::Level { level: stage.level, resolution: stage.resolution });
            }
            let own = batches.next_step()?;
            self.state.scale_rates(rate);
            let share = batches.share(&own, communicator);
            let losses = self.state.step_shared(&share, &stage, key, self.progress.step, shown);
            let losses = losses.map_err(|error| self.explained(error, &own))?;
            self.progress.add(&losses, share.images())?;
            self.pace.add(&stage, share.images(), clock.batch());
            self.last = stage;
            self.progress.count_substitutes(own.iter().map(|batch| batch.substituted).sum())?;

            let now = self.progress.images;
            let _ = watch(&Event::Stepped { images: now });
            if tick_is_due(shown, now, total_images, self.config.output.tick_kimg) {
                let tick = self.tick(&mut clock, stage)?;
                let _ = watch(&Event::Tick(&tick));
            }
            if sheet_is_due(shown, now, total_images, self.config.output.sample_kimg) {
                let path = self.write_fakes()?;
                let _ = watch(&Event::Wrote(&path));
            }
            let metrics_are_due = tick_is_due(shown, now, total_images, self.config.output.metrics_kimg);
            if self.evaluator.is_some() && metrics_are_due && self.evaluate(watch)? {
                stop.set(now < total_images);
            }
            if crosses(shown, now, self.config.output.checkpoint_kimg) || now >= total_images {
                leader.compare(&self.state)?;
                self.measure()?;
                self.checkpoint(watch)?;
            }
        }
        let model = self.run.model();
        let _ = watch(&Event::Finished { run: self.run.path(), model: &model });
        Ok(Outcome::Finished)
    }

    fn explained(&self, error: Error, batches: &[Batch]) -> Error {
        divergence::explain(error, &self.state, &self.progress, batches, &self.run)
    }

    /// The stage of the last batch shown.
    pub fn stage(&self) -> Stage {
        self.last
    }
}

/// The fields of a trainer that do not depend on its folder.
struct Parts {
    config: Config,
    components: Components,
    device: Device,
    tokenizer: Tokenizer,
    splits: Splits,
    state: TrainState,
    progress: Progress,
}

/// Restores networks, optimisers and ADA controller from a checkpoint.
fn load(state: &mut TrainState, checkpoint: &Checkpoint, progress: &Progress) -> Result<()> {
    let steps = OptimizerSteps { g: progress.g_steps.clone(), d: progress.d_steps.clone() };
    state.load(checkpoint, &steps, progress.augmented)
}

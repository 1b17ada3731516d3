//! The loop: batches in order of the images shown, one step each, and what is due in between.
//!
//! Everything that happens is a function of the number of images shown and of the run's seed, so
//! a run that stops anywhere continues to the same bits: a checkpoint needs the tensors, the
//! progress, the open averages of the statistics, and how long the logs were.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use t2f_data::{Loader, Prefetch, Request, Splits};
use t2f_ops::rng::Key;
use t2f_text::Tokenizer;

use crate::checkpoint::{self, Checkpoint};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::recorder::{JsonLines, Recorder, Row};
use crate::run_dir::RunDir;
use crate::samples::Samples;
use crate::schedule::{Schedule, Stage};
use crate::step::{Losses, Networks};

/// What a run tells whoever watches it. Libraries never print: the command line draws this.
pub enum Event<'a> {
    /// The run starts, or continues from `images` > 0.
    Started { run: &'a Path, device: &'a str, images: u64, total_images: u64 },
    /// Statistics of the images since the last tick.
    Tick(&'a Tick),
    /// A new resolution begins.
    Level { level: usize, resolution: usize },
    /// A file for the eyes was written.
    Wrote(&'a Path),
    /// A checkpoint is on the disk, verified.
    Checkpointed(&'a Path),
    /// The schedule is complete; the model file is written.
    Finished { run: &'a Path, model: &'a Path },
}

/// Averages since the last tick, and how fast it went.
pub struct Tick {
    /// Steps taken so far.
    pub step: u64,
    /// Images shown so far.
    pub images: u64,
    /// Images that the schedule shows in all.
    pub total_images: u64,
    /// Where the growth stands.
    pub stage: Stage,
    /// Mean of every part of both losses, by name.
    pub losses: BTreeMap<String, f64>,
    /// Images per second, loading and all.
    pub images_per_sec: f64,
}

/// How a call of [`Trainer::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule is complete.
    Finished,
    /// The watcher asked to stop; a checkpoint was written and the run can be resumed.
    Stopped,
}

/// Where a run stands: all of a checkpoint that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Images shown: the position of the loader and of the schedule.
    pub images: u64,
    /// Length of `stats.jsonl` in bytes.
    pub stats_bytes: u64,
    /// Sums of the losses since the last tick.
    pub sums: BTreeMap<String, f64>,
    /// Steps since the last tick.
    pub steps_since_tick: u64,
    /// Identity of the data trained on.
    pub data: String,
    /// Steps taken by each optimiser's parameters, as the optimisers give them.
    pub painter_steps: BTreeMap<String, u64>,
    /// As `painter_steps`, for the discriminator.
    pub judge_steps: BTreeMap<String, u64>,
}

/// A run: its networks, its data, its folder and its progress.
pub struct Trainer {
    config: Config,
    device: Device,
    tokenizer: Tokenizer,
    splits: Splits,
    schedule: Schedule,
    networks: Networks,
    samples: Samples,
    run: RunDir,
    stats: JsonLines,
    progress: Progress,
}

impl Trainer {
    /// Claims a new run folder under `out` and draws fresh networks.
    ///
    /// # Errors
    /// If the configuration does not hold together, the data cannot be opened, the device is not
    /// there, or the folder cannot be written.
    pub fn create(config: Config, overrides: &[String], out: &Path) -> Result<Self> {
        config.check()?;
        let device = crate::device::open(&config.device)?;
        let splits = config.data.open(config.gan.resolution)?;
        let tokenizer = train_tokenizer(&config, &splits)?;
        let networks = Networks::new(&config, &tokenizer, &device)?;
        let run = RunDir::claim(out, &config, splits.train.name(), overrides)?;
        let progress = Progress { data: splits.train.fingerprint(), ..Progress::default() };
        let trainer = Self::assemble(config, device, tokenizer, splits, networks, run, progress)?;
        trainer.samples.write_reals(&trainer.run, &trainer.splits)?;
        trainer.write_fakes()?;
        Ok(trainer)
    }

    /// Continues a run from its newest checkpoint that verifies.
    ///
    /// # Errors
    /// If the folder is no run, is in use, has no good checkpoint, or the data is not the same.
    pub fn resume(run: &Path) -> Result<Self> {
        let run = RunDir::open(run)?;
        let config = run.config()?;
        let device = crate::device::open(&config.device)?;
        let splits = config.data.open(config.gan.resolution)?;
        let checkpoint = checkpoint::load_latest(&run.checkpoints())?;
        let progress: Progress = checkpoint.state()?;
        let data = splits.train.fingerprint();
        if progress.data != data {
            return Err(Error::Config(format!(
                "the run was trained on data {}, and its configuration now opens data {data}; resuming would not \
                 continue it",
                progress.data
            )));
        }
        let tokenizer = Tokenizer::from_json(checkpoint.text("tokenizer.json")?)?;
        let mut networks = Networks::new(&config, &tokenizer, &device)?;
        networks.load(&checkpoint)?;
        Self::assemble(config, device, tokenizer, splits, networks, run, progress)
    }

    fn assemble(
        config: Config,
        device: Device,
        tokenizer: Tokenizer,
        splits: Splits,
        networks: Networks,
        run: RunDir,
        progress: Progress,
    ) -> Result<Self> {
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len())?;
        let samples = Samples::choose(&splits, config.output.samples, Key::new(config.seed))?;
        let stats = JsonLines::open(&run.stats(), progress.stats_bytes)?;
        Ok(Self { config, device, tokenizer, splits, schedule, networks, samples, run, stats, progress })
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Trains until the schedule is complete or `watch` breaks, and leaves the run so that it can
    /// be resumed, or, when complete, drawn from.
    ///
    /// # Errors
    /// If the training diverges (the message names the first bad tensor), the data fails, or a
    /// file cannot be written. The last good checkpoint is kept.
    pub fn run(&mut self, watch: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<Outcome> {
        let key = Key::new(self.config.seed);
        let total_images = self.schedule.total_images();
        let device = crate::device::describe(&self.device);
        let images = self.progress.images;
        let mut flow = watch(&Event::Started { run: self.run.path(), device: &device, images, total_images });
        let mut batches = self.batches(key);
        let mut clock = Clock::start(self.progress.images);

        while self.progress.images < total_images {
            if flow.is_break() {
                self.checkpoint(watch)?;
                return Ok(Outcome::Stopped);
            }
            let shown = self.progress.images;
            let stage = self.schedule.at(shown);
            let batch = batches.next().ok_or(Error::Config("the loader ended before the schedule".into()))??;
            let losses = self.networks.step(&batch, &stage, key, self.progress.step, shown)?;
            self.progress.add(losses, batch.captions.len())?;

            let now = self.progress.images;
            let next = self.schedule.at(now.min(total_images - 1));
            let due = |kimg: f64| crosses(shown, now, kimg) || now >= total_images;
            if due(self.config.output.tick_kimg) {
                let tick = self.tick(&mut clock, stage)?;
                flow = watch(&Event::Tick(&tick));
            }
            if due(self.config.output.sample_kimg) {
                self.sample(watch)?;
            }
            if due(self.config.output.checkpoint_kimg) {
                self.checkpoint(watch)?;
            }
            if next.level != stage.level {
                let _ = watch(&Event::Level { level: next.level, resolution: next.resolution });
            }
        }
        let model = self.finish(watch)?;
        let _ = watch(&Event::Finished { run: self.run.path(), model: &model });
        Ok(Outcome::Finished)
    }

    /// The batches that the schedule asks for from here on, prepared ahead on other threads.
    fn batches(&self, key: Key) -> Prefetch {
        let (schedule, mut shown) = (self.schedule.clone(), self.progress.images);
        let requests = std::iter::from_fn(move || {
            (shown < schedule.total_images()).then(|| {
                let stage = schedule.at(shown);
                let request = Request { position: shown, size: stage.batch_size, resolution: stage.resolution };
                shown += stage.batch_size as u64;
                request
            })
        });
        let loader = Loader::new(self.splits.train.clone(), key.child("loader"));
        Prefetch::new(loader, requests, self.config.output.workers)
    }

    fn tick(&mut self, clock: &mut Clock, stage: Stage) -> Result<Tick> {
        let steps = self.progress.steps_since_tick.max(1) as f64;
        let sums = std::mem::take(&mut self.progress.sums);
        let losses: BTreeMap<String, f64> = sums.into_iter().map(|(name, sum)| (name, sum / steps)).collect();
        self.progress.steps_since_tick = 0;
        let images_per_sec = clock.lap(self.progress.images);
        let mut row = Row::new(self.progress.step);
        row.set("Progress/kimg", self.progress.images as f64 / 1000.0);
        row.set("Progress/level", stage.level as f64);
        row.set("Progress/alpha", stage.alpha);
        losses.iter().for_each(|(name, &value)| row.set(name, value));
        row.set("Timing/images_per_sec", images_per_sec);
        self.stats.record(&row)?;
        self.progress.stats_bytes = self.stats.len();
        Ok(Tick {
            step: self.progress.step,
            images: self.progress.images,
            total_images: self.schedule.total_images(),
            stage,
            losses,
            images_per_sec,
        })
    }

    fn write_fakes(&self) -> Result<PathBuf> {
        let stage = self.schedule.at(self.progress.images.saturating_sub(1));
        self.samples.write_fakes(&self.run, &self.networks.average, &stage, self.progress.images, &self.device)
    }

    fn checkpoint(&mut self) -> Result<PathBuf> {
        let mut draft = checkpoint::Draft::new(self.progress.step, &self.progress)?;
        self.networks.save(&mut draft);
        draft.text("tokenizer.json", self.tokenizer.to_json()?);
        Ok(draft.commit(&self.run.checkpoints(), self.config.output.keep_checkpoints)?)
    }
}

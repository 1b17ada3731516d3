//! The loop: batches in order of the images shown, one step each, and what is due in between.
//!
//! Everything that happens is a function of the number of images shown and of the run's seed, so
//! a run that stops anywhere continues to the same bits: a checkpoint needs the tensors, the
//! progress and the open averages of the statistics.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::take;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use t2f_data::{Batch, Dropping, Loader, Prefetch, Request, Splits};
use t2f_gan::{AdaController, Growth};
use t2f_ops::rng::Key;
use t2f_text::Tokenizer;

use crate::checkpoint::{self, Checkpoint, Draft};
use crate::config::Config;
use crate::divergence::{self, Rollback, SLOWER};
use crate::error::{Error, Result};
use crate::model::{Model, Provenance};
use crate::pipeline::{BuildTextEncoder, Pipeline};
use crate::run_dir::RunDir;
use crate::samples::Samples;
use crate::schedule::{Schedule, Stage};
use crate::step::{Losses, TrainState};
use t2f_files::json_lines::{JsonLines, Row};

/// What a run tells whoever watches it. Libraries never print: the command line draws this.
pub enum Event<'a> {
    /// The run starts, or continues.
    Started {
        /// The run folder.
        run: &'a Path,
        /// The device in words.
        device: &'a str,
        /// Images shown before; above 0 when the run continues.
        images: u64,
        /// Images that the schedule shows in all.
        total_images: u64,
    },
    /// What the run continues from.
    Restored {
        /// The checkpoint.
        checkpoint: &'a Path,
        /// What of it was verified, in words.
        verified: &'a str,
    },
    /// A step was taken.
    Stepped {
        /// Images shown so far.
        images: u64,
    },
    /// Statistics of the images since the last tick.
    Tick(&'a Tick),
    /// A new resolution begins.
    Level {
        /// 0 is 4x4.
        level: usize,
        /// Pixels on a side.
        resolution: usize,
    },
    /// A file for the eyes was written.
    Wrote(&'a Path),
    /// A checkpoint is on the disk, verified.
    Checkpointed(&'a Path),
    /// The schedule is complete; the model file is written.
    Finished {
        /// The run folder.
        run: &'a Path,
        /// The model file in it.
        model: &'a Path,
    },
}

/// Whoever watches a run; breaking, at whatever event, stops it after the step, with a checkpoint.
pub type Watch<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

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
    /// Sums of the losses since the last tick.
    pub sums: BTreeMap<String, f64>,
    /// How often each loss was added since the last tick.
    pub counts: BTreeMap<String, u64>,
    /// Identity of the data trained on.
    pub data: String,
    /// Steps taken by each optimiser's parameters, as the optimisers give them.
    pub g_steps: BTreeMap<String, u64>,
    /// As `g_steps`, for the discriminator.
    pub d_steps: BTreeMap<String, u64>,
    /// Images that could not be read during the run and were replaced by others.
    #[serde(default)]
    pub substituted: u64,
    /// Where the share of augmented images stands; what checkpoints of a run without one leave out.
    #[serde(default)]
    pub augmented: Option<AdaController>,
    /// Returns to a checkpoint, after a divergence each.
    #[serde(default)]
    pub rollbacks: Vec<Rollback>,
}

/// Images that may be replaced in a run whatever its length, and the share beyond.
const FEW_SUBSTITUTES: u64 = 8;
const MOST_SUBSTITUTES: f64 = 0.01;

/// A run: its networks, its data, its folder and its progress.
pub struct Trainer {
    config: Config,
    device: Device,
    tokenizer: Tokenizer,
    splits: Splits,
    schedule: Schedule,
    networks: TrainState,
    samples: Samples,
    run: RunDir,
    stats: JsonLines,
    progress: Progress,
    /// The checkpoint that this continues from and what was verified of it, until it is told.
    restored: Option<(PathBuf, String)>,
}

impl Trainer {
    /// Claims a new run folder under `out` and draws fresh networks.
    ///
    /// # Errors
    /// If the configuration does not hold together, the data cannot be opened, the device is not
    /// there, or the folder cannot be written.
    pub fn create(config: Config, overrides: &[String], out: &Path) -> Result<Self> {
        let text = config.text.clone();
        Self::create_with_text(config, overrides, out, &|tokenizer, vb| text.build(tokenizer, vb))
    }

    /// As [`create`](Self::create), with an encoder that the configuration has no name for.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if the encoder cannot be built.
    pub fn create_with_text(
        config: Config,
        overrides: &[String],
        out: &Path,
        text: &BuildTextEncoder,
    ) -> Result<Self> {
        Self::begin(config, text, |config, data| RunDir::claim(out, config, data, overrides))
    }

    /// Draws fresh networks and writes what a run begins with into a folder.
    fn begin(
        mut config: Config,
        text: &BuildTextEncoder,
        folder: impl FnOnce(&Config, &str) -> Result<RunDir>,
    ) -> Result<Self> {
        config.check()?;
        let device = crate::device::open(&config.device)?;
        let splits = config.data.open(config.gan.resolution)?;
        config.settle(&splits)?;
        let tokenizer = train_tokenizer(&config, &splits)?;
        let networks = TrainState::with_text(&config, &tokenizer, &device, text)?;
        let run = folder(&config, splits.train.name())?;
        let progress = Progress { data: splits.train.fingerprint(), ..Progress::default() };
        let trainer = Self::assemble(config, device, tokenizer, splits, networks, run, progress)?;
        trainer.samples.write_reals(&trainer.run, &trainer.splits)?;
        trainer.write_fakes()?;
        Ok(trainer)
    }

    /// Continues a run from its newest checkpoint that verifies, or from its beginning where it
    /// was ended before its first.
    ///
    /// # Errors
    /// If the folder is no run, is in use, has lost its checkpoints, its configuration was edited to
    /// one that does not hold together, or the data is not the same.
    pub fn resume(run: &Path) -> Result<Self> {
        let run = RunDir::open(run)?;
        let config = run.config()?;
        let text = config.text.clone();
        Self::restore(run, config, &|tokenizer, vb| text.build(tokenizer, vb))
    }

    /// As [`resume`](Self::resume), for a run of [`create_with_text`](Self::create_with_text).
    ///
    /// # Errors
    /// As [`resume`](Self::resume), and if the encoder cannot be built.
    pub fn resume_with_text(run: &Path, text: &BuildTextEncoder) -> Result<Self> {
        let run = RunDir::open(run)?;
        let config = run.config()?;
        Self::restore(run, config, text)
    }

    /// As [`resume`](Self::resume), in a folder that is open, with a configuration that may differ
    /// from the folder's in what changes no result: the device, the output.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn restore(run: RunDir, config: Config, text: &BuildTextEncoder) -> Result<Self> {
        if checkpoint::count(&run.checkpoints())? == 0 && !run.model().exists() {
            return Self::begin(config, text, |_, _| Ok(run));
        }
        config.check()?;
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
        let mut networks = TrainState::with_text(&config, &tokenizer, &device, text)?;
        put_back(&mut networks, &checkpoint, &progress)?;
        let mut trainer = Self::assemble(config, device, tokenizer, splits, networks, run, progress)?;
        trainer.remember(&checkpoint);
        Ok(trainer)
    }

    fn remember(&mut self, checkpoint: &Checkpoint) {
        self.restored = Some((checkpoint.path().to_owned(), checkpoint.verified()));
    }

    /// Sets the learning rates to what the schedule and the rollbacks so far leave of them.
    fn scale_rates(&mut self) {
        let rate = self.progress.rollbacks.last().map_or(1.0, |rollback| rollback.rate);
        let rate = rate * self.schedule.rate(self.progress.images);
        self.networks.g_optimizer.scale_rate(rate);
        self.networks.d_optimizer.scale_rate(rate);
    }

    fn assemble(
        config: Config,
        device: Device,
        tokenizer: Tokenizer,
        splits: Splits,
        networks: TrainState,
        run: RunDir,
        progress: Progress,
    ) -> Result<Self> {
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len())?;
        let samples = Samples::choose(&splits, config.output.samples, Key::new(config.seed))?;
        if !splits.report.bad.is_empty() {
            run.write("bad_files.tsv", splits.report.bad_files_tsv().as_bytes())?;
        }
        let stats = run.recorder(progress.step)?;
        let restored = None;
        Ok(Self {
            config,
            device,
            tokenizer,
            splits,
            schedule,
            networks,
            samples,
            run,
            stats,
            progress,
            restored,
        })
    }

    /// After a divergence: returns to the last good checkpoint with both learning rates halved, and
    /// commits that at once, so that a kill does not undo it.
    ///
    /// # Errors
    /// If there is no checkpoint yet, or a file cannot be read or written.
    pub fn roll_back(&mut self, cause: &Error) -> Result<&Rollback> {
        let checkpoint = checkpoint::load_latest(&self.run.checkpoints())?;
        let from_step = self.progress.step;
        let progress: Progress = checkpoint.state()?;
        put_back(&mut self.networks, &checkpoint, &progress)?;
        self.progress = progress;
        let rate = self.progress.rollbacks.last().map_or(1.0, |rollback| rollback.rate) * SLOWER;
        let (to_step, cause) = (self.progress.step, cause.to_string());
        self.progress.rollbacks.push(Rollback { from_step, to_step, cause, rate });
        self.stats = self.run.recorder(to_step)?;
        let committed = self.commit()?;
        self.remember(&Checkpoint::open(&committed)?);
        let last = self.progress.rollbacks.last();
        last.ok_or_else(|| Error::State("a rollback that was just made is gone".into()))
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What draws with the averaged parameters, as they are now.
    pub fn average(&self) -> &Pipeline {
        &self.networks.average
    }

    /// Where the networks are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Trains until the schedule is complete or `watch` breaks, and leaves the run so that it can
    /// be resumed, or, when complete, drawn from.
    ///
    /// # Errors
    /// If the training diverges (the message names the first bad tensor), the data fails, or a
    /// file cannot be written. The last good checkpoint is kept.
    pub fn run(&mut self, watch: &mut Watch) -> Result<Outcome> {
        let stop = Cell::new(false);
        let watch: &mut Watch = &mut |event| {
            let flow = watch(event);
            stop.set(stop.get() || flow.is_break());
            flow
        };
        let key = Key::new(self.config.seed);
        let total_images = self.schedule.total_images();
        let device = crate::device::describe(&self.device);
        let images = self.progress.images;
        self.require_room()?;
        let _ = watch(&Event::Started { run: self.run.path(), device: &device, images, total_images });
        if let Some((checkpoint, verified)) = self.restored.take() {
            // A kill may have come between the checkpoint and its pointer, or its model.
            checkpoint::point_to(self.run.disk(), &checkpoint)?;
            self.save_model()?;
            let _ = watch(&Event::Restored { checkpoint: &checkpoint, verified: &verified });
        }
        let mut batches = self.batches(key);
        let mut clock = Clock::start(self.progress.images);

        while self.progress.images < total_images {
            if stop.get() {
                self.checkpoint(watch)?;
                return Ok(Outcome::Stopped);
            }
            let shown = self.progress.images;
            let stage = self.schedule.at(shown);
            if shown > 0 && stage.level != self.schedule.at(shown - 1).level {
                self.begin_level(stage, watch)?;
            }
            let batch = batches.next().ok_or_else(|| Error::State("the loader ended early".into()))??;
            self.scale_rates();
            let losses = self.networks.step(&batch, &stage, key, self.progress.step, shown);
            let losses = losses.map_err(|error| self.explained(error, Some(&batch)))?;
            self.progress.add(&losses, batch.len())?;
            self.progress.count_substitutes(batch.substituted)?;

            let now = self.progress.images;
            let due = |kimg: f64| crosses(shown, now, kimg) || now >= total_images;
            let _ = watch(&Event::Stepped { images: now });
            if due(self.config.output.tick_kimg) {
                let tick = self.tick(&mut clock, stage)?;
                let _ = watch(&Event::Tick(&tick));
            }
            if due(self.config.output.sample_kimg) {
                let path = self.write_fakes()?;
                let _ = watch(&Event::Wrote(&path));
            }
            if due(self.config.output.checkpoint_kimg) {
                self.checkpoint(watch)?;
            }
        }
        let model = self.run.model();
        let _ = watch(&Event::Finished { run: self.run.path(), model: &model });
        Ok(Outcome::Finished)
    }

    fn explained(&self, error: Error, batch: Option<&Batch>) -> Error {
        divergence::explain(error, &self.networks, &self.progress, batch, &self.run)
    }

    /// Fails unless there is room for the checkpoints that are kept, the one being written, and
    /// the model.
    fn require_room(&self) -> Result<()> {
        let networks = &self.networks;
        let size = |tensors: BTreeMap<String, Tensor>| -> u64 {
            tensors.values().map(|t| (t.elem_count() * t.dtype().size_in_bytes()) as u64).sum()
        };
        let model = size(networks.model());
        let checkpoint = size(networks.ema.tensors())
            + size(networks.g_params.tensors())
            + size(networks.d_params.tensors())
            + size(networks.g_optimizer.tensors())
            + size(networks.d_optimizer.tensors());
        let there = checkpoint::count(&self.run.checkpoints())?;
        let kept = self.config.output.keep_checkpoints;
        let left = self.schedule.total_images().saturating_sub(self.progress.images) as f64;
        let due = (left / (1000.0 * self.config.output.checkpoint_kimg)).ceil() as usize;
        let to_come = kept.saturating_add(1).saturating_sub(there).min(due.saturating_add(1)).max(1);
        let what = format!("{to_come} checkpoints (`output.keep_checkpoints` is {kept}) and the model");
        let need = checkpoint.saturating_mul(to_come as u64).saturating_add(2 * model);
        checkpoint::require_room(self.run.disk(), self.run.path(), need, &what)
    }

    fn begin_level(&mut self, stage: Stage, watch: &mut Watch) -> Result<()> {
        if self.config.optimizer.reset_at_level {
            self.networks.reset_optimizers()?;
        }
        let _ = watch(&Event::Level { level: stage.level, resolution: stage.resolution });
        Ok(())
    }

    /// The batches that the schedule asks for from here on, prepared ahead on other threads.
    fn batches(&self, key: Key) -> Prefetch {
        let (schedule, mut shown) = (self.schedule.clone(), self.progress.images);
        let requests = std::iter::from_fn(move || {
            (shown < schedule.total_images()).then(|| {
                let stage = schedule.at(shown);
                let request =
                    Request { position: shown, size: stage.batch_size, resolution: stage.resolution };
                shown += stage.batch_size as u64;
                request
            })
        });
        let optimizer = &self.config.optimizer;
        let dropping = Dropping { captions: optimizer.null_captions, words: optimizer.dropped_words };
        let loader = Loader::new(self.splits.train.clone(), key.child("loader"))
            .with_hard_negatives(optimizer.hard_negatives)
            .with_dropping(dropping);
        Prefetch::new(Arc::new(loader), requests, self.config.output.workers)
    }

    fn tick(&mut self, clock: &mut Clock, stage: Stage) -> Result<Tick> {
        let (sums, counts) = (take(&mut self.progress.sums), take(&mut self.progress.counts));
        let mean = |(name, sum): (String, f64)| {
            let count = counts.get(&name).copied().unwrap_or(1);
            (name, sum / count as f64)
        };
        let losses: BTreeMap<String, f64> = sums.into_iter().map(mean).collect();
        let images_per_sec = clock.lap(self.progress.images);
        let mut row = Row::new(self.progress.step);
        row.set("Progress/kimg", self.progress.images as f64 / 1000.0);
        row.set("Progress/level", stage.level as f64);
        row.set("Progress/alpha", stage.alpha);
        losses.iter().for_each(|(name, &value)| row.set(name, value));
        if self.progress.substituted > 0 {
            row.set("Data/substituted", self.progress.substituted as f64);
        }
        row.set("Timing/images_per_sec", images_per_sec);
        self.stats.record(&row)?;
        Ok(Tick {
            step: self.progress.step,
            images: self.progress.images,
            total_images: self.schedule.total_images(),
            stage,
            losses,
            images_per_sec,
        })
    }

    /// Thousands of images name a sheet, unless the sheet before may be of the same thousand: where
    /// they are due so often, or at the end of the run.
    fn write_fakes(&self) -> Result<PathBuf> {
        let (stage, images, period) = (self.stage(), self.progress.images, self.config.output.sample_kimg);
        // A sheet is drawn less than a batch after it was due.
        let due_before = images.saturating_sub(stage.batch_size as u64);
        let thousand = (images / 1000 * 1000).saturating_sub(self.schedule.largest_batch() as u64);
        let exact = period < 1.0 || crosses(thousand, due_before, period);
        self.samples.write_fakes(&self.run, &self.networks.average, &stage, images, exact, &self.device)
    }

    fn checkpoint(&mut self, watch: &mut Watch) -> Result<()> {
        let path = self.commit().map_err(|error| self.explained(error, None))?;
        let _ = watch(&Event::Checkpointed(&path));
        Ok(())
    }

    /// Puts a checkpoint and the model on the disk.
    fn commit(&mut self) -> Result<PathBuf> {
        self.stats.sync()?;
        self.progress.g_steps = self.networks.g_optimizer.steps();
        self.progress.d_steps = self.networks.d_optimizer.steps();
        self.progress.augmented = Some(self.networks.augmented);
        let mut draft = Draft::new(self.progress.step, &self.progress)?;
        self.networks.save(&mut draft)?;
        draft.text("tokenizer.json", self.tokenizer.to_json()?);
        let keep = self.config.output.keep_checkpoints;
        let path = draft.commit(self.run.disk(), &self.run.checkpoints(), keep)?;
        self.save_model()?;
        Ok(path)
    }

    /// Writes `model.safetensors` from the averaged parameters: there is one to draw from after
    /// every checkpoint.
    fn save_model(&self) -> Result<PathBuf> {
        let stage = self.stage();
        let growth = Growth { level: stage.level, alpha: stage.alpha };
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: self.progress.data.clone(),
            kimg: self.progress.images as f64 / 1000.0,
        };
        let tensors = self.networks.model();
        let bytes = Model::to_bytes(&self.config, &self.tokenizer, &tensors, growth, provenance)?;
        self.run.write("model.safetensors", &bytes)
    }

    /// The stage of the last batch shown.
    pub fn stage(&self) -> Stage {
        let shown = self.progress.images;
        let size = self.schedule.at(shown.saturating_sub(1)).batch_size as u64;
        self.schedule.at(shown.saturating_sub(size))
    }
}

/// Puts the networks back to where a checkpoint left them.
fn put_back(networks: &mut TrainState, checkpoint: &Checkpoint, progress: &Progress) -> Result<()> {
    networks.load(checkpoint, &progress.g_steps, &progress.d_steps)?;
    networks.augmented = progress.augmented.unwrap_or(networks.augmented);
    Ok(())
}

impl Progress {
    fn add(&mut self, losses: &Losses, images: usize) -> Result<()> {
        for (name, value) in losses {
            let value = value.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            *self.sums.entry(name.clone()).or_default() += value;
            *self.counts.entry(name.clone()).or_default() += 1;
        }
        self.step += 1;
        self.images += images as u64;
        Ok(())
    }

    /// Fails when too many images could not be read: the data is going away.
    fn count_substitutes(&mut self, substituted: usize) -> Result<()> {
        self.substituted += substituted as u64;
        let most = FEW_SUBSTITUTES.max((self.images as f64 * MOST_SUBSTITUTES) as u64);
        if self.substituted <= most {
            return Ok(());
        }
        Err(Error::State(format!(
            "{} of {} images shown could not be read and were replaced by others, at most {most} may be: \
             files were lost or damaged since the run began; `data check` lists them",
            self.substituted, self.images
        )))
    }
}

/// Whether a multiple of `kimg` thousand lies in `(before, after]`.
fn crosses(before: u64, after: u64, kimg: f64) -> bool {
    let periods = |images: u64| (images as f64 / (kimg * 1000.0)).floor();
    periods(after) > periods(before)
}

/// Measures the pace between ticks.
struct Clock {
    since: Instant,
    images: u64,
}

impl Clock {
    fn start(images: u64) -> Self {
        Self { since: Instant::now(), images }
    }

    /// Images per second since the last lap.
    fn lap(&mut self, images: u64) -> f64 {
        let pace = (images - self.images) as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        *self = Self::start(images);
        pace
    }
}

/// Learns the words of every training caption.
///
/// # Errors
/// If a caption cannot be read.
pub fn train_tokenizer(config: &Config, splits: &Splits) -> Result<Tokenizer> {
    let captions = (0..splits.train.len()).into_par_iter().map(|index| splits.train.captions(index));
    let captions = captions.collect::<t2f_data::Result<Vec<_>>>()?;
    Ok(config.text.train_tokenizer(captions.iter().flatten().map(|caption| &caption.text))?)
}

//! The output of a run: statistics, sample sheets, checkpoints and the model.

use std::collections::BTreeMap;
use std::mem::take;
use std::path::PathBuf;

use candle_core::Tensor;
use t2f_files::json_lines::Row;
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::request::GenerationRequest;
use t2f_metrics::{Context, Metric};
use t2f_ops::peak_memory;
use t2f_pictures::curves::SETTINGS;
use t2f_pictures::picture;

use super::Trainer;
use super::events::{Event, Tick, Watch};
use super::progress::{Clock, crosses};
use crate::checkpoint::{self, Draft};
use crate::config::Change;
use crate::error::Result;
use crate::model::{ModelFile, Provenance};
use crate::pace::SECONDS;
use crate::pipeline::to_pictures;
use crate::samples;
use crate::schedule::Stage;
use crate::state::OptimizerSteps;

impl Trainer {
    /// Checks that the disk has room for the kept checkpoints, the next one, and the model.
    pub(super) fn require_room(&self) -> Result<()> {
        let size = |tensors: BTreeMap<String, Tensor>| -> u64 {
            tensors.values().map(|t| (t.elem_count() * t.dtype().size_in_bytes()) as u64).sum()
        };
        let model = size(self.state.model());
        let checkpoint: u64 = self.state.tensors().map(|(_, tensors)| size(tensors)).iter().sum();
        let there = checkpoint::count(&self.run.checkpoints())?;
        let kept = self.config.output.keep_checkpoints;
        let left = self.schedule.total_images().saturating_sub(self.progress.images) as f64;
        let due = (left / (1000.0 * self.config.output.checkpoint_kimg)).ceil() as usize;
        let to_come = kept.saturating_add(1).saturating_sub(there).min(due.saturating_add(1)).max(1);
        let what = format!("{to_come} checkpoints (`output.keep_checkpoints` is {kept}) and the model");
        let need = checkpoint.saturating_mul(to_come as u64).saturating_add(2 * model);
        checkpoint::require_room(self.run.disk(), self.run.path(), need, &what)
    }

    /// Records the statistics since the last tick.
    pub(super) fn tick(&mut self, clock: &mut Clock, stage: Stage) -> Result<Tick> {
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
        row.set(
            "Rates/generator",
            self.config.optimizer.generator.lr.at(stage.progress) * self.state.g_optimizer().rate_scale(),
        );
        row.set(
            "Rates/discriminator",
            self.config.optimizer.discriminator.lr.at(stage.progress) * self.state.d_optimizer().rate_scale(),
        );
        self.measure_overfitting(&mut row, stage)?;
        row.set("Timing/images_per_sec", images_per_sec);
        row.set(SECONDS, self.pace.seconds());
        if let Some(bytes) = peak_memory() {
            row.set("Timing/memory_mib", bytes as f64 / f64::from(1 << 20));
        }
        self.log(&row)?;
        Ok(Tick {
            step: self.progress.step,
            images: self.progress.images,
            total_images: self.schedule.total_images(),
            stage,
            losses,
            images_per_sec,
            seconds_left: self.pace.seconds_left(self.progress.images),
        })
    }

    /// Records changed settings as a row of the statistics: `Settings/<key>` is the new value, or 0 if that is
    /// not a number.
    pub(super) fn record_changes(&mut self, changes: &[Change]) -> Result<()> {
        let mut row = Row::new(self.progress.step);
        row.set("Progress/kimg", self.progress.images as f64 / 1000.0);
        for Change { key, new, .. } in changes {
            let number =
                new.as_ref().and_then(|new| new.as_float().or(new.as_integer().map(|new| new as f64)));
            row.set(&format!("{SETTINGS}{key}"), number.filter(|new| new.is_finite()).unwrap_or(0.0));
        }
        self.log(&row)?;
        Ok(self.stats.sync()?)
    }

    /// Appends a row to `stats.jsonl` and, with `output.tensorboard`, to the event file.
    fn log(&mut self, row: &Row) -> Result<()> {
        self.stats.record(row)?;
        self.board.iter().try_for_each(|board| board.row(self.progress.step, row))
    }

    /// Writes a sample sheet, `fakes_init.png` or `fakes<KIMG>.png`. The name has three decimals if another
    /// sheet may have the same number of thousands: with a short period, or at the end of the run.
    pub(super) fn write_fakes(&self) -> Result<PathBuf> {
        let (stage, images, period) = (self.stage(), self.progress.images, self.config.output.sample_kimg);
        // A sheet is written less than a batch after it was due.
        let due_before = images.saturating_sub(stage.batch_size as u64);
        let thousand = (images / 1000 * 1000).saturating_sub(self.schedule.largest_batch() as u64);
        let exact = period < 1.0 || crosses(thousand, due_before, period);
        let name = match images {
            0 => "fakes_init.png".to_owned(),
            _ if exact => format!("fakes{:06}.{:03}.png", images / 1000, images % 1000),
            _ => format!("fakes{:06}.png", images / 1000),
        };
        let sheet = self.samples.fakes(self.state.pipeline_ema(), stage.growth(), &self.device)?;
        let png = picture::to_png(&sheet, None)?;
        let path = self.run.write(&name, &png)?;
        self.board.iter().try_for_each(|board| board.sheet(self.progress.step, &sheet, &png))?;
        Ok(path)
    }

    /// The averaged generator, for metrics.
    pub(super) fn generator(
        &self,
    ) -> impl Fn(&[String], &[u64]) -> t2f_metrics::Result<Vec<t2f_data::Image>> + '_ {
        let (at, pipeline) = (self.stage().growth(), self.state.pipeline_ema());
        move |captions, seeds| {
            let noise = pipeline.noise(seeds, 1.0, &self.device)?;
            Ok(to_pictures(&pipeline.generate(captions, &noise, at)?)?)
        }
    }

    /// Records the metrics of the components for the averaged generator, as `Metrics/<key>`.
    pub(super) fn measure(&mut self) -> Result<()> {
        if self.components.metrics().is_empty() {
            return Ok(());
        }
        let part = samples::part(&self.splits);
        let captions = self.config.output.samples;
        let request = GenerationRequest::first(part.of(&self.splits), captions, 1, self.config.seed)?;
        let measurement = {
            let generate = self.generator();
            let context = Context::new(&generate, &self.splits, part, &request).with_seed(self.config.seed);
            let metrics = self.components.metrics().iter();
            let metrics: Vec<Box<dyn Metric>> =
                metrics.map(|metric| Box::new(metric.clone()) as Box<dyn Metric>).collect();
            measure(&context, &metrics)?
        };
        self.record_metrics(&measurement)
    }

    /// Records each value of a measurement as `Metrics/<key>`, in a row of its own.
    pub(super) fn record_metrics(&mut self, measurement: &Measurement) -> Result<()> {
        let mut row = Row::new(self.progress.step);
        row.set("Progress/kimg", self.progress.images as f64 / 1000.0);
        for value in measurement.values() {
            if let Some((number, _)) = value.numbers() {
                row.set(&format!("Metrics/{}", value.key), number);
            }
        }
        self.log(&row)
    }

    /// Writes a checkpoint and the model, and reports it.
    pub(super) fn checkpoint(&mut self, watch: &mut Watch) -> Result<()> {
        let path = self.commit().map_err(|error| self.explained(error, &[]))?;
        self.board.iter().try_for_each(|board| board.weights(self.progress.step, &self.state))?;
        let _ = watch(&Event::Checkpointed(&path));
        Ok(())
    }

    /// Writes a checkpoint and the model.
    pub(super) fn commit(&mut self) -> Result<PathBuf> {
        self.stats.sync()?;
        let OptimizerSteps { g, d } = self.state.optimizer_steps();
        (self.progress.g_steps, self.progress.d_steps) = (g, d);
        self.progress.augmented = Some(self.state.ada());
        let told = self.schedule.before(self.progress.images) == self.last;
        self.progress.last = (!told).then_some(self.last);
        let mut draft = Draft::new(self.progress.step, &self.progress)?;
        self.state.save(&mut draft)?;
        draft.text("tokenizer.json", self.tokenizer.to_json()?);
        let keep = self.config.output.keep_checkpoints;
        let path = draft.commit(self.run.disk(), &self.run.checkpoints(), keep)?;
        self.save_model()?;
        Ok(path)
    }

    /// Writes `model.safetensors` from the averaged parameters, with every checkpoint.
    pub(super) fn save_model(&self) -> Result<PathBuf> {
        self.run.write("model.safetensors", &self.model_bytes()?)
    }

    /// The model file of the averaged parameters.
    pub(super) fn model_bytes(&self) -> Result<Vec<u8>> {
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data: self.progress.data.clone(),
            kimg: self.progress.images as f64 / 1000.0,
        };
        let file = ModelFile {
            config: &self.config,
            schema: self.splits.schema(),
            tokenizer: &self.tokenizer,
            tensors: self.state.model(),
            growth: self.stage().growth(),
            provenance,
        };
        file.to_bytes()
    }
}

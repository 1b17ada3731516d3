//! Metrics during a run: figures of the averaged generator on held-out captions, the model of the best ones, and
//! the warning where none improves.

use std::path::PathBuf;

use t2f_files::disk;

use super::Trainer;
use super::best::{Best, Evaluation};
use super::events::{Event, Watch};
use crate::error::{Error, Result};

impl Trainer {
    /// Records the figures of the averaged generator, keeps the model if it is the best so far, and returns
    /// whether the run is to stop because nothing improves.
    pub(super) fn evaluate(&mut self, watch: &mut Watch) -> Result<bool> {
        let Some(evaluator) = &self.evaluator else { return Ok(false) };
        let measurement = {
            let of_run = (&self.config, &self.splits, &self.state);
            evaluator.measure(&self.generator(), of_run, self.stage().growth())?
        };
        self.record_metrics(&measurement)?;
        let evaluation = Evaluation::new(self.progress.images, self.stage().level, &measurement);
        let is_best = Best::observe(&mut self.progress.best, &evaluation);
        if is_best {
            self.save_best(&evaluation)?;
        }
        let left_out = &measurement.left_out;
        let _ = watch(&Event::Evaluated { evaluation: &evaluation, is_best, left_out });
        let since = self.progress.best.as_ref().map_or(0, Best::improved);
        let kimg = self.progress.images.saturating_sub(since) as f64 / 1000.0;
        let patience = self.config.output.patience_kimg;
        if patience == 0.0 || kimg < patience {
            return Ok(false);
        }
        let stops = self.config.output.stop;
        let _ = watch(&Event::Stalled { kimg, stops });
        Ok(stops)
    }

    /// Writes `best/model.safetensors` and `best/metrics.json`.
    fn save_best(&self, evaluation: &Evaluation) -> Result<PathBuf> {
        let folder = self.run.path().join("best");
        let disk = self.run.disk();
        if !folder.is_dir() {
            disk.make_folder(&folder).map_err(|error| Error::file(&folder, error))?;
        }
        let mut json = serde_json::to_vec_pretty(evaluation)
            .map_err(|error| Error::State(format!("the figures cannot be written: {error}")))?;
        json.push(b'\n');
        disk::replace(disk, &folder.join("metrics.json"), &json)?;
        let model = folder.join("model.safetensors");
        disk::replace(disk, &model, &self.model_bytes()?)?;
        Ok(model)
    }
}

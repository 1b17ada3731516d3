//! Metrics during a run: figures of the averaged generator on held-out captions, the model of the best ones, and
//! the warning where none improves.

use std::path::PathBuf;

use t2f_data::Splits;
use t2f_files::disk;
use t2f_files::json_lines::Row;
use t2f_metrics::features::OracleFeatures;
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::metric::Part;
use t2f_metrics::oracle::Oracle;
use t2f_metrics::request::GenerationRequest;
use t2f_metrics::{Context, Metric};

use super::Trainer;
use super::best::{Best, Evaluation};
use super::classifier_agreement::ClassifierAgreement;
use super::events::{Event, Watch};
use crate::config::Config;
use crate::error::{Error, Result};

/// The side of the images of the embedded oracle, whose features are defined for images of any kind.
const SIDE: usize = 32;

/// The images, captions and classifiers of the evaluations of a run.
#[derive(Debug)]
pub(super) struct Evaluator {
    part: Part,
    request: GenerationRequest,
    /// The classifier of the data's attributes.
    oracle: Option<Oracle>,
    /// The oracle of procedural faces, for features, where there is no other.
    embedded: Option<Oracle>,
}

impl Evaluator {
    /// The evaluator of a run on the validation part, or on the training part if that is empty; `None` without
    /// `output.metrics_kimg`.
    ///
    /// # Errors
    /// If the oracle of `output.oracle` cannot be read, or captions cannot be read.
    pub fn open(config: &Config, splits: &Splits) -> Result<Option<Self>> {
        if config.output.metrics_kimg == 0.0 {
            return Ok(None);
        }
        let part = if splits.val.is_empty() { Part::Train } else { Part::Val };
        let data = part.of(splits);
        let given = config.output.oracle.as_ref().map(|file| {
            Oracle::load(file).map_err(|error| {
                Error::Config(format!("output.oracle is {}, which cannot be read: {error}", file.display()))
            })
        });
        let own = match given.transpose()? {
            Some(oracle) => Some(oracle),
            None => {
                Oracle::embedded(data.resolution())?.filter(|oracle| oracle.record().schema == *data.schema())
            }
        };
        let embedded = if own.is_some() { None } else { Oracle::embedded(SIDE)? };
        let request = GenerationRequest::first(data, config.output.metrics_images, 1, config.seed)?;
        Ok(Some(Self { part, request, oracle: own, embedded }))
    }

    /// Measures the averaged generator of a trainer.
    fn measure(&self, trainer: &Trainer) -> Result<Measurement> {
        let at = trainer.stage().growth();
        let generate = trainer.generator();
        let features = self.oracle.as_ref().or(self.embedded.as_ref()).map(OracleFeatures::new);
        let mut context = Context::new(&generate, &trainer.splits, self.part, &self.request);
        context = context.with_seed(trainer.config.seed);
        if let Some(features) = &features {
            context = context.with_extractor(features);
        }
        let mut names = vec!["features"];
        if let Some(oracle) = &self.oracle {
            context = context.with_oracle(oracle);
            // Images of earlier levels are smaller than those of the oracle.
            if at.resolution() >= oracle.record().resolution {
                names.push("agreement");
            }
        }
        let mut metrics: Vec<Box<dyn Metric + '_>> = Vec::new();
        metrics.extend(t2f_metrics::select(t2f_metrics::all(), &names)?);
        if trainer.config.loss.attributes.active(&trainer.splits.schema().sizes()) {
            metrics.push(Box::new(ClassifierAgreement { state: &trainer.state, at }));
        }
        Ok(measure(&context, &metrics)?)
    }
}

impl Trainer {
    /// Records the figures of the averaged generator, keeps the model if it is the best so far, and returns
    /// whether the run is to stop because nothing improves.
    pub(super) fn evaluate(&mut self, watch: &mut Watch) -> Result<bool> {
        let Some(evaluator) = &self.evaluator else { return Ok(false) };
        let measurement = evaluator.measure(self)?;
        let mut row = Row::new(self.progress.step);
        row.set("Progress/kimg", self.progress.images as f64 / 1000.0);
        for value in measurement.values() {
            if let Some((number, _)) = value.numbers() {
                row.set(&format!("Metrics/{}", value.key), number);
            }
        }
        self.stats.record(&row)?;
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

//! Metrics during a run: figures of the averaged generator on held-out captions, the best model by them,
//! and the time since one of them improved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
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

/// The figures of one evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Images shown in training.
    pub images: u64,
    /// The level of growth: 0 is 4x4.
    pub level: usize,
    /// KID (lower is better), precision, recall and agreement with captions (higher is better), where they
    /// could be computed.
    pub figures: BTreeMap<String, f64>,
}

/// The best evaluation of a run, and the best value of each figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The evaluation of the model in `best/`.
    pub evaluation: Evaluation,
    /// The best value of each figure at the present level, and the images shown by then.
    pub values: BTreeMap<String, (f64, u64)>,
}

/// The figures that choose the best model: the key of the metric, the name of the figure, and whether a higher
/// value is better. The agreement is that of the oracle, or of the run's own classifier.
const FIGURES: [(&str, &str, bool); 5] = [
    ("kid_oracle", "kid", false),
    ("precision_oracle", "precision", true),
    ("recall_oracle", "recall", true),
    ("aan", "agreement", true),
    ("aan_classifier", "agreement", true),
];

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
            names.push("agreement");
        }
        let mut metrics: Vec<Box<dyn Metric + '_>> = Vec::new();
        metrics.extend(t2f_metrics::select(t2f_metrics::all(), &names)?);
        if trainer.config.loss.attributes.active(&trainer.splits.schema().sizes()) {
            metrics.push(Box::new(ClassifierAgreement { state: &trainer.state, at }));
        }
        Ok(measure(&context, &metrics)?)
    }
}

impl Evaluation {
    fn new(images: u64, level: usize, measurement: &Measurement) -> Self {
        let mut figures = BTreeMap::new();
        for value in measurement.values() {
            let Some((_, name, _)) = FIGURES.iter().find(|(key, ..)| *key == value.key) else { continue };
            if let Some((number, _)) = value.numbers().filter(|(number, _)| number.is_finite()) {
                figures.entry((*name).to_owned()).or_insert(number);
            }
        }
        Self { images, level, figures }
    }

    /// Whether the model of this evaluation replaces that of an earlier one: at a larger level always, at the
    /// same level if at least half of the figures of both are better. No single figure decides, since images may
    /// become better while KID becomes worse; of equals the later one has been trained for longer.
    pub fn replaces(&self, earlier: &Self) -> bool {
        if self.level != earlier.level {
            return self.level > earlier.level;
        }
        let both =
            self.figures.iter().filter_map(|(name, new)| Some((name, *new, *earlier.figures.get(name)?)));
        let votes = both.map(|(name, new, old)| if better(name, new, old) { 1 } else { -1 });
        votes.sum::<i32>() >= 0
    }
}

impl Best {
    /// Takes a further evaluation and returns whether its model is the best so far.
    fn observe(best: &mut Option<Self>, evaluation: &Evaluation) -> bool {
        let new = best.as_ref().is_none_or(|best| evaluation.replaces(&best.evaluation));
        let best = best.get_or_insert_with(Self::default);
        if evaluation.level != best.evaluation.level {
            best.values.clear();
        }
        for (name, &value) in &evaluation.figures {
            let old = best.values.get(name).map(|(old, _)| *old);
            if old.is_none_or(|old| better(name, value, old)) {
                best.values.insert(name.clone(), (value, evaluation.images));
            }
        }
        if new {
            best.evaluation = evaluation.clone();
        }
        new
    }

    /// The images shown when a figure last reached its best value.
    fn improved(&self) -> u64 {
        self.values.values().map(|(_, images)| *images).max().unwrap_or(self.evaluation.images)
    }
}

fn better(name: &str, new: f64, old: f64) -> bool {
    let higher = FIGURES.iter().any(|(_, figure, higher)| *figure == name && *higher);
    if higher { new > old } else { new < old }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(images: u64, level: usize, figures: &[(&str, f64)]) -> Evaluation {
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Evaluation { images, level, figures }
    }

    #[test]
    fn most_figures_choose_the_best_and_of_equals_the_later() {
        let first = evaluation(1000, 3, &[("kid", 2.0), ("recall", 0.3), ("agreement", 0.5)]);
        let of = |figures: &[(&str, f64)]| evaluation(2000, 3, figures).replaces(&first);
        assert!(of(&[("kid", 2.5), ("recall", 0.4), ("agreement", 0.6)]), "two of three are better");
        assert!(!of(&[("kid", 1.5), ("recall", 0.2), ("agreement", 0.4)]), "one of three is better");
        assert!(of(&[("kid", 1.5), ("recall", 0.2)]), "one of the two of both is better");
        assert!(of(&[]), "no figure of both");
        assert!(evaluation(2000, 4, &[("kid", 9.0)]).replaces(&first), "a larger level");
        assert!(!evaluation(2000, 2, &[("kid", 1.0)]).replaces(&first), "a smaller level");
    }

    #[test]
    fn the_time_without_improvement_counts_from_the_last_best_value_of_any_figure() {
        let mut best = None;
        assert!(Best::observe(&mut best, &evaluation(1000, 3, &[("kid", 2.0), ("recall", 0.3)])));
        assert!(!Best::observe(&mut best, &evaluation(2000, 3, &[("kid", 2.5), ("recall", 0.2)])));
        assert_eq!(best.as_ref().unwrap().improved(), 1000);
        assert!(Best::observe(&mut best, &evaluation(3000, 3, &[("kid", 2.5), ("recall", 0.4)])));
        assert_eq!(best.as_ref().unwrap().improved(), 3000);
        assert_eq!(best.as_ref().unwrap().values["kid"], (2.0, 1000));
        assert!(Best::observe(&mut best, &evaluation(4000, 4, &[("kid", 7.0)])));
        assert_eq!(best.as_ref().unwrap().values, BTreeMap::from([("kid".into(), (7.0, 4000))]));
    }
}

//! The measurement of a generator during a run, on held-out captions.

use t2f_data::Splits;
use t2f_gan::Growth;
use t2f_metrics::features::OracleFeatures;
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::metric::Part;
use t2f_metrics::oracle::Oracle;
use t2f_metrics::request::{Generate, GenerationRequest};
use t2f_metrics::{Context, Metric};

use super::classifier_agreement::ClassifierAgreement;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::state::TrainState;

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
            None => Oracle::embedded_for(data)?,
        };
        let embedded = if own.is_some() { None } else { Some(Oracle::for_features()?) };
        let request = GenerationRequest::first(data, config.output.metrics_images, 1, config.seed)?;
        Ok(Some(Self { part, request, oracle: own, embedded }))
    }

    /// Measures a generator of images of a stage of growth. `state` has the attribute classifier of the run.
    ///
    /// # Errors
    /// If the generator fails.
    pub fn measure(
        &self,
        generate: &Generate,
        (config, splits, state): (&Config, &Splits, &TrainState),
        at: Growth,
    ) -> Result<Measurement> {
        let features = self.oracle.as_ref().or(self.embedded.as_ref()).map(OracleFeatures::new);
        let mut context = Context::new(generate, splits, self.part, &self.request).with_seed(config.seed);
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
        if config.loss.attributes.active(&splits.schema().sizes()) {
            metrics.push(Box::new(ClassifierAgreement { state, at }));
        }
        Ok(measure(&context, &metrics)?)
    }
}

//! Agreement of generated images with their captions by the run's own attribute classifier.
//!
//! The generator is trained against this classifier, so that it agrees with images more readily than an
//! oracle does. The figures show the course of a run on data for which there is no oracle, and are not
//! comparable with `aa` and `aan`.

use std::collections::BTreeMap;

use candle_core::Tensor;
use t2f_data::Image;
use t2f_data::attributes::Schema;
use t2f_gan::Growth;
use t2f_metrics::agreement::attribute_agreement;
use t2f_metrics::attributes::scored_captions;
use t2f_metrics::images::to_tensor;
use t2f_metrics::metric::{Accumulator, Batch, Better, Images, MetricValue, Report};
use t2f_metrics::prediction::{Prediction, ScoredAttributes};
use t2f_metrics::{Context, Error, Metric, Result};

use crate::state::TrainState;

/// The least skill, `(accuracy - majority) / (1 - majority)`, of the classifier on the held-out images of an
/// attribute that is scored.
const SKILL: f64 = 0.5;

/// The metric `classifier`: `aa_classifier` and `aan_classifier`.
pub(super) struct ClassifierAgreement<'a> {
    pub state: &'a TrainState,
    pub at: Growth,
}

impl ClassifierAgreement<'_> {
    fn predict(&self, images: &Tensor) -> Result<Vec<Prediction>> {
        let classes =
            self.state.classify(images, self.at).map_err(|error| Error::State(error.to_string()))?;
        let classes =
            classes.ok_or_else(|| Error::Unavailable("the run has no classifier of attributes".into()))?;
        Ok(classes.iter().map(|classes| Prediction::of_classes(classes)).collect())
    }
}

impl Metric for ClassifierAgreement<'_> {
    fn name(&self) -> &'static str {
        "classifier"
    }

    fn about(&self) -> &'static str {
        "agreement with captions by the attribute classifier of the run"
    }

    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let mut real = Vec::new();
        context.request().each_real(context.data(), &mut |images| {
            let images = to_tensor(images)?.to_device(self.state.device())?;
            let images = self.at.reals(&images).map_err(|error| Error::State(error.to_string()))?;
            real.extend(self.predict(&images)?);
            Ok(())
        })?;
        let scored = self.scored(context, &real)?;
        Ok(Box::new(Scoring { metric: self, context, real, scored, generated: Vec::new() }))
    }
}

impl ClassifierAgreement<'_> {
    /// The attributes whose classifier has enough [`SKILL`] on the real images.
    fn scored(&self, context: &Context, real: &[Prediction]) -> Result<ScoredAttributes> {
        let schema: &Schema = context.data().schema();
        let passes = |attribute: &usize| {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            let (mut right, mut all) = (0, 0);
            for (index, prediction) in context.request().indices().iter().zip(real) {
                let known = context.data().attributes(*index).map(|known| Prediction::from(&known));
                let Some(class) = known.and_then(|known| known.class(*attribute)) else { continue };
                *counts.entry(class).or_default() += 1;
                right += usize::from(prediction.class(*attribute) == Some(class));
                all += 1;
            }
            let majority = counts.values().max().copied().unwrap_or(0);
            all > majority && (right as f64 - majority as f64) / (all - majority) as f64 >= SKILL
        };
        let attributes: Vec<usize> = (0..schema.len()).filter(passes).collect();
        if attributes.is_empty() {
            let reason = format!("the classifier has a skill of {SKILL} on no attribute yet");
            return Err(Error::Unavailable(reason));
        }
        ScoredAttributes::new(schema, attributes)
    }
}

struct Scoring<'a> {
    metric: &'a ClassifierAgreement<'a>,
    context: &'a Context<'a>,
    real: Vec<Prediction>,
    scored: ScoredAttributes,
    generated: Vec<Prediction>,
}

impl Accumulator for Scoring<'_> {
    fn images(&self) -> Images {
        Images::Batches
    }

    fn observe(&mut self, batch: &Batch) -> Result<()> {
        let images = to_tensor(batch.images())?.to_device(self.metric.state.device())?;
        self.generated.extend(self.metric.predict(&images)?);
        Ok(())
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let captions = scored_captions(self.context.request(), &self.generated, &self.real);
        let agreement = attribute_agreement(&self.scored, &captions, self.context.key())?;
        let title = "agreement with captions by the classifier of the run";
        let aa = MetricValue::estimate("aa_classifier", title, agreement.agreement, Better::Higher);
        let aan = agreement.normalised.map(|value| {
            MetricValue::estimate("aan_classifier", "aan by the classifier of the run", value, Better::Higher)
        });
        Ok(Report::new([Some(aa), aan].into_iter().flatten()))
    }
}

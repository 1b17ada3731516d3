//! The common part of the metrics that need an oracle: predictions for generated images, and the form of
//! their reports.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::attributes::Claims;
use t2f_data::procedural;

use crate::error::Result;
use crate::images::to_tensor;
use crate::metric::{Batch, Context, MetricValue, Report, Source};
use crate::oracle::Oracle;
use crate::prediction::Prediction;
use crate::request::{GenerationRequest, generate_each};

/// The name of all metrics that need an oracle.
pub const GROUP: &str = "attributes";

/// The key of `details` in files of earlier versions, which knew procedural faces alone.
const OLD_GROUP: &str = "faces";
/// The keys below it, new and old.
const OLD_KEYS: [(&str, &str); 4] =
    [("shuffled", "chance"), ("real", "ceiling"), ("attributes", "factors"), ("unseen", "reserved")];

/// The claims of a caption, and the predictions for the images that belong to it.
#[derive(Clone, Debug)]
pub struct ScoredCaption<'a> {
    /// The claims.
    pub claims: &'a Claims,
    /// The prediction for each image generated from the caption, at least one.
    pub generated: Vec<Prediction>,
    /// The prediction for the caption's real image.
    pub real: Prediction,
}

/// The predictions for the generated images of the request: the state of the metrics that score them.
#[derive(Debug)]
pub(crate) struct RequestPredictions<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) oracle: &'a Oracle,
    generated: Vec<Prediction>,
}

impl<'a> RequestPredictions<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Result<Self> {
        let generated = Vec::with_capacity(context.request().images());
        Ok(Self { context, oracle: context.oracle()?, generated })
    }

    pub(crate) fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.generated.extend_from_slice(batch.predictions()?);
        Ok(())
    }

    /// Each caption with the predictions for its images.
    pub(crate) fn captions(&self) -> Result<Vec<ScoredCaption<'a>>> {
        Ok(scored_captions(self.context.request(), &self.generated, self.context.real_predictions()?))
    }
}

/// Each caption of a request with the predictions for its generated images, in the order of the request, and for
/// its real image.
pub fn scored_captions<'a>(
    request: &'a GenerationRequest,
    generated: &[Prediction],
    real: &[Prediction],
) -> Vec<ScoredCaption<'a>> {
    let captions = request.captions().iter().zip(generated.chunks(request.per_caption())).zip(real);
    let scored = captions.map(|((caption, generated), real)| ScoredCaption {
        claims: &caption.claims,
        generated: generated.to_vec(),
        real: real.clone(),
    });
    scored.collect()
}

/// A report of values that an oracle scores.
pub(crate) fn attribute_report(oracle: &Oracle, values: impl IntoIterator<Item = MetricValue>) -> Report {
    let source = Source::new("oracle", oracle.hash(), "none");
    Report::new(values.into_iter().map(|value| value.with_source(&source)))
}

/// Adds an entry of the details of [`GROUP`], for procedural faces also under the keys of earlier
/// versions.
pub(crate) fn attribute_details(
    report: Report,
    context: &Context,
    key: &str,
    scores: &impl Serialize,
) -> Result<Report> {
    let entry = BTreeMap::from([(key, scores)]);
    let report = report.with_details(GROUP, &entry)?;
    if context.data().schema() != procedural::schema() {
        return Ok(report);
    }
    report.with_old_details(OLD_GROUP, &entry, &OLD_KEYS)
}

/// The predictions for one image of each caption, whose seed is that of the context plus its position.
pub(crate) fn predict_captions(
    context: &Context,
    oracle: &Oracle,
    captions: &[String],
) -> Result<Vec<Prediction>> {
    let seeds: Vec<u64> =
        (0..captions.len() as u64).map(|index| context.seed().wrapping_add(index)).collect();
    let mut predictions = Vec::with_capacity(captions.len());
    generate_each(context.generate(), captions, &seeds, &mut |images| {
        predictions.extend(oracle.predict(&to_tensor(images)?)?);
        Ok(())
    })?;
    Ok(predictions)
}

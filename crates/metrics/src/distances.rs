//! Distances between the distributions of generated and real images in the features of a network.

use serde::Serialize;
use t2f_data::Image;

use crate::error::{Error, Result};
use crate::features::FeatureExtractor;
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Part, Report, Source};
use crate::statistics::{Distances, Statistics};

/// The keys of earlier versions in `details`.
const OLD_KEYS: [(&str, &str); 1] = [("generated", "drawn")];

/// The metric `features`: Fréchet and kernel distance, precision, recall, density, coverage and, if the
/// features are a classifier's, the Inception score, for each extractor of the context.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeatureDistances;

/// Distances in the features of one extractor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureScores {
    /// The hash of the extractor.
    pub features_hash: String,
    /// The filter that images are resized with.
    pub resize: String,
    /// Between the generated images and the real images of the split.
    pub generated: Distances,
    /// Between as many training images and the real images of the split: the values of a perfect
    /// generator. `None` if the split is `train`.
    pub train: Option<Distances>,
}

impl Metric for FeatureDistances {
    fn name(&self) -> &'static str {
        "features"
    }
    fn about(&self) -> &'static str {
        "FID, KID, precision, recall, density, coverage on features of a network"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        if context.extractors().is_empty() {
            return Err(Error::Unavailable("there is no feature extractor".into()));
        }
        let statistics = vec![Statistics::default(); context.extractors().len()];
        Ok(Box::new(Comparing { context, statistics }))
    }
}

struct Comparing<'a> {
    context: &'a Context<'a>,
    statistics: Vec<Statistics>,
}

impl Accumulator for Comparing<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        let extractors = self.context.extractors().iter();
        let mut pairs = self.statistics.iter_mut().zip(extractors);
        pairs.try_for_each(|(statistics, extractor)| statistics.add(*extractor, batch.images()))
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let mut report = Report::default();
        for (statistics, extractor) in self.statistics.iter().zip(self.context.extractors()) {
            let scores = self.scores(*extractor, statistics)?;
            let name = extractor.name();
            let source = Source::new(name, &scores.features_hash, &scores.resize);
            let real = scores.train.as_ref();
            let mut add = |value: MetricValue| report.values.push(value.with_source(&source));
            values(name, &scores.generated, real.is_some()).into_iter().for_each(&mut add);
            real.map_or(vec![], |train| real_values(name, train)).into_iter().for_each(add);
            let entry = serde_json::json!({ name: scores });
            report = report.with_old_details("features", &entry, &OLD_KEYS)?;
        }
        Ok(report)
    }
}

impl Comparing<'_> {
    fn scores(&self, extractor: &dyn FeatureExtractor, generated: &Statistics) -> Result<FeatureScores> {
        let (data, cache) = (self.context.data(), self.context.cache());
        let key = self.context.key().child("distances");
        let real = Statistics::of_data(data, data.len(), extractor, cache)?;
        let train = match self.context.part() {
            Part::Train => None,
            Part::Val | Part::Test => {
                let train = self.context.splits().train.as_ref();
                let train = Statistics::of_data(train, generated.count(), extractor, cache)?;
                Some(real.distances(&train, key)?)
            }
        };
        Ok(FeatureScores {
            features_hash: extractor.hash().into(),
            resize: extractor.resize(data.resolution()).into(),
            generated: real.distances(generated, key)?,
            train,
        })
    }
}

/// The values of distances.
fn named(features: &str, distances: &Distances, suffix: &str) -> Vec<MetricValue> {
    let key = |metric: &str| format!("{metric}_{features}{suffix}");
    let mut all = vec![
        MetricValue::number(key("fid"), "Fréchet distance", distances.frechet, Better::Lower),
        MetricValue::estimate(key("kid"), "kernel distance", distances.kernel.distance, Better::Lower),
    ];
    if let Some(shares) = &distances.neighbourhood {
        let share = |name: &str, title, of| MetricValue::estimate(key(name), title, of, Better::Higher);
        all.push(share("precision", "generated images near a real one", shares.precision));
        all.push(share("recall", "real images near a generated one", shares.recall));
        all.push(share("density", "k-NN balls of real images with a generated one, over k", shares.density));
        all.push(share("coverage", "real images whose k-NN ball has a generated one", shares.coverage));
    }
    if let Some(score) = distances.inception_score {
        all.push(MetricValue::estimate(key("is"), "Inception score", score, Better::Higher));
    }
    all
}

fn values(features: &str, distances: &Distances, baseline: bool) -> Vec<MetricValue> {
    let with = |value: MetricValue| {
        let real = format!("{}_real", value.key);
        if baseline { value.with_baseline("training images", real) } else { value }
    };
    named(features, distances, "").into_iter().map(with).collect()
}

fn real_values(features: &str, distances: &Distances) -> Vec<MetricValue> {
    // There may be fewer training images than generated ones.
    let real = |value: MetricValue| MetricValue {
        title: format!("{}, of training images", value.title),
        better: Better::Baseline,
        images: Some(distances.generated),
        ..value
    };
    named(features, distances, "_real").into_iter().map(real).collect()
}

//! Diversity: whether the generator varies the attributes that a caption leaves open as the data does.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::attributes::Claims;
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::attributes::{GROUP, RequestPredictions, attribute_details, attribute_report};
use crate::error::{Error, Result};
use crate::estimate::{Estimate, mean_of_means};
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Report};
use crate::prediction::{Prediction, ScoredAttributes};

/// The metric `diversity`: the distance of the attributes that captions leave open from the data.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeDiversity;

impl Metric for AttributeDiversity {
    fn name(&self) -> &'static str {
        "diversity"
    }
    fn about(&self) -> &'static str {
        "the distance of the attributes that captions leave open from those of the data"
    }
    fn group(&self) -> Option<&'static str> {
        Some(GROUP)
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let predictions = RequestPredictions::new(context)?;
        let frequencies = ClassFrequencies::of(predictions.oracle.scored(), context.data())?;
        Ok(Box::new(Varying { predictions, frequencies }))
    }
}

struct Varying<'a> {
    predictions: RequestPredictions<'a>,
    frequencies: ClassFrequencies,
}

impl Accumulator for Varying<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.predictions.observe(batch)
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let (oracle, context) = (self.predictions.oracle, self.predictions.context);
        let captions = self.predictions.captions()?;
        let key = context.key().child("diversity");
        let generated: Vec<(&Claims, &[Prediction])> =
            captions.iter().map(|caption| (caption.claims, caption.generated.as_slice())).collect();
        let real: Vec<(&Claims, &[Prediction])> =
            captions.iter().map(|caption| (caption.claims, std::slice::from_ref(&caption.real))).collect();
        let generated = diversity(&self.frequencies, &generated, key)?;
        let real = diversity(&self.frequencies, &real, key)?;
        let title = "distance from the data of attributes that captions leave open";
        let values = [
            MetricValue::estimate("diversity", title, generated.distance, Better::Lower)
                .with_baseline("real images", "diversity_real"),
            MetricValue::estimate(
                "diversity_real",
                "the same for real images, one of each caption",
                real.distance,
                Better::Baseline,
            ),
        ];
        let report = attribute_report(oracle, values);
        let report = attribute_details(report, context, "diversity", &generated)?;
        attribute_details(report, context, "diversity_real", &real)
    }
}

/// The frequency of each class of an attribute: hidden, then its values.
type Histogram = Vec<f64>;

/// The frequencies of the classes of each scored attribute, over the captions that make no claim about
/// it.
#[derive(Clone, Debug)]
pub struct ClassFrequencies {
    names: BTreeMap<usize, String>,
    histograms: BTreeMap<usize, Histogram>,
}

/// The distance between the attributes of generated images and of the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diversity {
    /// The total variation distance between the classes found where the caption makes no claim and
    /// [`ClassFrequencies`], a mean over attributes: 0 for the variety of the data, near 1 for a
    /// generator that gives one image. The bias of a finite sample is estimated by the bootstrap and
    /// subtracted.
    pub distance: Estimate,
    /// The distance of each attribute.
    pub attributes: BTreeMap<String, f64>,
}

impl ClassFrequencies {
    /// The true frequencies over all captions of a data set. Unknown attributes are not counted.
    ///
    /// # Errors
    /// If no caption of an image with known attributes leaves a scored attribute open.
    pub fn of(scored: &ScoredAttributes, data: &dyn Dataset) -> Result<Self> {
        let schema = scored.schema();
        let mut histograms: BTreeMap<usize, Histogram> = BTreeMap::new();
        for index in 0..data.len() {
            let Some(attributes) = data.attributes(index) else { continue };
            let truth = Prediction::from(&attributes);
            for caption in data.captions(index)? {
                let open = scored.positions().iter().filter(|at| caption.claims.about(**at).is_none());
                for (&attribute, class) in open.filter_map(|at| Some((at, truth.class(*at)?))) {
                    let classes = schema.values(attribute).len() + 1;
                    histograms.entry(attribute).or_insert_with(|| vec![0.0; classes])[class] += 1.0;
                }
            }
        }
        if histograms.is_empty() {
            let name = data.name();
            return Err(Error::Unavailable(format!("no caption of `{name}` leaves a known attribute open")));
        }
        histograms.values_mut().for_each(|histogram| normalise(histogram));
        let names = histograms.keys().map(|&attribute| (attribute, schema.name(attribute).into()));
        Ok(Self { names: names.collect(), histograms })
    }
}

fn normalise(histogram: &mut [f64]) {
    let total: f64 = histogram.iter().sum();
    histogram.iter_mut().for_each(|count| *count /= total.max(1.0));
}

/// Scores predictions against the frequencies of the data: for each caption, its claims and the
/// predictions for its images. Intervals resample captions with all images of each.
///
/// # Errors
/// If captions make a claim about every attribute.
pub fn diversity(
    frequencies: &ClassFrequencies,
    captions: &[(&Claims, &[Prediction])],
    key: Key,
) -> Result<Diversity> {
    let scored: Vec<usize> = frequencies.histograms.keys().copied().collect();
    let open: Vec<Vec<(usize, usize)>> = captions
        .iter()
        .map(|(claims, images)| {
            let attributes = scored.iter().enumerate();
            let open = attributes.filter(|(_, attribute)| claims.about(**attribute).is_none());
            open.flat_map(|(place, &attribute)| {
                images.iter().filter_map(move |image| Some((place, image.class(attribute)?)))
            })
            .collect()
        })
        .collect();
    let distances = |members: &[usize]| -> Vec<Option<f64>> {
        let mut counts: Vec<Histogram> =
            frequencies.histograms.values().map(|histogram| vec![0.0; histogram.len()]).collect();
        for &(place, class) in members.iter().flat_map(|&index| &open[index]) {
            counts[place][class] += 1.0;
        }
        let distance = |(mut counts, expected): (Histogram, &Histogram)| {
            normalise(&mut counts);
            let apart: f64 = counts.iter().zip(expected).map(|(a, b)| (a - b).abs()).sum();
            counts.iter().any(|share| *share > 0.0).then_some(0.5 * apart)
        };
        counts.into_iter().zip(frequencies.histograms.values()).map(distance).collect()
    };
    let mean = |members: &[usize]| {
        mean_of_means(distances(members).into_iter().flatten().map(|distance| (0, distance)), 1)
    };
    let distance = Estimate::bootstrap_distance(captions.len(), key, mean)
        .ok_or_else(|| Error::State("captions make a claim about every scored attribute".into()))?;
    let all = distances(&(0..captions.len()).collect::<Vec<_>>());
    let attributes = frequencies.names.values().zip(all);
    let attributes = attributes.filter_map(|(name, distance)| Some((name.clone(), distance?)));
    Ok(Diversity { distance, attributes: attributes.collect() })
}

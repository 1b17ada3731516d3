//! Diversity: of what a caption leaves open, does the generator draw everything that there is?

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::{Claims, Dataset, Factor};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::{Estimate, mean_of_means};
use crate::oracle::Prediction;

/// The classes a factor can have: hidden, then its values.
const CLASSES: usize = 7;

type Histogram = [f64; CLASSES];

/// For each scored factor, how often each of its classes occurs where captions do not speak of it.
#[derive(Clone, Debug)]
pub struct Prior(BTreeMap<Factor, Histogram>);

/// How far what is drawn is from what there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diversity {
    /// The total variation between what is seen where the caption is silent and the prior, a mean
    /// over factors: 0 for the variety of the data, near 1 for a generator that draws one face.
    /// The bias of few faces, as far as the bootstrap finds it, is taken off.
    pub distance: Estimate,
    /// The distance of each factor.
    pub factors: BTreeMap<Factor, f64>,
}

impl Prior {
    /// The prior of a dataset: over all of its captions, the true classes of what they leave open.
    ///
    /// # Errors
    /// If its faces have no known attributes.
    pub fn of(scored: &[Factor], faces: &dyn Dataset) -> Result<Self> {
        let mut counts: BTreeMap<Factor, Histogram> = BTreeMap::new();
        for index in 0..faces.len() {
            let face = faces.attributes(index).ok_or_else(|| {
                let name = faces.name();
                Error::State(format!("the faces of `{name}` have no known attributes, which diversity needs"))
            })?;
            let truth = Prediction::from(&face);
            for caption in faces.captions(index)? {
                for &factor in scored.iter().filter(|factor| caption.claims.about(**factor).is_none()) {
                    counts.entry(factor).or_default()[class(&truth, factor)] += 1.0;
                }
            }
        }
        counts.values_mut().for_each(normalise);
        Ok(Self(counts))
    }
}

fn class(seen: &Prediction, factor: Factor) -> usize {
    seen.get(factor).map_or(0, |value| value + 1)
}

fn normalise(histogram: &mut Histogram) {
    let total: f64 = histogram.iter().sum();
    histogram.iter_mut().for_each(|count| *count /= total.max(1.0));
}

/// Scores what is seen on faces against the prior: for each caption, its claims and the faces drawn
/// from it. Intervals come from resampling captions, with all faces of a caption together.
///
/// # Errors
/// If no factor is left open by any caption.
pub fn diversity(prior: &Prior, seen: &[(&Claims, &[Prediction])], key: Key) -> Result<Diversity> {
    let scored: Vec<Factor> = prior.0.keys().copied().collect();
    let open: Vec<Vec<(usize, usize)>> = seen
        .iter()
        .map(|(claims, faces)| {
            let factors = scored.iter().enumerate();
            let open = factors.filter(|(_, factor)| claims.about(**factor).is_none());
            open.flat_map(|(place, &factor)| faces.iter().map(move |face| (place, class(face, factor))))
                .collect()
        })
        .collect();
    let distances = |members: &[usize]| -> Vec<Option<f64>> {
        let mut counts = vec![Histogram::default(); scored.len()];
        for &(place, class) in members.iter().flat_map(|&index| &open[index]) {
            counts[place][class] += 1.0;
        }
        let distance = |(mut counts, prior): (Histogram, &Histogram)| {
            normalise(&mut counts);
            let apart: f64 = counts.iter().zip(prior).map(|(a, b)| (a - b).abs()).sum();
            counts.iter().any(|share| *share > 0.0).then_some(0.5 * apart)
        };
        counts.into_iter().zip(prior.0.values()).map(distance).collect()
    };
    let mean = |members: &[usize]| {
        mean_of_means(distances(members).into_iter().flatten().map(|distance| (0, distance)), 1)
    };
    let distance = Estimate::bootstrap_distance(seen.len(), key, mean)
        .ok_or_else(|| Error::State("captions leave no scored factor open".into()))?;
    let all = distances(&(0..seen.len()).collect::<Vec<_>>());
    let factors = scored.iter().zip(all).filter_map(|(factor, distance)| Some((*factor, distance?)));
    Ok(Diversity { distance, factors: factors.collect() })
}

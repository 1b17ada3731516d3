//! Memorisation: whether generated images are nearer to training images than those are to one another.

use std::path::Path;

use serde::{Deserialize, Serialize};
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::estimate::{Estimate, resamples};
use crate::images::read_each;
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Part, Report, Source};
use crate::nearest::{Nearest, SmallImages, nearest};

/// The number of reported pairs.
const NAMED: usize = 8;
/// The most pairs of a training image and another one, unless there are more generated images: all pairs
/// of 10,000.
const PAIRS: usize = 100_000_000;
/// The fraction of training images below the distance of a near copy.
const CLOSEST: f64 = 0.01;
/// The version of cached distances.
const VERSION: u32 = 1;

/// The keys of earlier versions in `details`.
const OLD_KEYS: [(&str, &str); 2] = [("generated", "drawn"), ("generated_median", "drawn_median")];

/// The metric `memorisation`: distances to the nearest training images.
#[derive(Clone, Copy, Debug, Default)]
pub struct NearestImages;

impl Metric for NearestImages {
    fn name(&self) -> &'static str {
        "memorisation"
    }
    fn about(&self) -> &'static str {
        "the distance of generated images from the nearest training images"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Searching { context, generated: SmallImages::default() }))
    }
}

struct Searching<'a> {
    context: &'a Context<'a>,
    generated: SmallImages,
}

impl Accumulator for Searching<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.generated.add(batch.images())
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let context = self.context;
        let (train, key) = (context.splits().train.as_ref(), context.key().child("memorisation"));
        // Images of the training part are training images themselves.
        let real = (context.part() != Part::Train).then(|| context.data());
        let per_caption = context.request().per_caption();
        let scores = memorisation(&self.generated, per_caption, train, real, context.cache(), key)?;
        let ratio = MetricValue::estimate(
            "nearest_ratio",
            "distance to the nearest training image, relative to training images; 0 for copies",
            scores.ratio,
            Better::Nearer,
        );
        let copies = MetricValue::estimate(
            "near_copies",
            "generated images nearer than 99 % of training images; 0.01 for new images",
            scores.near_copies,
            Better::Lower,
        );
        let values = match &scores.real {
            None => vec![ratio, copies],
            Some(real) => {
                let of_real = |key, of| {
                    MetricValue::estimate(key, "the same for real images", of, Better::Baseline)
                        .with_images(real.images)
                };
                vec![
                    ratio.with_baseline("real images", "nearest_ratio_real"),
                    copies.with_baseline("real images", "near_copies_real"),
                    of_real("nearest_ratio_real", real.ratio),
                    of_real("near_copies_real", real.near_copies),
                ]
            }
        };
        let source = Source::new("pixels", "", "box to 32");
        let values = values.into_iter().map(|value| value.with_source(&source));
        Report::new(values).with_old_details("memorisation", &scores, &OLD_KEYS)
    }
}

/// A generated image and the training image that is nearest to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NearestPair {
    /// The position of the generated image.
    pub generated: usize,
    /// The index of the training image.
    pub train: usize,
    /// The root mean square of the difference of their values, which lie in `[0, 1]`.
    pub distance: f64,
}

/// The distances of generated images from the training images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memorisation {
    /// The median distance of generated images from the nearest training image, divided by that of
    /// training images from the nearest other one: 1 for new images of the same kind, 0 for copies.
    pub ratio: Estimate,
    /// The fraction of generated images within [`threshold`](Self::threshold) of a training image: 0.01
    /// for new images of the same kind, 1 for copies.
    pub near_copies: Estimate,
    /// The median distance of generated images.
    pub generated_median: f64,
    /// The median distance of training images.
    pub train_median: f64,
    /// The distance that 99 % of training images have, or exceed, from the nearest other one.
    pub threshold: f64,
    /// The number of training images that the median and the threshold are those of.
    pub train_images: usize,
    /// The same of real images of the split; `None` if there are none.
    pub real: Option<RealNeighbours>,
    /// The nearest pairs.
    pub nearest: Vec<NearestPair>,
}

/// The distances of real images, which no training saw, from the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RealNeighbours {
    /// As [`Memorisation::ratio`].
    pub ratio: Estimate,
    /// As [`Memorisation::near_copies`].
    pub near_copies: Estimate,
    /// The median distance.
    pub median: f64,
    /// The number of images.
    pub images: usize,
}

/// Squared distances that do not depend on the generated images.
#[derive(Serialize, Deserialize)]
struct Baseline {
    real: Vec<u64>,
    train: Vec<u64>,
}

/// Compares generated images and as many of `real`, the first ones, with all training images, and
/// training images with all others, by the root mean square of the difference of their pixels, averaged
/// over boxes down to 32 pixels. The training images are all of up to 10,000, of more as many as make
/// 10⁸ pairs, and at least as many as generated images, spread over all.
///
/// The `per_caption` images of a caption follow one another. Intervals resample captions with all images
/// of each, and with them the distances of training images, whose quantiles are the median and the
/// threshold. Distances of real and training images are read from `cache` if it has them.
///
/// # Errors
/// If there is no generated image, a caption has fewer than `per_caption` images, there are fewer than
/// two training images, their sizes differ, or half of the training images are copies of others.
pub fn memorisation(
    generated: &SmallImages,
    per_caption: usize,
    train: &dyn Dataset,
    real: Option<&dyn Dataset>,
    cache: Option<&Path>,
    key: Key,
) -> Result<Memorisation> {
    let count = generated.len();
    if count == 0 || !count.is_multiple_of(per_caption) || train.len() < 2 {
        return Err(Error::State(format!(
            "nearest neighbours of {count} generated images, {per_caption} of each caption, among {} training images, \
             expected at least one, equally many of each caption, and two training images",
            train.len()
        )));
    }
    let (found, baseline) = search(generated, train, real, cache)?;
    let distances =
        |squared: &[u64]| squared.iter().map(|squared| generated.distance(*squared)).collect::<Vec<f64>>();
    let from_generated: Vec<f64> = found.iter().map(|one| generated.distance(one.squared)).collect();
    let from_train = distances(&baseline.train);
    let scores = Neighbours::of(&from_generated, per_caption, &from_train, key)?;
    let of_real = |squared: &[u64]| -> Result<RealNeighbours> {
        let Neighbours { ratio, near_copies, median } =
            Neighbours::of(&distances(squared), 1, &from_train, key.child("real"))?;
        Ok(RealNeighbours { ratio, near_copies, median, images: squared.len() })
    };
    let pair = |(generated, distance): (usize, f64)| NearestPair {
        generated,
        train: found[generated].train,
        distance,
    };
    let mut pairs: Vec<NearestPair> = from_generated.into_iter().enumerate().map(pair).collect();
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs.truncate(NAMED);
    Ok(Memorisation {
        ratio: scores.ratio,
        near_copies: scores.near_copies,
        generated_median: scores.median,
        train_median: quantile(from_train.clone(), 0.5),
        threshold: quantile(from_train.clone(), CLOSEST),
        train_images: from_train.len(),
        real: if baseline.real.is_empty() { None } else { Some(of_real(&baseline.real)?) },
        nearest: pairs,
    })
}

/// The nearest training image of each generated image, and the distances of real and training images, in
/// one pass over the training images.
fn search(
    generated: &SmallImages,
    train: &dyn Dataset,
    real: Option<&dyn Dataset>,
    cache: Option<&Path>,
) -> Result<(Vec<Nearest>, Baseline)> {
    let count = generated.len();
    let probes = probes(count, train.len());
    let reals = real.map_or(0, |real| count.min(real.len()));
    let origin = (VERSION, train.fingerprint(), probes.len(), real.map(|real| real.fingerprint()), reals);
    let entry = Entry::new(cache, "nearest", &origin)?;
    let known: Option<Baseline> = entry.read();
    let mut queries = generated.clone();
    if known.is_none() {
        if let Some(real) = real {
            read_each(real, &(0..reals).collect::<Vec<_>>(), &mut |images| queries.add(images))?;
        }
        read_each(train, &probes, &mut |images| queries.add(images))?;
    }
    let own = |query: usize| query.checked_sub(count + reals).map(|probe| probes[probe]);
    let mut found = nearest(&queries, own, train)?;
    let baseline = known.unwrap_or_else(|| {
        let squared = |found: &[Nearest]| found.iter().map(|one| one.squared).collect();
        let (real, train) = found[count..].split_at(reals);
        let new = Baseline { real: squared(real), train: squared(train) };
        entry.write(&new);
        new
    });
    found.truncate(count);
    Ok((found, baseline))
}

/// The training images whose nearest others are searched, spread over all, which may be sorted.
fn probes(generated: usize, train: usize) -> Vec<usize> {
    let probes = (PAIRS / train).max(generated).min(train);
    (0..probes).map(|i| i * train / probes).collect()
}

/// Distances of images, compared with those of training images.
struct Neighbours {
    ratio: Estimate,
    near_copies: Estimate,
    median: f64,
}

impl Neighbours {
    fn of(distances: &[f64], per_caption: usize, train: &[f64], key: Key) -> Result<Self> {
        let median = quantile(train.to_vec(), 0.5);
        if median == 0.0 {
            return Err(Error::State(
                "half of the training images are copies of others, and so the median distance between them is 0".into(),
            ));
        }
        let captions: Vec<&[f64]> = distances.chunks(per_caption).collect();
        let of = |distances: Vec<f64>, train: Vec<f64>| {
            let threshold = quantile(train.clone(), CLOSEST);
            let near = distances.iter().filter(|distance| **distance <= threshold).count();
            let share = near as f64 / distances.len() as f64;
            (quantile(distances, 0.5) / quantile(train, 0.5), share)
        };
        let (ratio, share) = of(distances.to_vec(), train.to_vec());
        let samples = resamples(captions.len(), key).zip(resamples(train.len(), key.child("train")));
        let resampled = samples.map(|(members, probes)| {
            let own = members.iter().flat_map(|&index| captions[index]).copied().collect();
            of(own, probes.iter().map(|&index| train[index]).collect())
        });
        let (ratios, shares): (Vec<f64>, Vec<f64>) = resampled.unzip();
        Ok(Self {
            ratio: Estimate::new(ratio, ratios.into_iter().filter(|ratio| ratio.is_finite()).collect()),
            near_copies: Estimate::new(share, shares),
            median: quantile(distances.to_vec(), 0.5),
        })
    }
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    let place = (share * values.len().saturating_sub(1) as f64).round() as usize;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_by_hand() -> Result<()> {
        // Of 101 distances 0.1, 0.2, …, the second smallest is the 1 % quantile and the 51st the median.
        let train: Vec<f64> = (1..=101).map(|i| f64::from(i) / 10.0).collect();
        let of = |distances: &[f64]| Neighbours::of(distances, 1, &train, Key::new(0));
        let found = of(&[0.0, 0.2, 0.21, 10.2])?;
        assert_eq!((found.near_copies.value, found.median), (0.5, 0.21));
        assert!((found.ratio.value - 0.21 / 5.1).abs() < 1e-12);
        // The distances of the data itself: every hundredth is below their 1 % quantile.
        let same = of(&train)?;
        assert_eq!((same.ratio.value, same.near_copies.value), (1.0, 2.0 / 101.0));
        assert!(Neighbours::of(&[1.0], 1, &[0.0, 0.0, 1.0], Key::new(0)).is_err());
        Ok(())
    }

    #[test]
    fn the_interval_has_the_uncertainty_of_the_threshold() -> Result<()> {
        // 30 of 300 images are at 0.15. The smallest training distances are 0.1, 0.1 and then 0.2 and more:
        // resamples of the training images put the threshold on either side.
        let images: Vec<f64> = (0..300).map(|i| if i % 10 == 0 { 0.15 } else { 9.0 }).collect();
        let train = |close: usize| (0..100).map(|i| if i < close { 0.1 } else { 0.2 }).collect::<Vec<f64>>();
        let near =
            |close| Ok::<_, Error>(Neighbours::of(&images, 1, &train(close), Key::new(0))?.near_copies);
        let (few, many) = (near(2)?, near(50)?);
        assert_eq!((few.value, few.low), (0.0, 0.0));
        assert!(few.high > 0.06, "the threshold of some resamples is 0.2: {few:?}");
        assert_eq!((many.value, many.high), (0.0, 0.0), "the threshold is 0.1 in every resample");
        Ok(())
    }

    #[test]
    fn the_number_of_pairs_of_training_images_is_bounded() {
        assert_eq!(probes(500, 300), (0..300).collect::<Vec<_>>());
        assert_eq!(probes(500, 10_000).len(), 10_000);
        assert_eq!(probes(500, 100_000).len(), 1000);
        assert_eq!(probes(5000, 100_000).len(), 5000);
        assert_eq!(probes(3, 50_000)[1999], 1999 * 25);
    }
}

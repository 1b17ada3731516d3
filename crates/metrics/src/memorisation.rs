//! Memorisation: whether generated images are nearer to training images than those are to one another.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::images::{read_each, to_tensor};
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Report, Source};
use crate::neighbours::Points;

/// The side that images are averaged down to before they are compared.
const SIDE: usize = 32;
/// The number of reported pairs.
const NAMED: usize = 8;

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
        Ok(Box::new(Searching(context)))
    }
}

struct Searching<'a>(&'a Context<'a>);

impl Accumulator for Searching<'_> {
    fn images(&self) -> Images {
        Images::All
    }

    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report> {
        let (train, key) = (self.0.splits().train.as_ref(), self.0.key().child("memorisation"));
        let scores = memorisation(generated, self.0.request().per_caption(), train, key)?;
        let source = Source::new("pixels", "", "box to 32");
        let values = [
            MetricValue::estimate(
                "nearest_ratio",
                "distance to the nearest training image, relative to training images; 0 for copies",
                scores.ratio,
                Better::Nearer,
            ),
            MetricValue::estimate(
                "near_copies",
                "generated images nearer than 99 % of training images; 0.01 for new images",
                scores.near_copies,
                Better::Lower,
            ),
        ];
        let values = values.map(|value| value.with_source(&source));
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
    /// The share of generated images that are nearer to a training image than 99 % of training images
    /// are to another: 0.01 for new images of the same kind, 1 for copies.
    pub near_copies: Estimate,
    /// The median distance of generated images.
    pub generated_median: f64,
    /// The median distance of training images.
    pub train_median: f64,
    /// The nearest pairs.
    pub nearest: Vec<NearestPair>,
}

/// Compares generated images with all training images, and as many training images with all others,
/// by the root mean square of the difference of their pixels, averaged over boxes down to 32 pixels.
/// The `per_caption` images of a caption follow one another; intervals resample captions with all
/// images of each.
///
/// # Errors
/// If there is no generated image, a caption has fewer than `per_caption` images, there are fewer than
/// two training images, or their sizes differ.
pub fn memorisation(
    generated: &[Image],
    per_caption: usize,
    train: &dyn Dataset,
    key: Key,
) -> Result<Memorisation> {
    if generated.is_empty() || !generated.len().is_multiple_of(per_caption) || train.len() < 2 {
        return Err(Error::State(format!(
            "nearest neighbours of {} generated images, {per_caption} of each caption, among {} training images, \
             expected at least one, equally many of each caption, and two training images",
            generated.len(),
            train.len()
        )));
    }
    let probes = generated.len().min(train.len());
    // Spread over all training images, which may be sorted.
    let probes: Vec<usize> = (0..probes).map(|i| i * train.len() / probes).collect();
    let mut queries = vec![rows(generated)?];
    read_each(train, &probes, &mut |images| {
        queries.push(rows(images)?);
        Ok(())
    })?;
    let queries = Points::new(&Tensor::cat(&queries, 0)?)?;
    let mut nearest = vec![(usize::MAX, f64::INFINITY); generated.len() + probes.len()];
    let mut first = 0;
    read_each(train, &(0..train.len()).collect::<Vec<_>>(), &mut |images| {
        let candidates = Points::new(&rows(images)?)?;
        queries.each_block(&candidates, |start, distances| {
            for (i, row) in distances.chunks(images.len()).enumerate() {
                let own = (start + i).checked_sub(generated.len()).map(|probe| probes[probe]);
                for (j, distance) in row.iter().enumerate() {
                    if *distance < nearest[start + i].1 && own != Some(first + j) {
                        nearest[start + i] = (first + j, *distance);
                    }
                }
            }
        })?;
        first += images.len();
        Ok(())
    })?;
    let values = (3 * SIDE.min(train.resolution()).pow(2)) as f64;
    let distance = |(_, squared): &(usize, f64)| (squared / values).sqrt();
    let from_generated: Vec<f64> = nearest[..generated.len()].iter().map(distance).collect();
    let from_train: Vec<f64> = nearest[generated.len()..].iter().map(distance).collect();
    let mut pairs: Vec<NearestPair> = nearest[..generated.len()]
        .iter()
        .zip(&from_generated)
        .enumerate()
        .map(|(generated, (nearest, distance))| NearestPair {
            generated,
            train: nearest.0,
            distance: *distance,
        })
        .collect();
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs.truncate(NAMED);
    let (generated_median, train_median) =
        (quantile(from_generated.clone(), 0.5), quantile(from_train.clone(), 0.5));
    let closest = quantile(from_train, 0.01);
    let captions: Vec<&[f64]> = from_generated.chunks(per_caption).collect();
    let of =
        |members: &[usize]| members.iter().flat_map(|&index| captions[index]).copied().collect::<Vec<_>>();
    let ratio = |members: &[usize]| {
        (train_median > 0.0 && !members.is_empty()).then(|| quantile(of(members), 0.5) / train_median)
    };
    let copies = |members: &[usize]| {
        let distances = of(members);
        let near = distances.iter().filter(|distance| **distance < closest).count();
        (!members.is_empty()).then(|| near as f64 / distances.len() as f64)
    };
    let estimate = |statistic: &dyn Fn(&[usize]) -> Option<f64>| {
        Estimate::bootstrap(captions.len(), key, statistic).ok_or_else(|| {
            Error::State(
                "half of the training images are copies of others, and so the median distance between them is 0".into(),
            )
        })
    };
    Ok(Memorisation {
        ratio: estimate(&ratio)?,
        near_copies: estimate(&copies)?,
        generated_median,
        train_median,
        nearest: pairs,
    })
}

/// `(N, 3·32·32)`, values in `[0, 1]`.
fn rows(images: &[Image]) -> Result<Tensor> {
    let small: Vec<Image> = images.iter().map(|image| image.shrink(image.width / SIDE)).collect();
    Ok(to_tensor(&small)?.flatten_from(1)?.affine(0.5, 0.5)?.to_dtype(DType::F64)?.to_device(&Device::Cpu)?)
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    let place = (share * values.len().saturating_sub(1) as f64).round() as usize;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

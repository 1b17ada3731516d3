//! Memorisation: are drawn pictures nearer to the training pictures than those are to each other?

use candle_core::{DType, Device, Tensor};
use serde::Serialize;
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::neighbours::Rows;
use crate::sample::{read_each, to_tensor};

/// Pictures are averaged down to this side before they are compared.
const SIDE: usize = 32;
/// Pairs that are named.
const NAMED: usize = 8;

/// A drawn picture and the training picture nearest to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The drawn picture's position.
    pub drawn: usize,
    /// The training picture's index.
    pub train: usize,
    /// The root of the mean squared difference of their values, which lie in `[0, 1]`.
    pub distance: f64,
}

/// How near drawn pictures are to what was trained on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memorisation {
    /// The median distance from drawn pictures to the nearest training picture over that from
    /// training pictures to the nearest other: 1 for new pictures of the same kind, 0 for copies.
    pub ratio: Estimate,
    /// The share of drawn pictures that are nearer to a training picture than all but 1 % of
    /// training pictures are to another: 0.01 for new pictures of the same kind, 1 for copies.
    pub near_copies: Estimate,
    /// The median distance from drawn pictures.
    pub drawn_median: f64,
    /// The median distance from training pictures.
    pub train_median: f64,
    /// The pairs that are nearest.
    pub nearest: Vec<Pair>,
}

/// Compares drawn pictures with all training pictures, and as many training pictures with all
/// others, by the root mean square of the difference of their pixels, averaged over boxes down to
/// 32 pixels. Of the drawn pictures `faces` follow one another for each caption; intervals come from
/// resampling captions, with all faces of a caption together.
///
/// # Errors
/// If there is no drawn picture or a caption has fewer than `faces`, fewer than two training
/// pictures, or sizes that differ.
pub fn memorisation(drawn: &[Image], faces: usize, train: &dyn Dataset, key: Key) -> Result<Memorisation> {
    if drawn.is_empty() || !drawn.len().is_multiple_of(faces) || train.len() < 2 {
        return Err(Error::State(format!(
            "nearest neighbours of {} drawn pictures, {faces} of each caption, among {} training pictures, expected \
             at least one, as many of each caption, and two to train on",
            drawn.len(),
            train.len()
        )));
    }
    let probes = drawn.len().min(train.len());
    // Spread over the whole of the training pictures, which may come in some order.
    let probes: Vec<usize> = (0..probes).map(|i| i * train.len() / probes).collect();
    let mut queries = vec![rows(drawn)?];
    read_each(train, &probes, &mut |images| {
        queries.push(rows(images)?);
        Ok(())
    })?;
    let queries = Rows::new(&Tensor::cat(&queries, 0)?)?;
    let mut nearest = vec![(usize::MAX, f64::INFINITY); drawn.len() + probes.len()];
    let mut first = 0;
    read_each(train, &(0..train.len()).collect::<Vec<_>>(), &mut |images| {
        let candidates = Rows::new(&rows(images)?)?;
        queries.each_block(&candidates, |start, distances| {
            for (i, row) in distances.chunks(images.len()).enumerate() {
                let own = (start + i).checked_sub(drawn.len()).map(|probe| probes[probe]);
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
    let from_drawn: Vec<f64> = nearest[..drawn.len()].iter().map(distance).collect();
    let from_train: Vec<f64> = nearest[drawn.len()..].iter().map(distance).collect();
    let mut pairs: Vec<Pair> = nearest[..drawn.len()]
        .iter()
        .zip(&from_drawn)
        .enumerate()
        .map(|(drawn, (nearest, distance))| Pair { drawn, train: nearest.0, distance: *distance })
        .collect();
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs.truncate(NAMED);
    let (drawn_median, train_median) = (quantile(from_drawn.clone(), 0.5), quantile(from_train.clone(), 0.5));
    let closest = quantile(from_train, 0.01);
    let captions: Vec<&[f64]> = from_drawn.chunks(faces).collect();
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
                "half of the training pictures are copies of others: distances to them say nothing".into(),
            )
        })
    };
    Ok(Memorisation {
        ratio: estimate(&ratio)?,
        near_copies: estimate(&copies)?,
        drawn_median,
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

//! A number with an interval.

use serde::Serialize;
use t2f_ops::rng::{Key, below};

/// The number of bootstrap resamples.
const RESAMPLES: usize = 1000;

/// A number and the middle 95 % of its bootstrap resamples (Efron and Tibshirani, 1993, §13.3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The number, of the whole sample.
    pub value: f64,
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Estimate {
    /// A value with the percentiles of its resamples. Without resamples the interval is the value.
    pub fn new(value: f64, mut resampled: Vec<f64>) -> Self {
        resampled.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * resampled.len().saturating_sub(1) as f64).round() as usize;
            resampled.get(index).copied().unwrap_or(value)
        };
        Self { value, low: at(0.025), high: at(0.975) }
    }

    /// A statistic of a sample and its interval. The statistic takes the positions of the
    /// members of a sample. `None` if the statistic of the whole sample is `None`; such resamples are
    /// left out.
    pub fn bootstrap(len: usize, key: Key, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Self> {
        let value = statistic(&(0..len).collect::<Vec<_>>())?;
        let resampled = resamples(len, key).filter_map(|members| statistic(&members)).collect();
        Some(Self::new(value, resampled))
    }

    /// The same for a distance, which is not negative and has a positive bias in a finite sample. The
    /// bias of the resamples is subtracted, and the percentiles are mirrored at the value (Efron and
    /// Tibshirani, §10.2 and §13.4).
    pub fn bootstrap_distance(
        len: usize,
        key: Key,
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Option<Self> {
        let value = statistic(&(0..len).collect::<Vec<_>>())?;
        let resampled: Vec<f64> = resamples(len, key).filter_map(|members| statistic(&members)).collect();
        let mean = resampled.iter().sum::<f64>() / resampled.len().max(1) as f64;
        let all = Self::new(value, resampled);
        let mirror = |percentile: f64| (2.0 * value - percentile).max(0.0);
        Some(Self { value: mirror(mean), low: mirror(all.high), high: mirror(all.low) })
    }
}

/// Samples of `len` positions with replacement, equal for equal keys.
pub(crate) fn resamples(len: usize, key: Key) -> impl Iterator<Item = Vec<usize>> {
    let mut stream = key.child("bootstrap").rng();
    (0..RESAMPLES).map(move |_| (0..len).map(|_| below(&mut stream, len)).collect())
}

/// The mean over groups of the mean of each group's members; `None` without members.
pub(crate) fn mean_of_means(members: impl Iterator<Item = (usize, f64)>, groups: usize) -> Option<f64> {
    let mut sums = vec![(0.0, 0.0); groups];
    for (group, value) in members {
        sums[group].0 += value;
        sums[group].1 += 1.0;
    }
    let means = sums.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count);
    let (sum, count) = means.fold((0.0, 0.0), |(sum, count), mean| (sum + mean, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_has_the_width_that_theory_gives() {
        // 100 of 400 coins show heads: the standard deviation of the mean is sqrt(.25 * .75 / 400).
        let coins: Vec<f64> = (0..400).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let mean = |members: &[usize]| Some(members.iter().map(|&i| coins[i]).sum::<f64>() / 400.0);
        let estimate = Estimate::bootstrap(400, Key::new(3), mean).unwrap();
        let half = 1.96 * (0.25f64 * 0.75 / 400.0).sqrt();
        assert_eq!(estimate.value, 0.25);
        assert!((estimate.high - 0.25 - half).abs() < 0.008, "{estimate:?}");
        assert!((0.25 - estimate.low - half).abs() < 0.008, "{estimate:?}");
        assert_eq!(Some(estimate), Estimate::bootstrap(400, Key::new(3), mean), "equal keys");
        assert_eq!(Estimate::bootstrap(0, Key::new(3), |_| None), None);
    }

    #[test]
    fn groups_have_equal_weight() {
        let members = [(0, 1.0), (0, 1.0), (0, 0.0), (0, 0.0), (2, 1.0)];
        assert_eq!(mean_of_means(members.into_iter(), 3), Some(0.75));
        assert_eq!(mean_of_means([].into_iter(), 3), None);
    }

    #[test]
    fn the_distance_of_a_sample_loses_its_bias_and_stays_in_its_interval() {
        // The absolute mean of fair coins of ±1 is 0; its expectation in a sample is 0.8 / sqrt(n).
        let mut stream = Key::new(9).rng();
        let (mut plain, mut corrected) = (0.0, 0.0);
        for round in 0..40 {
            let coins: Vec<f64> = (0..50).map(|_| [-1.0, 1.0][below(&mut stream, 2)]).collect();
            let statistic =
                |members: &[usize]| Some((members.iter().map(|&i| coins[i]).sum::<f64>() / 50.0).abs());
            plain += statistic(&(0..50).collect::<Vec<_>>()).unwrap() / 40.0;
            let estimate = Estimate::bootstrap_distance(50, Key::new(round), statistic).unwrap();
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{estimate:?}");
            assert!(estimate.low >= 0.0);
            corrected += estimate.value / 40.0;
        }
        assert!(corrected < 0.85 * plain, "{corrected} of {plain}");
    }
}

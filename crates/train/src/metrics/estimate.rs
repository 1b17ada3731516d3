//! A number with an interval.

use serde::Serialize;
use t2f_ops::rng::{Key, below};

/// How often the sample is drawn anew for an interval.
const RESAMPLES: usize = 1000;

/// A number and the middle 95 % of its bootstrap resamples (Efron and Tibshirani, 1993, §13.3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// On the whole sample.
    pub value: f64,
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Estimate {
    /// A value with the percentiles of what was found on resamples; with none, the value is its own
    /// interval.
    pub fn new(value: f64, mut resampled: Vec<f64>) -> Self {
        resampled.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * resampled.len().saturating_sub(1) as f64).round() as usize;
            resampled.get(index).copied().unwrap_or(value)
        };
        Self { value, low: at(0.025), high: at(0.975) }
    }

    /// A statistic of a sample, given by the positions of its members, and its interval. `None`
    /// where the statistic of the whole sample is; resamples without one are left out.
    pub fn bootstrap(len: usize, key: Key, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Self> {
        let value = statistic(&(0..len).collect::<Vec<_>>())?;
        let resampled = resamples(len, key).filter_map(|members| statistic(&members)).collect();
        Some(Self::new(value, resampled))
    }

    /// The same with the interval mirrored at the value (the basic bootstrap), for a statistic that
    /// cannot be negative and that resampling pushes up, such as a distance.
    #[must_use]
    pub fn mirrored(self) -> Self {
        let mirror = |percentile: f64| (2.0 * self.value - percentile).max(0.0);
        Self { value: self.value, low: mirror(self.high), high: mirror(self.low) }
    }
}

/// Samples of `len` positions drawn with replacement, the same for equal keys.
pub(super) fn resamples(len: usize, key: Key) -> impl Iterator<Item = Vec<usize>> {
    let mut stream = key.child("bootstrap").rng();
    (0..RESAMPLES).map(move |_| (0..len).map(|_| below(&mut stream, len)).collect())
}

/// The mean over groups of the mean of each group's members; `None` without members.
pub(super) fn mean_of_means(members: impl Iterator<Item = (usize, f64)>, groups: usize) -> Option<f64> {
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
        // 400 coins of which 100 show heads: the deviation of the mean is sqrt(.25 * .75 / 400).
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
    fn groups_weigh_the_same_however_many_they_are() {
        let members = [(0, 1.0), (0, 1.0), (0, 0.0), (0, 0.0), (2, 1.0)];
        assert_eq!(mean_of_means(members.into_iter(), 3), Some(0.75));
        assert_eq!(mean_of_means([].into_iter(), 3), None);
    }

    #[test]
    fn a_mirrored_interval_stays_above_zero() {
        let mirrored = Estimate { value: 0.1, low: 0.08, high: 0.3 }.mirrored();
        assert_eq!((mirrored.value, mirrored.low), (0.1, 0.0));
        assert!((mirrored.high - 0.12).abs() < 1e-12);
    }
}

//! Histograms.

use crate::message::Message;

/// The number of bins.
const BINS: usize = 40;

/// The distribution of values, in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    low: f64,
    high: f64,
    count: f64,
    sum: f64,
    squares: f64,
    /// The upper end and the number of values of each bin.
    bins: Vec<(f64, f64)>,
}

impl Histogram {
    /// The histogram of the finite values; `None` if there are none.
    pub fn of(values: &[f32]) -> Option<Self> {
        let finite = || values.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value));
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        if low > high {
            return None;
        }
        let width = (high - low) / BINS as f64;
        let mut counts = [0.0; BINS];
        for value in finite() {
            let bin = if width > 0.0 { ((value - low) / width) as usize } else { 0 };
            counts[bin.min(BINS - 1)] += 1.0;
        }
        let ends = (1..=BINS).map(|bin| if bin == BINS { high } else { low + width * bin as f64 });
        Some(Self {
            low,
            high,
            count: finite().count() as f64,
            sum: finite().sum(),
            squares: finite().map(|value| value * value).sum(),
            bins: ends.zip(counts).collect(),
        })
    }

    /// The message `HistogramProto`.
    pub(crate) fn message(&self) -> Message {
        let (ends, counts): (Vec<f64>, Vec<f64>) = self.bins.iter().copied().unzip();
        Message::default()
            .double(1, self.low)
            .double(2, self.high)
            .double(3, self.count)
            .double(4, self.sum)
            .double(5, self.squares)
            .doubles(6, &ends)
            .doubles(7, &counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_contain_every_finite_value_once() {
        let values: Vec<f32> = (0..80).map(|i| i as f32).chain([f32::NAN, f32::INFINITY]).collect();
        let histogram = Histogram::of(&values).unwrap();
        assert_eq!((histogram.low, histogram.high, histogram.count), (0.0, 79.0, 80.0));
        assert_eq!(histogram.bins.iter().map(|bin| bin.1).sum::<f64>(), 80.0);
        assert!(histogram.bins.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(histogram.bins.last().unwrap().0, 79.0);
        let constant = Histogram::of(&[2.0; 5]).unwrap();
        assert_eq!((constant.count, constant.sum, constant.squares), (5.0, 10.0, 20.0));
        assert_eq!(Histogram::of(&[f32::NAN]), None);
    }
}

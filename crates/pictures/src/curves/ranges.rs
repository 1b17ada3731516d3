//! The ranges of both axes of a chart.

use super::chart::Chart;
use super::scale::Scale;

/// The first and the last place on the horizontal axis, in kimg.
pub(super) fn x_range(chart: &Chart) -> (f64, f64) {
    let xs = || chart.curves.iter().flat_map(|curve| &curve.raw).map(|point| point.0);
    let (left, right) = (xs().fold(f64::INFINITY, f64::min).min(0.0), xs().fold(f64::NEG_INFINITY, f64::max));
    if right > left { (left, right) } else { (left, left + 1.0) }
}

/// The heights of the smoothed curves and of the middle 99 % of the raw values; an outlier is clamped to the
/// edge and does not compress the other values. A constant is in the middle.
pub(super) fn y_range(chart: &Chart) -> (f64, f64) {
    let heights = |points: &[(f64, f64)]| -> Vec<f64> {
        points.iter().map(|point| chart.scale.height(point.1)).collect()
    };
    let mut raw: Vec<f64> = chart.curves.iter().flat_map(|curve| heights(&curve.raw)).collect();
    raw.sort_by(f64::total_cmp);
    let tail = raw.len() / 200;
    let smooth: Vec<f64> = chart.curves.iter().flat_map(|curve| heights(&curve.smooth)).collect();
    let low = smooth.iter().copied().fold(raw[tail], f64::min);
    let high = smooth.iter().copied().fold(raw[raw.len() - 1 - tail], f64::max);
    let room = match chart.scale {
        _ if high > low => 0.06 * (high - low),
        Scale::Linear if low != 0.0 => 0.5 * low.abs(),
        _ => 0.5,
    };
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::chart::{CurveOptions, RunRows};
    use crate::curves::rows::{KIMG, StatsRow};

    #[test]
    fn a_constant_is_in_the_middle_of_a_range_of_its_own_size() {
        let row = |kimg: f64| StatsRow::from([(KIMG.into(), kimg), ("Loss/D/total".into(), 0.006)]);
        let run = RunRows { name: "r".into(), rows: vec![row(1.0), row(2.0)], marks: Vec::new() };
        let range = |scale| {
            let options = CurveOptions { scale, ..CurveOptions::default() };
            y_range(&Chart::new(std::slice::from_ref(&run), &options).unwrap())
        };
        let (low, high) = range(Scale::Linear);
        assert!((low - 0.003).abs() < 1e-12 && (high - 0.009).abs() < 1e-12, "{low} {high}");
        let (low, high) = range(Scale::Log);
        assert!(((low + high) / 2.0 - 0.006f64.log10()).abs() < 1e-12);
    }
}

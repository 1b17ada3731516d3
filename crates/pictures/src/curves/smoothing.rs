//! The smoothed curve.

/// Centred exponential average, `s_n = sum_i w^|n-i| y_i / sum_i w^|n-i|`.
///
/// Past and future have equal weights, so that the curve does not lag; the division removes the bias of both
/// ends.
pub fn smoothed(raw: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let past = decaying(raw.iter(), weight);
    let future = decaying(raw.iter().rev(), weight);
    let both = past.into_iter().zip(future.into_iter().rev()).zip(raw);
    // Each point is in both sums.
    both.map(|(((sum, total), (later, rest)), &(x, y))| (x, (sum + later - y) / (total + rest - 1.0)))
        .collect()
}

/// `sum_i w^(n-i) y_i` and `sum_i w^(n-i)` over the points up to each one.
fn decaying<'a>(points: impl Iterator<Item = &'a (f64, f64)>, weight: f64) -> Vec<(f64, f64)> {
    let (mut sum, mut total) = (0.0, 0.0);
    let step = |&(_, y): &(f64, f64)| {
        sum = weight * sum + y;
        total = weight * total + 1.0;
        (sum, total)
    };
    points.map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slope: f64) -> Vec<(f64, f64)> {
        (0..400).map(|i| (f64::from(i), 3.0 + slope * f64::from(i))).collect()
    }

    #[test]
    fn the_average_of_a_constant_is_the_constant_from_the_first_point() {
        assert!(smoothed(&line(0.0), 0.97).iter().all(|point| (point.1 - 3.0).abs() < 1e-9));
    }

    #[test]
    fn the_average_of_a_slope_does_not_lag() {
        let raw = line(0.5);
        let smooth = smoothed(&raw, 0.9);
        assert!(
            raw[150..250].iter().zip(&smooth[150..250]).all(|(raw, point)| (raw.1 - point.1).abs() < 1e-4)
        );
    }

    #[test]
    fn averages_by_hand() {
        let raw = [(0.0, 1.0), (1.0, 4.0), (2.0, 7.0)];
        let smooth = smoothed(&raw, 0.5);
        assert!((smooth[0].1 - (1.0 + 2.0 + 1.75) / 1.75).abs() < 1e-12);
        assert!((smooth[1].1 - 4.0).abs() < 1e-12);
        assert_eq!(smoothed(&raw, 0.0), raw);
    }
}

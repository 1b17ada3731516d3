//! The vertical axis: the map from values to heights, and the marks.

/// The map from values to heights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Heights are values.
    #[default]
    Linear,
    /// Heights are `log10` of the values. A plot with a value that is not positive, such as a WGAN loss, uses
    /// [`Scale::SymmetricLog`] instead.
    Log,
    /// `sign(y) log10(1 + |y| / 0.1)`: linear below 0.1, logarithmic above, on both sides of 0.
    SymmetricLog,
}

/// The absolute value below which a symmetric logarithmic axis is linear.
const THRESHOLD: f64 = 0.1;

impl Scale {
    /// The scale itself, or [`Scale::SymmetricLog`] where a logarithm cannot show all of `values`.
    pub(super) fn for_values(self, mut values: impl Iterator<Item = f64>) -> Self {
        if self == Self::Log && values.any(|y| y <= 0.0) { Self::SymmetricLog } else { self }
    }

    /// The height of a value.
    pub(super) fn height(self, y: f64) -> f64 {
        match self {
            Self::Linear => y,
            Self::Log => y.log10(),
            Self::SymmetricLog => y.signum() * (1.0 + y.abs() / THRESHOLD).log10(),
        }
    }

    /// The marked values of an axis between two heights.
    pub(super) fn marks(self, low: f64, high: f64) -> Vec<f64> {
        let mut marks = match self {
            Self::Linear => linear_marks(low, high, 8.0),
            Self::Log => (-12..=12).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e))).collect(),
            Self::SymmetricLog => {
                let sizes = (-1..=12).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e)));
                sizes.flat_map(|size| [size, -size]).chain([0.0]).collect()
            }
        };
        marks.retain(|&y| (low..=high).contains(&self.height(y)));
        marks.sort_by(f64::total_cmp);
        if self != Self::Linear && marks.len() > 12 {
            marks.retain(|y| *y == 0.0 || (y.abs().log10() - y.abs().log10().round()).abs() < 1e-9);
        }
        marks
    }
}

/// About `count` round numbers between two values, 1, 2 or 5 times a power of ten apart.
pub(super) fn linear_marks(low: f64, high: f64, count: f64) -> Vec<f64> {
    let rough = (high - low) / count;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|y| *y <= high + step * 1e-9).take(100).collect()
}

/// A mark as a short decimal: `0`, `0.05`, `20`, `1e6`.
pub(super) fn mark_label(y: f64) -> String {
    if y == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e6).contains(&y.abs()) {
        return format!("{y:e}");
    }
    let text = format!("{y:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_becomes_symmetric_only_for_values_that_are_not_positive() {
        assert_eq!(Scale::Log.for_values([0.1, 5.0].into_iter()), Scale::Log);
        assert_eq!(Scale::Log.for_values([0.1, -5.0].into_iter()), Scale::SymmetricLog);
        assert_eq!(Scale::Linear.for_values([-5.0].into_iter()), Scale::Linear);
    }

    #[test]
    fn heights_keep_order_and_sign() {
        for scale in [Scale::Linear, Scale::SymmetricLog] {
            let heights: Vec<f64> =
                [-100.0, -1.0, -0.01, 0.0, 0.01, 1.0, 100.0].map(|y| scale.height(y)).into();
            assert!(heights.windows(2).all(|pair| pair[0] < pair[1]), "{heights:?}");
            assert_eq!(heights[3], 0.0);
            assert_eq!(heights[0], -heights[6]);
        }
    }

    #[test]
    fn marks_are_round_and_inside() {
        assert_eq!(linear_marks(-0.31, 1.02, 6.0).len(), 3);
        assert_eq!(Scale::Linear.marks(0.0, 8.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(Scale::Log.marks(-1.0, 1.0), [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]);
        assert!(Scale::SymmetricLog.marks(-2.0, 2.0).contains(&-1.0));
        let labels: Vec<String> = [0.0, 0.05, -20.0, 1e6, 0.30000000000000004].map(mark_label).into();
        assert_eq!(labels, ["0", "0.05", "-20", "1e6", "0.3"]);
    }
}

//! Rows of statistics.

use std::collections::BTreeMap;

/// The values of one row of statistics, by key.
pub type StatsRow = BTreeMap<String, f64>;

/// The key of the horizontal axis, thousands of real images shown.
pub const KIMG: &str = "Progress/kimg";

/// The beginning of the keys of changed settings.
pub const SETTINGS: &str = "Settings/";

/// The thousands of images shown after a step, interpolated between the rows before and after it; none
/// without a row.
pub fn kimg_of_step(rows: &[StatsRow], step: f64) -> Option<f64> {
    let places = || rows.iter().filter_map(|row| Some((*row.get("step")?, *row.get(KIMG)?)));
    let before = places().rfind(|place| place.0 <= step).unwrap_or((0.0, 0.0));
    match places().find(|place| place.0 > step) {
        Some((end, kimg)) => {
            Some(before.1 + (kimg - before.1) * (step - before.0) / (end - before.0).max(1.0))
        }
        None => (before.0 > 0.0).then_some(before.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_between_two_rows_is_interpolated() {
        let row = |step: f64, kimg: f64| StatsRow::from([("step".into(), step), (KIMG.into(), kimg)]);
        let rows = [row(10.0, 0.2), row(20.0, 0.4)];
        assert_eq!(kimg_of_step(&rows, 10.0), Some(0.2));
        assert!((kimg_of_step(&rows, 15.0).unwrap() - 0.3).abs() < 1e-12);
        assert_eq!(kimg_of_step(&rows, 5.0), Some(0.1));
        assert_eq!(kimg_of_step(&rows, 25.0), Some(0.4));
        assert_eq!(kimg_of_step(&[], 5.0), None);
    }
}

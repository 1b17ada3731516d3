//! Rows of statistics.

use std::collections::BTreeMap;

/// One line of statistics: the numbers in it, by key.
pub type StatsRow = BTreeMap<String, f64>;

/// The key of the horizontal axis, thousands of real images shown.
pub const KIMG: &str = "Progress/kimg";

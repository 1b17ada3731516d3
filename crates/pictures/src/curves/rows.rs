//! Rows of statistics.

use std::collections::BTreeMap;

/// The values of one row of statistics, by key.
pub type StatsRow = BTreeMap<String, f64>;

/// The key of the horizontal axis, thousands of real images shown.
pub const KIMG: &str = "Progress/kimg";

/// The beginning of the keys of changed settings.
pub const SETTINGS: &str = "Settings/";

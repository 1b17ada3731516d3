//! The contents of a plot: curves and stages, in the units of the data.

use std::collections::BTreeSet;

use super::marks;
use super::rows::{KIMG, SETTINGS, StatsRow};
use super::scale::Scale;
use super::smoothing::smoothed;
use super::stages;
use crate::error::{Error, Result};

/// The rows of one run.
#[derive(Clone, Debug)]
pub struct RunRows {
    /// The name in the legend.
    pub name: String,
    /// The rows, in the order of training.
    pub rows: Vec<StatsRow>,
    /// The events, in the order of images shown.
    pub marks: Vec<marks::Mark>,
}

impl RunRows {
    /// The newest value of a statistic.
    pub fn newest(&self, key: &str) -> Option<f64> {
        self.rows.iter().rev().find_map(|row| row.get(key).copied())
    }
}

/// Options of a plot.
#[derive(Clone, Debug)]
pub struct CurveOptions {
    /// Keys to plot. Default `Loss/D/total` and `Loss/G/total`.
    pub keys: Vec<String>,
    /// Weight of the neighbours in the smoothed curve, in `[0, 1)`; 0 plots the raw curve alone. Default 0.8; at most
    /// `1 - 10/n` for `n` values, so that a short curve keeps its form.
    pub smoothing: f64,
    /// The vertical axis. Default linear.
    pub scale: Scale,
    /// Width and height, in pixels; at least 200 by 150. Default 1100 by 620.
    pub size: (u32, u32),
    /// The title above the legend. Default empty: none.
    pub title: String,
    /// The label of the horizontal axis. Default `kimg (thousands of real images shown)`.
    pub x_label: String,
    /// The label of the vertical axis. Default empty: the common beginning of the keys.
    pub y_label: String,
}

impl Default for CurveOptions {
    fn default() -> Self {
        Self {
            keys: ["Loss/D/total", "Loss/G/total"].map(String::from).into(),
            smoothing: 0.8,
            scale: Scale::Linear,
            size: (1100, 620),
            title: String::new(),
            x_label: "kimg (thousands of real images shown)".into(),
            y_label: String::new(),
        }
    }
}

/// One curve, in the units of the data.
pub(super) struct Curve {
    /// Index of its run in the input, and of its key in the options.
    pub(super) run: usize,
    pub(super) key: usize,
    pub(super) label: String,
    pub(super) raw: Vec<(f64, f64)>,
    pub(super) smooth: Vec<(f64, f64)>,
}

/// The contents of a plot, in the units of the data.
pub(super) struct Chart {
    pub(super) curves: Vec<Curve>,
    pub(super) stages: Vec<stages::Stage>,
    /// The events in the plot of one run.
    pub(super) marks: Vec<marks::Mark>,
    pub(super) scale: Scale,
    pub(super) several_runs: bool,
    pub(super) key_count: usize,
    pub(super) size: (u32, u32),
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
}

impl Chart {
    pub(super) fn new(runs: &[RunRows], options: &CurveOptions) -> Result<Self> {
        let CurveOptions { keys, smoothing, scale, size, title, x_label, y_label } = options.clone();
        if !(0.0..1.0).contains(&smoothing) {
            return Err(Error::Plot(format!("smoothing is {smoothing}, expected at least 0 and below 1")));
        }
        if size.0 < 200 || size.1 < 150 {
            return Err(Error::Plot(format!(
                "the size is {}x{} pixels, expected at least 200x150",
                size.0, size.1
            )));
        }
        let several_runs = runs.len() > 1;
        let mut curves = Vec::new();
        for (run, RunRows { name, rows, .. }) in runs.iter().enumerate() {
            for (key_index, key) in keys.iter().enumerate() {
                let raw = points(rows, key);
                if raw.is_empty() {
                    continue;
                }
                let label = if several_runs { format!("{name}: {}", short(key)) } else { short(key) };
                let smooth = smoothed(&raw, smoothing.min(most_smoothing(raw.len())));
                curves.push(Curve { run, key: key_index, label, raw, smooth });
            }
        }
        if curves.is_empty() {
            return Err(Error::Empty(no_values(runs, &keys)));
        }
        let scale = scale.for_values(curves.iter().flat_map(|curve| &curve.raw).map(|point| point.1));
        let stages = stages::shared(runs.iter().map(|run| run.rows.as_slice()));
        let marks = if let [run] = runs { run.marks.clone() } else { Vec::new() };
        let y_label = if y_label.is_empty() { common(&keys) } else { y_label };
        let y_label = match scale {
            Scale::Linear => y_label,
            Scale::Log => format!("{y_label} (log)"),
            Scale::SymmetricLog => format!("{y_label} (sym. log)"),
        };
        let key_count = keys.len();
        Ok(Self { curves, stages, marks, scale, several_runs, key_count, size, title, x_label, y_label })
    }
}

/// A curve that is left out, since the run has no finite value of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name of the run.
    pub run: String,
    /// The key.
    pub key: String,
    /// The keys of the run's statistics.
    pub known: Vec<String>,
}

/// Each run and key without a curve.
pub fn missing(runs: &[RunRows], keys: &[String]) -> Vec<Missing> {
    let of = |run: &RunRows| {
        let absent = keys.iter().filter(|key| points(&run.rows, key).is_empty());
        let missing =
            |key: &String| Missing { run: run.name.clone(), key: key.clone(), known: known(&run.rows) };
        absent.map(missing).collect::<Vec<_>>()
    };
    runs.iter().flat_map(of).collect()
}

/// The keys of rows, in their order, without those of settings.
fn known<'a>(rows: impl IntoIterator<Item = &'a StatsRow>) -> Vec<String> {
    let known: BTreeSet<&String> =
        rows.into_iter().flat_map(|row| row.keys()).filter(|key| !key.starts_with(SETTINGS)).collect();
    known.into_iter().cloned().collect()
}

/// The finite values of a key over kimg; a row without kimg is placed at its index.
fn points(rows: &[StatsRow], key: &str) -> Vec<(f64, f64)> {
    let at = |i: usize, row: &StatsRow| row.get(KIMG).copied().unwrap_or(i as f64);
    rows.iter()
        .enumerate()
        .filter_map(|(i, row)| Some((at(i, row), *row.get(key)?)))
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect()
}

/// The largest weight for a number of values.
fn most_smoothing(values: usize) -> f64 {
    (1.0 - 10.0 / values.max(1) as f64).max(0.0)
}

/// A key in a legend.
fn short(key: &str) -> String {
    let beginnings = ["Loss/", "Metrics/", "Timing/", "Progress/"];
    let rest = beginnings.iter().find_map(|beginning| key.strip_prefix(beginning));
    rest.unwrap_or(key).replace('/', " ")
}

/// The quantity of keys: the common first part of their names, in lower case.
fn common(keys: &[String]) -> String {
    let first = |key: &String| key.split('/').next().unwrap_or_default().to_lowercase();
    match keys.split_first() {
        Some((key, others)) if others.iter().all(|other| first(other) == first(key)) => first(key),
        _ => "value".into(),
    }
}

fn no_values(runs: &[RunRows], keys: &[String]) -> String {
    let known = known(runs.iter().flat_map(|run| &run.rows));
    if known.is_empty() {
        return "no statistics yet".into();
    }
    format!("no finite value of {}; the statistics have {}", keys.join(", "), known.join(", "))
}

//! Loss curves: a plot of rows of statistics, as SVG or as pixels.
//!
//! Raw curves are pale, with the smoothed curve on top. A vertical line with the new resolution marks
//! the beginning of a level, and the fade-in is shaded. Several runs share one axis and have different
//! colours, from Okabe and Ito's palette for all types of colour vision.

mod draw;
mod scale;
mod stages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use t2f_data::Image;

use crate::error::{Error, Result};
use t2f_files::json_lines;

pub use scale::Scale;

/// The values of one row of statistics, by key.
pub type StatsRow = BTreeMap<String, f64>;

/// The key of the horizontal axis, thousands of real images shown.
pub const KIMG: &str = "Progress/kimg";

/// The rows of one run.
#[derive(Clone, Debug)]
pub struct RunRows {
    /// The name in the legend.
    pub name: String,
    /// The rows, in the order of training.
    pub rows: Vec<StatsRow>,
}

/// Options of a plot.
#[derive(Clone, Debug)]
pub struct CurveOptions {
    /// Keys to plot. Default `Loss/D/total` and `Loss/G/total`.
    pub keys: Vec<String>,
    /// Weight of the past in the smoothed curve, in `[0, 1)`; 0 plots the raw curve alone. Default 0.9.
    pub smoothing: f64,
    /// The vertical axis. Default linear.
    pub scale: Scale,
    /// Width and height, in pixels; at least 200 by 150. Default 1100 by 620.
    pub size: (u32, u32),
}

impl Default for CurveOptions {
    fn default() -> Self {
        let keys = ["Loss/D/total", "Loss/G/total"].map(String::from).into();
        Self { keys, smoothing: 0.9, scale: Scale::Linear, size: (1100, 620) }
    }
}

/// The curves as an SVG document.
///
/// # Errors
/// If no run has a finite value of any of the keys (the message lists the available keys), or an option is
/// out of range.
pub fn svg(runs: &[RunRows], options: &CurveOptions) -> Result<String> {
    draw::svg(&Chart::new(runs, options)?)
}

/// The curves as pixels.
///
/// # Errors
/// As [`svg`].
pub fn picture(runs: &[RunRows], options: &CurveOptions) -> Result<Image> {
    draw::picture(&Chart::new(runs, options)?)
}

/// The rows of a run folder's `stats.jsonl`, named after the folder. Damaged lines are skipped with a
/// warning; after a kill the last one may be.
///
/// # Errors
/// If the file cannot be read.
pub fn rows_of_run(run: &Path) -> crate::Result<RunRows> {
    let (rows, faults) = json_lines::read(&run.join("stats.jsonl"))?;
    if let Some(fault) = faults.first() {
        tracing::warn!("{}: {} lines of the statistics cannot be read, {fault}", run.display(), faults.len());
    }
    let name =
        run.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into());
    Ok(RunRows { name, rows: rows.into_iter().map(|row| row.values().clone()).collect() })
}

/// One curve, in the units of the data.
struct Curve {
    /// Index of its run in the input, and of its key in the options.
    run: usize,
    key: usize,
    label: String,
    raw: Vec<(f64, f64)>,
    smooth: Vec<(f64, f64)>,
}

/// The contents of a plot, in the units of the data.
struct Chart {
    curves: Vec<Curve>,
    stages: Vec<stages::Stage>,
    scale: Scale,
    several_runs: bool,
    key_count: usize,
    size: (u32, u32),
}

impl Chart {
    fn new(runs: &[RunRows], options: &CurveOptions) -> Result<Self> {
        let CurveOptions { keys, smoothing, scale, size } = options.clone();
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
        for (run, RunRows { name, rows }) in runs.iter().enumerate() {
            for (key_index, key) in keys.iter().enumerate() {
                let raw = points(rows, key);
                if raw.is_empty() {
                    continue;
                }
                let short = key.strip_prefix("Loss/").unwrap_or(key).replace('/', " ");
                let label = match (several_runs, keys.len() > 1) {
                    (false, _) => short,
                    (true, true) => format!("{name}: {short}"),
                    (true, false) => name.clone(),
                };
                let smooth = smoothed(&raw, smoothing);
                curves.push(Curve { run, key: key_index, label, raw, smooth });
            }
        }
        if curves.is_empty() {
            return Err(Error::Empty(no_values(runs, &keys)));
        }
        let scale = scale.for_values(curves.iter().flat_map(|curve| &curve.raw).map(|point| point.1));
        let stages = stages::shared(runs.iter().map(|run| run.rows.as_slice()));
        Ok(Self { curves, stages, scale, several_runs, key_count: keys.len(), size })
    }
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

/// Bias-corrected exponential moving average, `s_n = (1-w) sum_i w^(n-i) y_i / (1 - w^n)`.
fn smoothed(raw: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut sum, mut total) = (0.0, 0.0);
    raw.iter()
        .map(|&(x, y)| {
            sum = weight * sum + (1.0 - weight) * y;
            total = weight * total + (1.0 - weight);
            (x, sum / total)
        })
        .collect()
}

fn no_values(runs: &[RunRows], keys: &[String]) -> String {
    let known: BTreeSet<&str> =
        runs.iter().flat_map(|run| &run.rows).flat_map(|row| row.keys()).map(String::as_str).collect();
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return "no statistics yet".into();
    }
    format!("no finite value of {}; the statistics have {}", keys.join(", "), known.join(", "))
}

#[cfg(test)]
mod tests;

//! Loss curves: a plot of rows of statistics, as SVG or as pixels.
//!
//! Raw curves are pale, with the smoothed curve on top. A vertical line with the new resolution marks
//! the beginning of a level, and the fade-in is shaded. In the plot of one run a dotted line with the name
//! of a setting marks its change. Several runs share one axis and have different colours, from Okabe and
//! Ito's palette for all types of colour vision.

mod chart;
mod draw;
mod marks;
mod rows;
mod scale;
mod stages;

use std::path::Path;

use t2f_data::Image;

use crate::error::Result;
use t2f_files::json_lines;

use chart::Chart;
pub use chart::{CurveOptions, Missing, RunRows, missing};
pub use rows::{KIMG, SETTINGS, StatsRow};
pub use scale::Scale;

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

#[cfg(test)]
mod tests;

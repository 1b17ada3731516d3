//! Curves of a run: plots of rows of statistics, as SVG or as pixels.
//!
//! Raw curves are pale, with the smoothed curve on top; few values have dots. A vertical line with the new
//! resolution marks the beginning of a level, and the fade-in is shaded. In the plot of one run a dotted line
//! marks a resume, a rollback or, with the name of a setting, its change. Several runs share one axis and have
//! different colours, from Okabe and Ito's palette for all types of colour vision.
//!
//! [`svg`] and [`picture`] plot statistics on one axis; [`panels_svg`] and [`panels_picture`] plot all
//! statistics, a panel for each of the [`groups`].

mod chart;
mod draw;
mod groups;
mod legend;
mod marks;
mod panels;
mod ranges;
mod rows;
mod scale;
mod smoothing;
mod stages;
mod style;

use std::path::Path;

use t2f_data::Image;

use crate::error::Result;
use crate::run_log;
use t2f_files::json_lines;

use chart::Chart;
pub use chart::{CurveOptions, Missing, RunRows, missing};
pub use groups::{Group, groups};
pub use marks::{Mark, events};
pub use panels::{Panels, panels_picture, panels_svg};
pub use rows::{KIMG, SETTINGS, StatsRow};
pub use scale::Scale;
pub use smoothing::smoothed;

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

/// The rows of a run folder's `stats.jsonl`, named after the folder, with the events of its log. Damaged lines are skipped with a
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
    let rows: Vec<StatsRow> = rows.into_iter().map(|row| row.values().clone()).collect();
    let marks = events(&rows, &run_log::continuations(&run_log::entries(run)));
    Ok(RunRows { name, rows, marks })
}

#[cfg(test)]
mod tests;

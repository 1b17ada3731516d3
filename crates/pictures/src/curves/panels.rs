//! A panel for each group of statistics, in a grid.

use t2f_data::Image;

use super::chart::{Chart, RunRows};
use super::draw;
use super::groups::groups;
use crate::error::{Error, Result};

/// Options of a grid of panels.
#[derive(Clone, Debug)]
pub struct Panels {
    /// Weight of the neighbours in the smoothed curve, in `[0, 1)`. Default 0.8.
    pub smoothing: f64,
    /// Width and height of a panel, in pixels; at least 200 by 150. Default 560 by 340.
    pub size: (u32, u32),
    /// The maximum of panels in a row; at least 1. Default 2.
    pub columns: u32,
}

impl Default for Panels {
    fn default() -> Self {
        Self { smoothing: 0.8, size: (560, 340), columns: 2 }
    }
}

/// All statistics as an SVG document, a panel for each group.
///
/// # Errors
/// If there are no statistics, or an option is out of range.
pub fn panels_svg(runs: &[RunRows], panels: &Panels) -> Result<String> {
    draw::grid_svg(&charts(runs, panels)?, panels.columns)
}

/// All statistics as pixels, a panel for each group.
///
/// # Errors
/// As [`panels_svg`].
pub fn panels_picture(runs: &[RunRows], panels: &Panels) -> Result<Image> {
    draw::grid_picture(&charts(runs, panels)?, panels.columns)
}

fn charts(runs: &[RunRows], panels: &Panels) -> Result<Vec<Chart>> {
    if panels.columns == 0 {
        return Err(Error::Plot("0 panels in a row, expected at least 1".into()));
    }
    let charts =
        groups(runs).into_iter().map(|group| Chart::new(runs, &group.options(panels.smoothing, panels.size)));
    let charts = charts.collect::<Result<Vec<_>>>()?;
    if charts.is_empty() { Err(Error::Empty("no statistics yet".into())) } else { Ok(charts) }
}

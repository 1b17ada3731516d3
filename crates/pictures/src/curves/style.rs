//! Colours and letters of plots.

use plotters::style::RGBColor;

use super::chart::{Chart, Curve};
use crate::error::Error;

/// Okabe and Ito's palette without yellow, which is too pale on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
/// The colour of letters.
pub(super) const INK: RGBColor = RGBColor(60, 60, 60);
/// The font.
pub(super) const FAMILY: &str = "DejaVu Sans, sans-serif";
/// The height of letters outside the axes.
pub(super) const LETTERS: u32 = 14;

/// The colour of a curve: of its run where there are several, otherwise of its key.
pub(super) fn colour(chart: &Chart, curve: &Curve) -> RGBColor {
    let index = if !chart.several_runs {
        curve.key
    } else if chart.key_count <= 2 {
        curve.run
    } else {
        curve.run * chart.key_count + curve.key
    };
    COLOURS[index % COLOURS.len()]
}

/// The error of a backend.
pub(super) fn failed(error: impl std::fmt::Display) -> Error {
    Error::Plot(error.to_string())
}

//! The title and the legend of a chart, above its axes.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::chart::Chart;
use super::style::{FAMILY, INK, LETTERS, colour, failed};
use crate::error::Result;
use crate::lettering::Lettering;

const LINE: i32 = 22;
const LEFT: i32 = 76;
/// The width of a sample of a line.
const SAMPLE: i32 = 26;

/// The positions of the legend's entries, left to right and then down.
pub(super) struct Legend {
    places: Vec<(i32, i32)>,
    /// The height of title and legend.
    pub(super) height: i32,
}

impl Legend {
    /// The layout in the width of the chart.
    pub(super) fn new(chart: &Chart) -> Self {
        let letters = Lettering::new(LETTERS as f32);
        let top = if chart.title.is_empty() { 8 } else { 8 + LINE };
        let (mut x, mut y) = (LEFT, top);
        let mut places = Vec::new();
        for curve in &chart.curves {
            let width = 34 + letters.width(&curve.label) as i32 + 22;
            if x > LEFT && x + width > chart.size.0 as i32 {
                (x, y) = (LEFT, y + LINE);
            }
            places.push((x, y));
            x += width;
        }
        Self { places, height: y + LINE + 10 }
    }

    /// Draws title and legend onto the area above the axes.
    ///
    /// # Errors
    /// If the backend fails.
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        chart: &Chart,
    ) -> Result<()> {
        let letters = (FAMILY, LETTERS).into_font().color(&INK);
        if !chart.title.is_empty() {
            let large = (FAMILY, LETTERS + 2).into_font().color(&BLACK);
            area.draw(&Text::new(chart.title.clone(), (LEFT, 8), large)).map_err(failed)?;
        }
        for (curve, &(x, y)) in chart.curves.iter().zip(&self.places) {
            let middle = y + LINE / 2;
            let stroke = colour(chart, curve).stroke_width(3);
            if chart.several_runs && curve.key % 2 == 1 {
                let line = DashedPathElement::new([(x, middle), (x + SAMPLE, middle)], 8, 5, stroke);
                area.draw(&line).map_err(failed)?;
            } else {
                area.draw(&PathElement::new([(x, middle), (x + SAMPLE, middle)], stroke)).map_err(failed)?;
            }
            area.draw(&Text::new(curve.label.clone(), (x + 34, y + 4), letters.clone())).map_err(failed)?;
        }
        Ok(())
    }
}

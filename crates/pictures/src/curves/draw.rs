//! Rendering of charts on a plotters backend.

use std::ops::Range;
use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::chart::{Chart, Curve};
use super::legend::Legend;
use super::ranges::{x_range, y_range};
use super::scale::{linear_marks, mark_label};
use super::style::{FAMILY, INK, LETTERS, colour, failed};
use crate::lettering::{FONT, Lettering};
use t2f_data::Image;

use crate::error::{Error, Result};

const FAINT: RGBColor = RGBColor(130, 130, 130);
const GRID: RGBColor = RGBColor(215, 215, 215);
const SHADE: RGBColor = RGBColor(235, 235, 240);
const SMALL: u32 = 12;
/// The height of a row of labels inside the axes.
const ROW: i32 = 15;
/// The approximate maximum of a curve's points, two for each column of pixels.
const MOST_POINTS: usize = 2000;
/// The maximum of values that are drawn as dots.
const MOST_DOTS: usize = 30;

static REGISTERED: LazyLock<bool> =
    LazyLock::new(|| plotters::style::register_font(FAMILY, FontStyle::Normal, FONT).is_ok());

/// A linear axis with given marks.
struct Axis {
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// The plotting area of a chart.
type Area<DB> = DrawingArea<DB, Cartesian2d<Axis, Axis>>;

pub(super) fn svg(chart: &Chart) -> Result<String> {
    grid_svg(std::slice::from_ref(chart), 1)
}

pub(super) fn picture(chart: &Chart) -> Result<Image> {
    grid_picture(std::slice::from_ref(chart), 1)
}

/// Charts of one size as an SVG document, row by row.
pub(super) fn grid_svg(charts: &[Chart], columns: u32) -> Result<String> {
    let (size, cells) = layout(charts, columns);
    let mut text = String::new();
    onto(&SVGBackend::with_string(&mut text, size).into_drawing_area(), charts, cells)?;
    Ok(text)
}

/// Charts of one size as pixels, row by row.
pub(super) fn grid_picture(charts: &[Chart], columns: u32) -> Result<Image> {
    let (size, cells) = layout(charts, columns);
    let mut pixels = vec![0; 3 * size.0 as usize * size.1 as usize];
    onto(&BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area(), charts, cells)?;
    Ok(Image { width: size.0 as usize, height: size.1 as usize, pixels })
}

/// The size of a grid in pixels, and its rows and columns.
fn layout(charts: &[Chart], columns: u32) -> ((u32, u32), (usize, usize)) {
    let columns = (columns as usize).clamp(1, charts.len().max(1));
    let rows = charts.len().div_ceil(columns).max(1);
    let (width, height) = charts.first().map_or((1, 1), |chart| chart.size);
    ((width * columns as u32, height * rows as u32), (rows, columns))
}

fn onto<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    charts: &[Chart],
    cells: (usize, usize),
) -> Result<()> {
    if !*REGISTERED {
        return Err(Error::Plot("the embedded font is damaged".into()));
    }
    root.fill(&WHITE).map_err(failed)?;
    for (area, chart) in root.split_evenly(cells).iter().zip(charts) {
        draw(area, chart)?;
    }
    root.present().map_err(failed)
}

fn draw<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, chart: &Chart) -> Result<()> {
    let legend = Legend::new(chart);
    let (top, body) = root.split_vertically(legend.height);
    legend.draw(&top, chart)?;
    let (x, y) = (x_range(chart), y_range(chart));
    let (x, y) = (x.0..x.1, y.0..y.1);
    let scale = chart.scale;
    let marks = scale.marks(y.start, y.end);
    let columns = if chart.size.0 < 800 { 6.0 } else { 10.0 };
    let x_axis = Axis { range: x.clone(), marks: linear_marks(x.start, x.end, columns) };
    let y_axis = Axis { range: y.clone(), marks: marks.iter().map(|&y| scale.height(y)).collect() };
    let mut context = ChartBuilder::on(&body)
        .margin_left(8)
        .margin_right(24)
        .margin_bottom(6)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d(x_axis, y_axis)
        .map_err(failed)?;
    draw_fades(context.plotting_area(), chart, &x, &y)?;
    let letters = (FAMILY, LETTERS).into_font().color(&INK);
    let nearest = |height: f64| {
        let distance = |y: &f64| (scale.height(*y) - height).abs();
        marks.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(height)
    };
    context
        .configure_mesh()
        .x_desc(chart.x_label.clone())
        .y_desc(chart.y_label.clone())
        .axis_desc_style(letters.clone())
        .label_style(letters)
        .x_label_formatter(&|x| mark_label(*x))
        .y_label_formatter(&|height| mark_label(nearest(*height)))
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .draw()
        .map_err(failed)?;
    let area = context.plotting_area();
    draw_stages(area, chart, &x, &y)?;
    draw_marks(area, chart, &x, &y)?;
    chart.curves.iter().try_for_each(|curve| draw_curve(area, chart, curve, &y))
}

/// Shades the fade-ins.
fn draw_fades<DB: DrawingBackend>(
    area: &Area<DB>,
    chart: &Chart,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Result<()> {
    for stage in &chart.stages {
        let (from, to) = (stage.start.max(x.start), stage.faded.min(x.end));
        if to > from {
            let shade = Rectangle::new([(from, y.start), (to, y.end)], SHADE.filled());
            area.draw(&shade).map_err(failed)?;
        }
    }
    Ok(())
}

/// Labels beside vertical lines, in rows, so that none overlaps another.
struct Rows {
    lettering: Lettering,
    /// The end of the last label of each row.
    ends: Vec<i32>,
}

impl Rows {
    fn new() -> Self {
        Self { lettering: Lettering::new(SMALL as f32), ends: Vec::new() }
    }

    /// The distance of a label from its line at pixel column `at`, `gap` to the right or, at the edge of the plot,
    /// to the left; and its row.
    fn beside<DB: DrawingBackend>(&mut self, area: &Area<DB>, at: i32, label: &str, gap: i32) -> (i32, i32) {
        let width = self.lettering.width(label) as i32;
        let right = area.get_pixel_range().0.end;
        let shift = if at + gap + width > right { -gap - width } else { gap };
        (shift, self.place(at + shift, at + shift + width + 6))
    }

    /// The first row in which `start..end` is free.
    fn place(&mut self, start: i32, end: i32) -> i32 {
        let row = self.ends.iter().position(|used| *used <= start).unwrap_or(self.ends.len());
        if row == self.ends.len() {
            self.ends.push(end);
        } else {
            self.ends[row] = end;
        }
        row as i32
    }
}

/// The pixel column of a place.
fn column<DB: DrawingBackend>(area: &Area<DB>, x: &Range<f64>, kimg: f64) -> i32 {
    let (columns, _) = area.get_pixel_range();
    let share = (kimg - x.start) / (x.end - x.start);
    columns.start + (share * f64::from(columns.end - columns.start)) as i32
}

/// A dashed line at the beginning of each level, with its resolution below the upper edge.
fn draw_stages<DB: DrawingBackend>(
    area: &Area<DB>,
    chart: &Chart,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Result<()> {
    let letters = (FAMILY, SMALL).into_font().color(&INK);
    let mut rows = Rows::new();
    for stage in chart.stages.iter().filter(|stage| stage.start < x.end) {
        if stage.start > x.start {
            let line = DashedPathElement::new([(stage.start, y.start), (stage.start, y.end)], 4, 4, FAINT);
            area.draw(&line).map_err(failed)?;
        }
        let label = format!("{0}x{0}", stage.resolution());
        let kimg = stage.start.max(x.start);
        let (shift, row) = rows.beside(area, column(area, x, kimg), &label, 5);
        let text = Text::new(label, (shift, 4 + ROW * row), letters.clone());
        area.draw(&(EmptyElement::at((kimg, y.end)) + text)).map_err(failed)?;
    }
    Ok(())
}

/// A dotted line at each event, with its caption above the lower edge.
fn draw_marks<DB: DrawingBackend>(
    area: &Area<DB>,
    chart: &Chart,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Result<()> {
    let letters = (FAMILY, SMALL).into_font().color(&INK);
    let mut rows = Rows::new();
    for mark in chart.marks.iter().filter(|mark| x.contains(&mark.kimg)) {
        let line = DashedPathElement::new([(mark.kimg, y.start), (mark.kimg, y.end)], 2, 3, INK);
        area.draw(&line).map_err(failed)?;
        let (shift, row) = rows.beside(area, column(area, x, mark.kimg), &mark.caption, 4);
        let text = Text::new(mark.caption.clone(), (shift, -ROW * (row + 1) - 2), letters.clone());
        area.draw(&(EmptyElement::at((mark.kimg, y.start)) + text)).map_err(failed)?;
    }
    Ok(())
}

/// The raw curve, the smoothed one on top, and dots where there are few values.
fn draw_curve<DB: DrawingBackend>(
    area: &Area<DB>,
    chart: &Chart,
    curve: &Curve,
    y: &Range<f64>,
) -> Result<()> {
    let colour = colour(chart, curve);
    let heights = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().map(|&(x, value)| (x, chart.scale.height(value).clamp(y.start, y.end))).collect()
    };
    let (raw, smooth) = (heights(&curve.raw), heights(&curve.smooth));
    if raw != smooth {
        area.draw(&PathElement::new(thinned(&raw), colour.mix(0.25).stroke_width(1))).map_err(failed)?;
    }
    let stroke = colour.stroke_width(2);
    if chart.several_runs && curve.key % 2 == 1 {
        area.draw(&DashedPathElement::new(thinned(&smooth), 8, 5, stroke)).map_err(failed)?;
    } else {
        area.draw(&PathElement::new(thinned(&smooth), stroke)).map_err(failed)?;
    }
    if raw.len() <= MOST_DOTS {
        for point in raw {
            area.draw(&Circle::new(point, 3, colour.filled())).map_err(failed)?;
        }
    }
    Ok(())
}

/// About [`MOST_POINTS`] points with the same outline: the lowest and the highest of every group, in
/// order.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let group = points.len().div_ceil(MOST_POINTS / 2);
    let mut kept = Vec::with_capacity(MOST_POINTS + 2);
    for chunk in points.chunks(group) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (chunk.iter().min_by(by_height), chunk.iter().max_by(by_height)) else {
            continue;
        };
        kept.extend(if low.0 <= high.0 { [*low, *high] } else { [*high, *low] });
    }
    kept
}

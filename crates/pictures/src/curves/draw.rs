//! Rendering of a chart on a plotters backend.

use std::ops::Range;
use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::chart::{Chart, Curve};
use super::scale::{Scale, linear_marks, mark_label};
use crate::lettering::{FONT, Lettering};
use t2f_data::Image;

use crate::error::{Error, Result};

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
const INK: RGBColor = RGBColor(60, 60, 60);
const FAMILY: &str = "DejaVu Sans, sans-serif";
const LETTERS: u32 = 14;
const LEGEND_LINE: i32 = 22;
/// The approximate maximum of a curve's points, two for each column of pixels.
const MOST_POINTS: usize = 2000;

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

pub(super) fn svg(chart: &Chart) -> Result<String> {
    let mut text = String::new();
    onto(&SVGBackend::with_string(&mut text, chart.size).into_drawing_area(), chart)?;
    Ok(text)
}

pub(super) fn picture(chart: &Chart) -> Result<Image> {
    let (width, height) = chart.size;
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    onto(&BitMapBackend::with_buffer(&mut pixels, chart.size).into_drawing_area(), chart)?;
    Ok(Image { width: width as usize, height: height as usize, pixels })
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Plot(error.to_string())
}

fn onto<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, chart: &Chart) -> Result<()> {
    if !*REGISTERED {
        return Err(Error::Plot("the embedded font is damaged".into()));
    }
    root.fill(&WHITE).map_err(failed)?;
    let legend = legend_layout(chart);
    let legend_height = legend.last().map_or(0, |(_, y)| y + LEGEND_LINE) + 10;
    let (top, body) = root.split_vertically(legend_height);
    draw_legend(&top, chart, &legend)?;

    let (left, right) = x_range(chart);
    let (low, high) = y_range(chart);
    let x_axis = Axis { range: left..right, marks: linear_marks(left, right, 10.0) };
    let scale = chart.scale;
    let marks = scale.marks(low, high);
    let y_axis = Axis { range: low..high, marks: marks.iter().map(|&y| scale.height(y)).collect() };
    let mut context = ChartBuilder::on(&body)
        .margin_right(24)
        .margin_bottom(6)
        .x_label_area_size(46)
        .y_label_area_size(72)
        .build_cartesian_2d(x_axis, y_axis)
        .map_err(failed)?;

    let area = context.plotting_area();
    for stage in &chart.stages {
        let (from, to) = (stage.start.max(left), stage.faded.min(right));
        if to > from {
            area.draw(&Rectangle::new([(from, low), (to, high)], RGBColor(235, 235, 240).filled()))
                .map_err(failed)?;
        }
    }
    let letters = (FAMILY, LETTERS).into_font().color(&INK);
    let nearest = |height: f64| {
        let distance = |y: &f64| (scale.height(*y) - height).abs();
        marks.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(height)
    };
    context
        .configure_mesh()
        .x_desc("kimg (thousands of real images shown)")
        .axis_desc_style(letters.clone())
        .label_style(letters.clone())
        .x_label_formatter(&|x| mark_label(*x))
        .y_label_formatter(&|height| mark_label(nearest(*height)))
        .bold_line_style(RGBColor(215, 215, 215))
        .light_line_style(TRANSPARENT)
        .axis_style(RGBColor(130, 130, 130))
        .draw()
        .map_err(failed)?;

    let area = context.plotting_area();
    for stage in &chart.stages {
        if stage.start > left && stage.start < right {
            let line = DashedPathElement::new(
                [(stage.start, low), (stage.start, high)],
                4,
                4,
                RGBColor(130, 130, 130),
            );
            area.draw(&line).map_err(failed)?;
        }
        if stage.start < right {
            let label = format!("{0}x{0}", stage.resolution());
            let text = Text::new(label, (5, 4), letters.clone());
            area.draw(&(EmptyElement::at((stage.start.max(left), high)) + text)).map_err(failed)?;
        }
    }
    draw_marks(area, chart, left..right, low..high)?;
    for curve in &chart.curves {
        let colour = colour(chart, curve);
        let heights = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            points.iter().map(|&(x, y)| (x, scale.height(y).clamp(low, high))).collect()
        };
        let raw = thinned(&heights(&curve.raw));
        let smooth = thinned(&heights(&curve.smooth));
        if raw != smooth {
            context.draw_series(LineSeries::new(raw, colour.mix(0.25).stroke_width(1))).map_err(failed)?;
        }
        let stroke = colour.stroke_width(2);
        if chart.several_runs && curve.key % 2 == 1 {
            context.draw_series(DashedLineSeries::new(smooth, 8, 5, stroke)).map_err(failed)?;
        } else {
            context.draw_series(LineSeries::new(smooth, stroke)).map_err(failed)?;
        }
    }
    root.present().map_err(failed)
}

/// A dotted line at each change of settings, with its caption above the lower edge; captions that would
/// overlap are in several rows.
fn draw_marks<DB: DrawingBackend, X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    area: &DrawingArea<DB, Cartesian2d<X, Y>>,
    chart: &Chart,
    x: Range<f64>,
    y: Range<f64>,
) -> Result<()> {
    const SIZE: u32 = 12;
    const ROW: i32 = 15;
    let letters = (FAMILY, SIZE).into_font().color(&INK);
    let lettering = Lettering::new(SIZE as f32);
    let (columns, _) = area.get_pixel_range();
    let place = |kimg: f64| {
        let share = (kimg - x.start) / (x.end - x.start);
        columns.start + (share * f64::from(columns.end - columns.start)) as i32
    };
    let mut ends: Vec<i32> = Vec::new();
    for mark in chart.marks.iter().filter(|mark| x.contains(&mark.kimg)) {
        let line = DashedPathElement::new([(mark.kimg, y.start), (mark.kimg, y.end)], 2, 3, INK);
        area.draw(&line).map_err(failed)?;
        let (at, width) = (place(mark.kimg), lettering.width(&mark.caption) as i32);
        let shift = if at + 4 + width > columns.end { -4 - width } else { 4 };
        let (start, end) = (at + shift, at + shift + width + 6);
        let row = ends.iter().position(|used| *used <= start).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(end)
        } else {
            ends[row] = end
        }
        let text = Text::new(mark.caption.clone(), (shift, -ROW * (row as i32 + 1) - 2), letters.clone());
        area.draw(&(EmptyElement::at((mark.kimg, y.start)) + text)).map_err(failed)?;
    }
    Ok(())
}

fn colour(chart: &Chart, curve: &Curve) -> RGBColor {
    let index = if !chart.several_runs {
        curve.key
    } else if chart.key_count <= 2 {
        curve.run
    } else {
        curve.run * chart.key_count + curve.key
    };
    COLOURS[index % COLOURS.len()]
}

/// The positions of the legend's entries, left to right and then down.
fn legend_layout(chart: &Chart) -> Vec<(i32, i32)> {
    let letters = Lettering::new(LETTERS as f32);
    let (mut x, mut y) = (76, 8);
    let mut places = Vec::new();
    for curve in &chart.curves {
        let width = 34 + letters.width(&curve.label) as i32 + 22;
        if x > 76 && x + width > chart.size.0 as i32 {
            (x, y) = (76, y + LEGEND_LINE);
        }
        places.push((x, y));
        x += width;
    }
    places
}

fn draw_legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    chart: &Chart,
    places: &[(i32, i32)],
) -> Result<()> {
    let letters = (FAMILY, LETTERS).into_font().color(&INK);
    let title = match chart.scale {
        Scale::Linear => "",
        Scale::Log => "log scale",
        Scale::SymmetricLog => "sym. log",
    };
    area.draw(&Text::new(title, (6, 12), letters.clone())).map_err(failed)?;
    for (curve, &(x, y)) in chart.curves.iter().zip(places) {
        let middle = y + LEGEND_LINE / 2;
        let stroke = colour(chart, curve).stroke_width(3);
        if chart.several_runs && curve.key % 2 == 1 {
            let line = DashedPathElement::new([(x, middle), (x + 26, middle)], 8, 5, stroke);
            area.draw(&line).map_err(failed)?;
        } else {
            area.draw(&PathElement::new([(x, middle), (x + 26, middle)], stroke)).map_err(failed)?;
        }
        area.draw(&Text::new(curve.label.clone(), (x + 34, y + 4), letters.clone())).map_err(failed)?;
    }
    Ok(())
}

fn x_range(chart: &Chart) -> (f64, f64) {
    let xs = || chart.curves.iter().flat_map(|curve| &curve.raw).map(|point| point.0);
    let (left, right) = (xs().fold(f64::INFINITY, f64::min).min(0.0), xs().fold(f64::NEG_INFINITY, f64::max));
    if right > left { (left, right) } else { (left, left + 1.0) }
}

/// The range of the smoothed curves and of the middle 99 % of the raw values; an outlier is clamped to the
/// edge and does not compress the other values.
fn y_range(chart: &Chart) -> (f64, f64) {
    let mut raw: Vec<f64> =
        chart.curves.iter().flat_map(|curve| &curve.raw).map(|p| chart.scale.height(p.1)).collect();
    raw.sort_by(f64::total_cmp);
    let tail = raw.len() / 200;
    let smooth = || chart.curves.iter().flat_map(|curve| &curve.smooth).map(|p| chart.scale.height(p.1));
    let low = smooth().fold(raw[tail], f64::min);
    let high = smooth().fold(raw[raw.len() - 1 - tail], f64::max);
    let room = if high > low { 0.06 * (high - low) } else { 0.5 };
    (low - room, high + room)
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

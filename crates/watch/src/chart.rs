//! Curves in a terminal, in Braille dots.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};
use t2f_pictures::curves::{Group, KIMG, RunRows};

/// The colours of curves, of Okabe and Ito's palette, for all types of colour vision.
pub(crate) const COLOURS: [Color; 7] = [
    Color::Rgb(86, 180, 233),
    Color::Rgb(230, 159, 0),
    Color::Rgb(0, 158, 115),
    Color::Rgb(204, 121, 167),
    Color::Rgb(213, 94, 0),
    Color::Rgb(240, 228, 66),
    Color::Rgb(150, 150, 150),
];

/// Draws the statistics of a group over the images shown. With `log` the vertical axis is logarithmic, if all
/// values are above 0.
pub(crate) fn draw(frame: &mut Frame, area: Rect, rows: &RunRows, group: &Group, log: bool) {
    let curves: Vec<Vec<(f64, f64)>> = group.keys.iter().map(|key| points(rows, key)).collect();
    let log = log && curves.iter().flatten().all(|point| point.1 > 0.0);
    let height = |y: f64| if log { y.log10() } else { y };
    let value = |height: f64| if log { 10f64.powf(height) } else { height };
    let curves: Vec<Vec<(f64, f64)>> =
        curves.iter().map(|curve| curve.iter().map(|&(x, y)| (x, height(y))).collect()).collect();
    let [left, right] = bounds(curves.iter().flatten().map(|point| point.0), 0.0);
    let [low, high] = bounds(curves.iter().flatten().map(|point| point.1), 0.05);
    let sets = group.keys.iter().zip(&curves).zip(COLOURS.iter().cycle()).map(|((key, curve), colour)| {
        let kind = if curve.len() == 1 { GraphType::Scatter } else { GraphType::Line };
        Dataset::default()
            .name(name_of(key).to_owned())
            .marker(Marker::Braille)
            .graph_type(kind)
            .style(Style::new().fg(*colour))
            .data(curve)
    });
    let axis = |bounds: [f64; 2], labels: Vec<String>| {
        Axis::default().bounds(bounds).labels(labels).style(Style::new().dark_gray())
    };
    let heights = [low, (low + high) / 2.0, high].map(|height| label(value(height))).into();
    let title = if log { format!(" {}, logarithmic ", group.title) } else { format!(" {} ", group.title) };
    let chart = Chart::new(sets.collect())
        .block(Block::bordered().border_style(Style::new().dark_gray()).title(Line::from(title).bold()))
        .x_axis(axis([left, right], vec![label(left), format!("{} kimg", label(right))]))
        .y_axis(axis([low, high], heights));
    frame.render_widget(chart, area);
}

/// The points of a statistic.
fn points(rows: &RunRows, key: &str) -> Vec<(f64, f64)> {
    let point = |row: &t2f_pictures::curves::StatsRow| Some((*row.get(KIMG)?, *row.get(key)?));
    rows.rows.iter().filter_map(point).filter(|point| point.1.is_finite()).collect()
}

/// The name of a statistic without its group.
pub(crate) fn name_of(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, name)| name)
}

/// The range of values with a margin, and of one value a range about it.
fn bounds(values: impl Iterator<Item = f64>, margin: f64) -> [f64; 2] {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    if low > high {
        return [0.0, 1.0];
    }
    let room = match high - low {
        0.0 => 0.1 * low.abs().max(1e-3),
        range => margin * range,
    };
    [low - room, high + room]
}

/// A number of about four characters.
pub(crate) fn label(y: f64) -> String {
    match y.abs() {
        0.0 => "0".into(),
        size if !(1e-3..1e5).contains(&size) => format!("{y:.1e}"),
        size if size < 0.1 => format!("{y:.4}"),
        size if size < 10.0 => format!("{y:.2}"),
        size if size < 100.0 => format!("{y:.1}"),
        _ => format!("{y:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_room_and_a_constant_has_a_range() {
        assert_eq!(bounds([1.0, 3.0].into_iter(), 0.5), [0.0, 4.0]);
        assert_eq!(bounds([2.0, 2.0].into_iter(), 0.05), [1.8, 2.2]);
        assert_eq!(bounds(std::iter::empty(), 0.05), [0.0, 1.0]);
    }

    #[test]
    fn labels_are_short() {
        let labels: Vec<String> = [0.0, 0.00001, 0.0123, 0.5, -12.34, 480.2, 2e6].map(label).into();
        assert_eq!(labels, ["0", "1.0e-5", "0.0123", "0.50", "-12.3", "480", "2.0e6"]);
        assert_eq!(name_of("Loss/D/total"), "D/total");
    }
}

//! The page: progress at the top, curves and values below it, faces and log at the bottom.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, LineGauge, Paragraph, Row, Table};
use t2f_pictures::curves::{Group, groups};

use crate::faces::Pictures;
use crate::run::Watched;
use crate::{chart, faces};

/// Columns of the values beside the curves.
const VALUES: u16 = 34;
/// Rows of the bottom with room for faces.
const BOTTOM: u16 = 14;
/// A run whose last row is older than this, in seconds, and many ticks is not called live.
const OLD: u64 = 120;

/// What the reader has selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The number of the group of curves; it wraps around.
    group: i64,
    log: bool,
}

impl View {
    /// Selects the next group of curves.
    pub fn next(&mut self) {
        self.group += 1;
    }

    /// Selects the previous group of curves.
    pub fn previous(&mut self) {
        self.group -= 1;
    }

    /// Changes between a linear and a logarithmic vertical axis.
    pub fn toggle_log(&mut self) {
        self.log = !self.log;
    }
}

/// Draws the page.
pub fn draw(frame: &mut Frame, run: &Watched, view: &View, pictures: &mut Pictures) {
    let area = frame.area();
    let bottom = if area.height >= 24 { (area.height / 3).max(BOTTOM) } else { 0 };
    let rows = [Constraint::Length(3), Constraint::Min(6), Constraint::Length(bottom), Constraint::Length(1)];
    let [top, middle, lower, keys] = Layout::vertical(rows).areas(area);
    progress(frame, top, run);
    let all = groups(std::slice::from_ref(&run.rows));
    if all.is_empty() {
        let text = "No statistics yet: the first row is written after the first tick.";
        frame.render_widget(Paragraph::new(text).dark_gray().block(bordered("")), middle);
    } else {
        let at = view.group.rem_euclid(all.len() as i64) as usize;
        let wide = if area.width >= 80 { VALUES } else { 0 };
        let [left, right] = Layout::horizontal([Constraint::Min(20), Constraint::Length(wide)]).areas(middle);
        chart::draw(frame, left, &run.rows, &all[at], view.log);
        values(frame, right, run, &all[at]);
    }
    below(frame, lower, run, pictures);
    let position = if all.is_empty() { String::new() } else { format!("  ({} groups)", all.len()) };
    let help = format!(" q leave   \u{2190} \u{2192} other curves{position}   l logarithmic axis");
    frame.render_widget(Line::from(help).dark_gray(), keys);
}

fn bordered(title: &str) -> Block<'static> {
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    Block::bordered().border_style(Style::new().dark_gray()).title(Line::from(title).bold())
}

/// The name of the run, the share of its schedule, and the state of the training.
fn progress(frame: &mut Frame, area: Rect, run: &Watched) {
    let [first, second, _] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(1)]).areas(area);
    let (kimg, done) = (run.kimg(), share(run));
    let state = match run.age {
        _ if done.is_some_and(|done| done >= 1.0) => Span::from("finished").green(),
        None => Span::from("not begun").yellow(),
        Some(age) if age > Duration::from_secs(OLD).max(10 * tick(run)) => {
            Span::from(format!("no row for {}", duration(age))).yellow()
        }
        Some(age) => Span::from(format!("live, last row {} ago", duration(age))).green(),
    };
    let name = Line::from(vec![Span::from(format!(" {} ", run.name)).bold(), Span::from("  "), state]);
    frame.render_widget(name, first);
    let shown = match run.total_kimg {
        Some(total) => format!(" {kimg:.1} of {total:.1} kimg "),
        None => format!(" {kimg:.1} kimg "),
    };
    let mut text = shown;
    if let Some(level) = run.newest("Progress/level") {
        let side = 4u64 << (level as u32).min(20);
        text += &format!("  {side}x{side}");
    }
    for (key, name, digits) in [
        ("Progress/alpha", "alpha", 2),
        ("Timing/images_per_sec", "images/s", 1),
        ("Timing/memory_mib", "MiB", 0),
        ("Progress/augment", "augmentation", 2),
    ] {
        if let Some(value) = run.newest(key) {
            let number = format!("{value:.digits$}");
            text += &match name {
                "alpha" | "augmentation" => format!("   {name} {number}"),
                unit => format!("   {number} {unit}"),
            };
        }
    }
    let [words, bar] =
        Layout::horizontal([Constraint::Length(text.chars().count() as u16 + 2), Constraint::Min(10)])
            .areas(second);
    frame.render_widget(Line::from(text), words);
    if let Some(done) = done {
        let gauge = LineGauge::default().ratio(done.clamp(0.0, 1.0)).filled_style(Style::new().cyan());
        frame.render_widget(gauge, bar);
    }
}

/// The part of the schedule that is done.
fn share(run: &Watched) -> Option<f64> {
    run.total_kimg.map(|total| run.kimg() / total)
}

/// The time between the last two rows.
fn tick(run: &Watched) -> Duration {
    let mut times = run.rows.rows.iter().rev().filter_map(|row| row.get("Timing/seconds"));
    let last = times.next().copied().unwrap_or(0.0);
    Duration::from_secs_f64(last.clamp(0.0, 1e6))
}

/// `42 s`, `3 min` or `5.2 h`.
fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// The newest value of each statistic of the group.
fn values(frame: &mut Frame, area: Rect, run: &Watched, group: &Group) {
    let rows = group.keys.iter().zip(chart::COLOURS.iter().cycle()).map(|(key, colour)| {
        let value = run.newest(key).map_or_else(|| "-".into(), chart::label);
        let name = Span::styled(chart::name_of(key).to_owned(), Style::new().fg(*colour));
        Row::new([Line::from(name), Line::from(value).right_aligned()])
    });
    let table =
        Table::new(rows, [Constraint::Min(10), Constraint::Length(9)]).block(bordered("Newest values"));
    frame.render_widget(table, area);
}

/// Faces and the end of the log.
fn below(frame: &mut Frame, area: Rect, run: &Watched, pictures: &mut Pictures) {
    if area.height < 3 {
        return;
    }
    let faces_width = match &run.faces {
        Some((_, faces)) if !faces.is_empty() => (area.width * 3 / 5).max(24).min(area.width),
        _ => 0,
    };
    let [left, right] = Layout::horizontal([Constraint::Length(faces_width), Constraint::Min(0)]).areas(area);
    if let (Some((name, images)), true) = (&run.faces, faces_width > 0) {
        let block = bordered(&format!("Newest faces, {name}"));
        let inner = block.inner(left);
        frame.render_widget(block, left);
        faces::draw(pictures, name, images, inner, frame.buffer_mut());
    }
    let lines: Vec<Line> = run.log.iter().map(|line| Line::from(line.as_str())).collect();
    let log = Paragraph::new(lines).style(Style::new().fg(Color::Gray)).block(bordered("Log"));
    frame.render_widget(log, right);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        let of = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([of(0), of(119), of(120), of(7200)], ["0 s", "119 s", "2 min", "2.0 h"]);
    }
}

//! The progress display of a run: a bar on a terminal, plain lines elsewhere, and the same lines in the
//! run's `log.txt`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::terminal;

/// The status of a run.
#[derive(Clone, Debug)]
pub struct Status<'a> {
    /// 0 is 4x4.
    pub level: usize,
    /// Pixels on a side.
    pub resolution: usize,
    /// Weight of the newest level, in `[0, 1]`.
    pub alpha: f64,
    /// Images shown so far.
    pub images: u64,
    /// Number of images of the whole schedule.
    pub total_images: u64,
    /// Averages of the losses, by key.
    pub losses: &'a BTreeMap<String, f64>,
    /// Images per second.
    pub images_per_sec: f64,
}

impl Status<'_> {
    /// Level, alpha and losses.
    fn state(&self) -> String {
        let loss = |key: &str| match self.losses.get(key) {
            Some(value) => format!("{value:.3}"),
            None => "-".into(),
        };
        let (level, resolution, alpha) = (self.level, self.resolution, self.alpha);
        let (d, g) = (loss("Loss/D/total"), loss("Loss/G/total"));
        format!("level {level} ({resolution}x{resolution})  alpha {alpha:.2}  loss D {d}  G {g}")
    }

    /// kimg, throughput and remaining time.
    fn pace(&self) -> String {
        let kimg = |images: u64| images as f64 / 1000.0;
        let left = self.total_images.saturating_sub(self.images) as f64 / self.images_per_sec;
        let (now, all) = (kimg(self.images), kimg(self.total_images));
        format!("kimg {now:.1}/{all:.1}  {:.0} img/s  {} left", self.images_per_sec, duration(left))
    }

    /// One plain line.
    pub fn line(&self) -> String {
        format!("{}  {}", self.pace(), self.state())
    }
}

/// Seconds as `42s`, `3m 07s`, `5h 12m` or `2d 03h`; `?` if unknown.
pub fn duration(seconds: f64) -> String {
    if !(0.0..1e9).contains(&seconds) {
        return "?".into();
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {:02}h", s / 86400, s % 86400 / 3600),
    }
}

/// A bar or plain lines, with a log.
#[derive(Debug)]
pub struct Display {
    bar: Option<ProgressBar>,
    log: Option<File>,
}

impl Display {
    /// A bar if standard error is a terminal and `plain` is false.
    pub fn new(plain: bool) -> Self {
        let bar = (!plain && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3}%  {prefix}\n{msg}") {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Self { bar, log: None }
    }

    /// Also appends all later lines to a log.
    pub fn log_to(&mut self, log: File) {
        self.log = Some(log);
    }

    /// Moves the bar between two statuses.
    pub fn position(&mut self, images: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(images);
        }
    }

    /// Sets the length of the bar.
    pub fn total(&mut self, images: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(images);
        }
    }

    /// Shows the status of the run.
    pub fn status(&mut self, status: &Status) {
        self.write_log(&status.line());
        match &self.bar {
            Some(bar) => {
                bar.set_position(status.images);
                bar.set_prefix(status.pace());
                bar.set_message(status.state());
            }
            None => terminal::note(&status.line()),
        }
    }

    /// Shows an event.
    pub fn note(&mut self, line: &str) {
        self.write_log(line);
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::note(line)),
            None => terminal::note(line),
        }
    }

    /// Ends the bar at its present position.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }

    fn write_log(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{line}");
        }
    }
}

/// A bar of a number of pictures, on a terminal.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar if standard error is a terminal and there are more than `few` pictures.
    pub fn new(pictures: usize, few: usize) -> Self {
        let bar = (pictures > few && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(pictures as u64);
            let style =
                ProgressStyle::with_template("{bar:32} {percent:>3}%  {pos}/{len} pictures  {eta} left");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Self(bar)
    }

    /// Counts a picture.
    pub fn advance(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Prints beside the bar.
    pub fn beside(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_kimg_throughput_time_left_level_alpha_and_losses() {
        let losses =
            BTreeMap::from([("Loss/D/total".to_string(), 1.2345), ("Loss/G/total".to_string(), 0.5)]);
        let status = Status {
            level: 3,
            resolution: 32,
            alpha: 0.456,
            images: 12_340,
            total_images: 60_000,
            losses: &losses,
            images_per_sec: 400.0,
        };
        let wanted =
            "kimg 12.3/60.0  400 img/s  1m 59s left  level 3 (32x32)  alpha 0.46  loss D 1.234  G 0.500";
        assert_eq!(status.line(), wanted);
        let losses = BTreeMap::new();
        let unknown = Status { losses: &losses, images_per_sec: 0.0, ..status };
        assert!(unknown.line().contains("loss D -") && unknown.line().contains("? left"));
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let texts: Vec<String> = [0.4, 59.0, 187.0, 18_720.0, 183_600.0, f64::INFINITY].map(duration).into();
        assert_eq!(texts, ["0s", "59s", "3m 07s", "5h 12m", "2d 03h", "?"]);
    }
}

//! The progress display of a run: a bar on a terminal, plain lines elsewhere, and the same lines in the
//! run's `log.txt`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// Seconds that the rest of the schedule takes, if known.
    pub seconds_left: Option<f64>,
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
        let left = self.seconds_left.map_or("?".into(), duration);
        let (now, all) = (kimg(self.images), kimg(self.total_images));
        format!("kimg {now:.1}/{all:.1}  {:.0} img/s  {left} left", self.images_per_sec)
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

/// A time in UTC as `2026-11-29 14:03:07`; times before 1970 as its begin.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The Gregorian calendar repeats every 146097 days, 400 years. Years begin in March, so that the leap day
    // is the last (H. Hinnant, chrono-compatible low-level date algorithms, civil_from_days).
    let days = days + 719_468; // since the 1st of March of the year 0
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    let day = day - (153 * from_march + 2) / 5 + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
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

    /// Also appends all later lines to a log, each with the time of day in UTC.
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
            let _ = writeln!(log, "{} {line}", utc(SystemTime::now()));
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
            seconds_left: Some(119.15),
        };
        let wanted =
            "kimg 12.3/60.0  400 img/s  1m 59s left  level 3 (32x32)  alpha 0.46  loss D 1.234  G 0.500";
        assert_eq!(status.line(), wanted);
        let losses = BTreeMap::new();
        let unknown = Status { losses: &losses, seconds_left: None, ..status };
        assert!(unknown.line().contains("loss D -") && unknown.line().contains("? left"));
    }

    #[test]
    fn times_are_dates_of_the_gregorian_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (1_795_961_081, "2026-11-29 14:04:41"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + std::time::Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let texts: Vec<String> = [0.4, 59.0, 187.0, 18_720.0, 183_600.0, f64::INFINITY].map(duration).into();
        assert_eq!(texts, ["0s", "59s", "3m 07s", "5h 12m", "2d 03h", "?"]);
    }
}

//! A run folder as the dashboard reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use t2f_data::Image;
use t2f_pictures::curves::{self, KIMG, RunRows};
use t2f_pictures::{picture, sheet, timelapse};
use t2f_train::config::Config;
use t2f_train::schedule::Schedule;

use crate::error::{Error, Result};

/// Lines of the log that are kept.
const LOG_LINES: usize = 8;

/// The content of a run folder at one time.
#[derive(Clone, Debug)]
pub struct Watched {
    path: PathBuf,
    /// The name of the run.
    pub(crate) name: String,
    /// The statistics.
    pub(crate) rows: RunRows,
    /// The thousands of images of the whole schedule, if it is in images.
    pub(crate) total_kimg: Option<f64>,
    /// The side of the largest images in pixels.
    resolution: usize,
    /// The last lines of the log.
    pub(crate) log: Vec<String>,
    /// The faces of the first row of the newest sample sheet, and the name of the sheet.
    pub(crate) faces: Option<(String, Vec<Image>)>,
    /// The time since the last line of the statistics.
    pub(crate) age: Option<Duration>,
    stamps: Vec<(u64, Option<SystemTime>)>,
}

impl Watched {
    /// Reads a run folder.
    ///
    /// # Errors
    /// If it is not a run, or a file of it cannot be read.
    pub fn open(run: &Path) -> Result<Self> {
        let file = run.join("config.toml");
        if !file.is_file() {
            return Err(Error::NoRun(run.to_owned()));
        }
        let config = Config::from_file(&file)?;
        let resolution = config.gan.resolution;
        let levels = resolution.trailing_zeros().saturating_sub(2) as usize;
        // A schedule in epochs has a length that depends on the data.
        let schedule = Schedule::new(&config.schedule, levels, 0).ok();
        let total = schedule.map(|schedule| schedule.total_images() as f64 / 1000.0);
        let whole = fs::canonicalize(run)?;
        let name = whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        let empty = RunRows { name: name.clone(), rows: Vec::new(), marks: Vec::new() };
        let mut watched = Self {
            path: run.to_owned(),
            name,
            rows: empty,
            total_kimg: total.filter(|total| *total > 0.0),
            resolution,
            log: Vec::new(),
            faces: None,
            age: None,
            stamps: Vec::new(),
        };
        watched.refresh()?;
        Ok(watched)
    }

    /// Reads what has changed.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn refresh(&mut self) -> Result<()> {
        let stats = self.path.join("stats.jsonl");
        let (stamp, log) = (stamp(&stats), self.path.join("log.txt"));
        self.age = stamp.1.and_then(|time| SystemTime::now().duration_since(time).ok());
        let stamps = vec![stamp, self::stamp(&log)];
        if stamps == self.stamps {
            return Ok(());
        }
        if stats.exists() {
            self.rows = curves::rows_of_run(&self.path)?;
        }
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        self.log = lines.iter().rev().take(LOG_LINES).rev().map(|line| (*line).to_owned()).collect();
        self.faces = self.newest_faces();
        self.stamps = stamps;
        Ok(())
    }

    /// The same without faces.
    #[must_use]
    pub fn without_faces(mut self) -> Self {
        self.faces = None;
        self
    }

    /// The newest value of a statistic.
    pub(crate) fn newest(&self, key: &str) -> Option<f64> {
        self.rows.newest(key)
    }

    /// The thousands of images that were shown.
    pub(crate) fn kimg(&self) -> f64 {
        self.newest(KIMG).unwrap_or(0.0)
    }

    /// The newest sheet may be replaced while it is read: then there are no faces until the next reading.
    fn newest_faces(&self) -> Option<(String, Vec<Image>)> {
        let file = timelapse::sheets(&self.path).ok()?.pop()?.path;
        let sheet = picture::read(&file).ok()?;
        let name = file.file_name()?.to_string_lossy().into_owned();
        Some((name, sheet::first_row(&sheet, self.resolution)))
    }
}

/// Length and time of a file; 0 without one.
fn stamp(file: &Path) -> (u64, Option<SystemTime>) {
    fs::metadata(file).map_or((0, None), |about| (about.len(), about.modified().ok()))
}

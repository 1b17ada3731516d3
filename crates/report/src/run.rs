//! A run folder as a report reads it: nothing is locked or changed, so that the run may go on.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use t2f_files::json_lines;
use t2f_pictures::curves::{RunRows, StatsRow, events};
use t2f_pictures::run_log::{self, Entry};
use t2f_pictures::timelapse::{Sheet, sheets};
use t2f_train::checkpoint_record::{self, Record};
use t2f_train::config::Config;
use t2f_train::trainer::{Evaluation, Progress};
use toml::Table;

use crate::error::{Error, Result};
use crate::portable;

/// A run.
#[derive(Debug)]
pub struct Run {
    pub(crate) path: PathBuf,
    /// The name of the folder.
    pub(crate) name: String,
    pub(crate) config: Config,
    /// The configuration without paths of the machine, and the keys of these paths.
    pub(crate) portable: Table,
    pub(crate) moved: Vec<String>,
    pub(crate) overrides: Vec<String>,
    /// The statistics, with the events of the log.
    pub(crate) curves: RunRows,
    /// The faults of damaged lines of the statistics.
    pub(crate) faults: Vec<String>,
    /// The log without paths of the machine.
    pub(crate) log: Vec<Entry>,
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) measurements: Vec<Measurement>,
    /// The checkpoints, the oldest first.
    pub(crate) checkpoints: Vec<Record>,
    /// The progress at the newest checkpoint.
    pub(crate) progress: Option<Progress>,
    /// The evaluation of the model in `best/`.
    pub(crate) best: Option<Evaluation>,
}

/// A line of `metric-*.jsonl`, which `t2f metrics` wrote.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    pub(crate) split: String,
    pub(crate) n: u64,
    pub(crate) kimg: f64,
}

impl Run {
    /// Reads a run folder. Statistics, samples, checkpoints and log may be missing.
    ///
    /// # Errors
    /// If the folder has no `config.toml`, or a file of it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join("config.toml");
        if !file.is_file() {
            return Err(Error::NotARun(path.to_owned()));
        }
        let config = Config::from_file(&file)?;
        let name = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = name.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned());
        let mut table: Table =
            config.to_toml()?.parse().map_err(|error| Error::encoding("config.toml", error))?;
        let moved = portable::settings(&mut table);
        let (rows, faults) = statistics(path)?;
        let entries = run_log::entries(path);
        let marks = events(&rows, &run_log::continuations(&entries));
        let checkpoints = checkpoint_record::records(&path.join("checkpoints"))?;
        Ok(Self {
            path: path.to_owned(),
            config,
            portable: table,
            moved,
            overrides: lines(&path.join("overrides.txt"))
                .iter()
                .map(|line| portable::text(line, path))
                .collect(),
            curves: RunRows { name: name.clone(), rows, marks },
            faults,
            log: entries
                .into_iter()
                .map(|entry| Entry { text: portable::text(&entry.text, path), ..entry })
                .collect(),
            sheets: sheets(path)?,
            measurements: measurements(path)?,
            progress: checkpoints.last().and_then(|record| json(&record.path.join("trainer_state.json"))),
            best: json(&path.join("best/metrics.json")),
            checkpoints,
            name,
        })
    }

    /// The rows of the statistics.
    pub(crate) fn rows(&self) -> &[StatsRow] {
        &self.curves.rows
    }

    /// The newest value of a statistic.
    pub(crate) fn last(&self, key: &str) -> Option<f64> {
        self.curves.newest(key)
    }

    /// Whether the images may show real people: those of every data set but the procedural faces.
    pub(crate) fn may_show_people(&self) -> bool {
        self.config.data.has_files() || self.config.components.data.is_some()
    }
}

/// The rows of `stats.jsonl`, and the faults of its damaged lines; none if there is no file yet.
fn statistics(run: &Path) -> Result<(Vec<StatsRow>, Vec<String>)> {
    let path = run.join("stats.jsonl");
    if !path.is_file() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (rows, faults) = json_lines::read(&path)?;
    Ok((rows.into_iter().map(|row| row.values().clone()).collect(), faults))
}

/// The lines of all `metric-*.jsonl`, in the order of names. A damaged line is skipped with a warning.
fn measurements(run: &Path) -> Result<Vec<Measurement>> {
    let failed = |error| t2f_files::Error::new(run, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(run).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("metric-") && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for line in lines(&file).iter().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(measurement) => found.push(measurement),
                Err(error) => tracing::warn!("{}: a line cannot be read: {error}", file.display()),
            }
        }
    }
    Ok(found)
}

/// The lines of a file; none if there is no file.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(String::from).collect()
}

/// The content of a JSON file; none if there is no file. A file of another form gives a warning.
fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .map_err(|error| tracing::warn!("{} cannot be read: {error}", path.display()))
        .ok()
}

//! Results of an experiment: `results.json` in its output folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use t2f_files::disk::{self, OsDisk};

/// A figure with its interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Its value.
    pub value: f64,
    /// Lower end of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Figure {
    /// A figure without an interval.
    pub fn plain(value: f64) -> Self {
        Self { value, low: None, high: None }
    }

    /// A figure with its interval.
    pub fn with_interval(value: f64, low: f64, high: f64) -> Self {
        Self { value, low: Some(low), high: Some(high) }
    }

    /// Lower end of the interval; the value where there is none.
    pub fn low(&self) -> f64 {
        self.low.unwrap_or(self.value)
    }

    /// Upper end of the interval; the value where there is none.
    pub fn high(&self) -> f64 {
        self.high.unwrap_or(self.value)
    }
}

/// Figures of a run, by key.
pub type Figures = BTreeMap<String, Figure>;

/// `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The experiment's name.
    pub experiment: String,
    /// Version of the program.
    pub version: String,
    /// Whether this is the short form; its values have no meaning.
    pub smoke: bool,
    /// The runs, in the order of the declaration.
    pub runs: Vec<RunResult>,
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// The run's name.
    pub name: String,
    /// The title of the column or row in the table.
    pub title: String,
    /// The run folder.
    pub folder: PathBuf,
    /// The figures.
    pub figures: Figures,
}

impl Results {
    /// Reads `results.json` in an output folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let text = std::fs::read(&path)
            .with_context(|| format!("cannot read {}; `run` writes it", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Writes `results.json` in an output folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = Self::path(folder);
        disk::replace(&OsDisk, &path, &serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// The figure of a run.
    pub fn figure(&self, run: &str, key: &str) -> Option<&Figure> {
        self.runs.iter().find(|result| result.name == run)?.figures.get(key)
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("results.json")
    }
}

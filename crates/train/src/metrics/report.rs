//! What is written of a measurement: rows that say how they came about.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::estimate::Estimate;
use crate::atomic;
use crate::error::{Error, Result};

/// How a number came about: all that must be equal for two numbers to be compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Protocol {
    /// Part of the data that captions and real pictures are from.
    pub split: String,
    /// Fingerprint of that part.
    pub data: String,
    /// Faces that were drawn.
    pub n: usize,
    /// Captions that they were drawn from.
    pub captions: usize,
    /// Seed of the first face; each next face has the next seed.
    pub seed: u64,
    /// Side of the faces, in pixels.
    pub resolution: usize,
    /// How pictures are brought to the size that the features are taken at; `none` where they are
    /// of that size.
    pub resize: String,
    /// What the pictures are seen by.
    pub features: String,
    /// blake3 of what it was made from.
    pub features_hash: String,
    /// blake3 of the model's file.
    pub model_hash: String,
    /// Thousands of images that the model was trained on.
    pub kimg: f64,
}

/// A line of `metric-<name>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// The metric with its features and N: `aan500`, `fid_oracle2k`.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Lower end of the interval, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of the interval, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// How it came about.
    #[serde(flatten)]
    pub protocol: Protocol,
}

impl MetricRow {
    /// A row without an interval. `name` is completed by N.
    pub fn plain(name: &str, value: f64, protocol: &Protocol) -> Self {
        let metric = format!("{name}{}", short(protocol.n));
        Self { metric, value, low: None, high: None, protocol: protocol.clone() }
    }

    /// A row with an interval. `name` is completed by N.
    pub fn new(name: &str, value: &Estimate, protocol: &Protocol) -> Self {
        let plain = Self::plain(name, value.value, protocol);
        Self { low: Some(value.low), high: Some(value.high), ..plain }
    }

    /// Adds the row to `metric-<name>.jsonl` in a run folder.
    ///
    /// # Errors
    /// If the file cannot be read or written; it is as it was then.
    pub fn append(&self, run: &Path) -> Result<PathBuf> {
        let path = run.join(format!("metric-{}.jsonl", self.metric));
        let mut lines = match std::fs::read(&path) {
            Ok(lines) => lines,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::file(path, error)),
        };
        let row = serde_json::to_string(self).map_err(|error| Error::file(&path, error))?;
        lines.extend(row.bytes());
        lines.push(b'\n');
        atomic::write(&path, &lines)?;
        Ok(path)
    }
}

/// `500`, `2k`, `50k`.
fn short(n: usize) -> String {
    if n >= 1000 && n.is_multiple_of(1000) { format!("{}k", n / 1000) } else { n.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_added_and_name_metric_and_protocol() {
        let protocol = Protocol {
            split: "test".into(),
            data: "d".into(),
            n: 2000,
            captions: 1000,
            seed: 7,
            resolution: 32,
            resize: "none".into(),
            features: "oracle".into(),
            features_hash: "f".into(),
            model_hash: "m".into(),
            kimg: 1.5,
        };
        let run = tempfile::tempdir().unwrap();
        let estimate = Estimate { value: 0.5, low: 0.25, high: 0.75 };
        let path = MetricRow::new("aan", &estimate, &protocol).append(run.path()).unwrap();
        MetricRow::plain("aan", 0.125, &protocol).append(run.path()).unwrap();
        assert!(path.ends_with("metric-aan2k.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["value"], &lines[0]["high"]), (&0.5.into(), &0.75.into()));
        assert_eq!((&lines[1]["value"], lines[1].get("high")), (&0.125.into(), None));
        assert_eq!(
            (&lines[1]["seed"], &lines[1]["n"], &lines[1]["split"]),
            (&7.into(), &2000.into(), &"test".into())
        );
        assert_eq!(short(500), "500");
    }
}

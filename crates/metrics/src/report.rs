//! What is written of a measurement: rows that say how they came about.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::faces::FaceScores;
use crate::measure::{FeatureScores, Measurement};
use t2f_files::disk::{self, Disk, OsDisk};

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
    /// Scale of the noise, `truncation` of the sampling.
    pub truncation: f64,
    /// Scale of the text.
    pub guidance_scale: f64,
    /// Side of the faces, in pixels.
    pub resolution: usize,
    /// How pictures are brought to the size that the features are taken at; `none` where they are
    /// of that size.
    pub resize: String,
    /// What the pictures are seen by.
    pub features: String,
    /// What tells features of one name apart, a blake3; empty where there is nothing to tell apart.
    pub features_hash: String,
    /// blake3 of the model's file.
    pub model_hash: String,
    /// Thousands of images that the model was trained on.
    pub kimg: f64,
}

impl Protocol {
    fn seen_by(&self, features: &str, hash: &str, resize: &str) -> Self {
        let (features, features_hash, resize) = (features.into(), hash.into(), resize.into());
        Self { features, features_hash, resize, ..self.clone() }
    }
}

/// A line of `metric-<name>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// The metric: `aan`, `fid_oracle`.
    #[serde(skip)]
    pub key: String,
    /// The metric with N: `aan500`, `fid_oracle2k`.
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
    /// A row without an interval.
    pub fn plain(key: &str, value: f64, protocol: &Protocol) -> Self {
        let metric = format!("{key}{}", short(protocol.n));
        Self { key: key.into(), metric, value, low: None, high: None, protocol: protocol.clone() }
    }

    /// A row with an interval.
    pub fn new(key: &str, value: &Estimate, protocol: &Protocol) -> Self {
        let plain = Self::plain(key, value.value, protocol);
        Self { low: Some(value.low), high: Some(value.high), ..plain }
    }

    /// Adds the row to the end of `metric-<name>.jsonl` in a run folder, in one write, so that
    /// measurements at the same time keep each other's rows. A line that was cut short spoils no other.
    ///
    /// # Errors
    /// If it cannot be written; earlier rows are as they were then.
    pub fn append(&self, run: &Path) -> Result<PathBuf> {
        let path = run.join(format!("metric-{}.jsonl", self.metric));
        let torn = std::fs::read(&path).is_ok_and(|rows| !rows.is_empty() && !rows.ends_with(b"\n"));
        let row = serde_json::to_string(self).map_err(|error| Error::file(&path, error))?;
        let row = format!("{}{row}\n", if torn { "\n" } else { "" });
        let written = OsDisk.append(&path, row.as_bytes()).and_then(|()| OsDisk.sync(&path));
        written
            .and_then(|()| OsDisk.sync(run))
            .map_err(|error| disk::cannot_write(&OsDisk, &path, row.len() as u64, &error))?;
        Ok(path)
    }
}

/// Every number of a measurement as a row, in the order in which they are read. `protocol` says
/// what the faces were seen by; other metrics name their own features.
pub fn rows(measurement: &Measurement, protocol: &Protocol) -> Vec<MetricRow> {
    let mut rows = Vec::new();
    if let Some(faces) = &measurement.faces {
        face_rows(faces, protocol, &mut rows);
    }
    for (name, scores) in &measurement.features {
        let protocol = protocol.seen_by(name, &scores.features_hash, &scores.resize);
        feature_rows(name, scores, &protocol, &mut rows);
    }
    let pixels = protocol.seen_by("pixels", "", "none");
    if let Some(swd) = &measurement.swd {
        rows.push(MetricRow::plain(
            "swd_x1000",
            swd.mean_x1000,
            &Protocol { n: swd.pictures, ..pixels.clone() },
        ));
    }
    if let Some(similarity) = &measurement.ms_ssim {
        let paired = Protocol { n: similarity.pictures, ..pixels.clone() };
        rows.push(MetricRow::new("ms_ssim", &similarity.drawn, &paired));
        rows.push(MetricRow::new("ms_ssim_real", &similarity.real, &paired));
    }
    if let Some(memorisation) = &measurement.memorisation {
        let boxed = protocol.seen_by("pixels", "", "box to 32");
        rows.push(MetricRow::new("nearest_ratio", &memorisation.ratio, &boxed));
        rows.push(MetricRow::new("near_copies", &memorisation.near_copies, &boxed));
    }
    if let Some(retrieval) = &measurement.retrieval {
        let head = protocol.seen_by("retrieval head", &retrieval.features_hash, "box to 32");
        rows.push(MetricRow::new("r_precision", &retrieval.drawn, &head));
        rows.push(MetricRow::new("r_precision_real", &retrieval.real, &head));
    }
    rows
}

fn face_rows(faces: &FaceScores, protocol: &Protocol, rows: &mut Vec<MetricRow>) {
    let agreement = &faces.agreement;
    let gap = faces.composition.as_ref().and_then(|composition| composition.gap);
    let all = [
        ("aa", Some(agreement.agreement)),
        ("chance", Some(agreement.chance)),
        ("ceiling", Some(agreement.ceiling)),
        ("aan", agreement.normalised),
        ("exact", Some(agreement.exact)),
        ("comp_gap", gap),
        ("edit_flip", Some(faces.edits.flip)),
        ("edit_flip_real", Some(faces.edits_real.flip)),
        ("edit_leak", Some(faces.edits.leak)),
        ("edit_leak_real", Some(faces.edits_real.leak)),
        ("paraphrase", Some(faces.paraphrase.consistency)),
        ("diversity", Some(faces.diversity.distance)),
        ("diversity_real", Some(faces.diversity_real.distance)),
    ];
    rows.extend(all.into_iter().filter_map(|(key, value)| Some(MetricRow::new(key, &value?, protocol))));
}

fn feature_rows(name: &str, scores: &FeatureScores, protocol: &Protocol, rows: &mut Vec<MetricRow>) {
    for (distances, of) in [(Some(&scores.drawn), ""), (scores.train.as_ref(), "_real")] {
        let Some(distances) = distances else { continue };
        let key = |metric: &str| format!("{metric}_{name}{of}");
        rows.push(MetricRow::plain(&key("fid"), distances.frechet, protocol));
        rows.push(MetricRow::new(&key("kid"), &distances.kernel.distance, protocol));
        if let Some(neighbourhood) = &distances.neighbourhood {
            rows.push(MetricRow::new(&key("precision"), &neighbourhood.precision, protocol));
            rows.push(MetricRow::new(&key("recall"), &neighbourhood.recall, protocol));
            rows.push(MetricRow::new(&key("density"), &neighbourhood.density, protocol));
            rows.push(MetricRow::new(&key("coverage"), &neighbourhood.coverage, protocol));
        }
        if let Some(score) = &distances.inception_score {
            rows.push(MetricRow::new(&key("is"), score, protocol));
        }
    }
}

/// `500`, `2k`, `50k`.
fn short(n: usize) -> String {
    if n >= 1000 && n.is_multiple_of(1000) { format!("{}k", n / 1000) } else { n.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol() -> Protocol {
        Protocol {
            split: "test".into(),
            data: "d".into(),
            n: 2000,
            captions: 1000,
            seed: 7,
            truncation: 1.0,
            guidance_scale: 1.0,
            resolution: 32,
            resize: "none".into(),
            features: "oracle".into(),
            features_hash: "f".into(),
            model_hash: "m".into(),
            kimg: 1.5,
        }
    }

    /// The rows of a file, one a line.
    fn read(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn measurements_at_the_same_time_keep_each_others_rows_and_a_torn_one_costs_no_other() {
        let run = tempfile::tempdir().unwrap();
        let add =
            |value: usize| MetricRow::plain("aan", value as f64, &protocol()).append(run.path()).unwrap();
        let path = add(0);
        std::fs::write(&path, b"{\"metric\":\"aan2k\",\"val").unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || (0..25).for_each(|i| drop(add(25 * thread + i))));
            }
        });
        let mut values: Vec<f64> = read(&path).iter().map(|row| row["value"].as_f64().unwrap()).collect();
        values.sort_by(f64::total_cmp);
        assert_eq!(values, (0..100).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn rows_are_added_and_name_metric_and_protocol() {
        let protocol = protocol();
        let run = tempfile::tempdir().unwrap();
        let estimate = Estimate { value: 0.5, low: 0.25, high: 0.75 };
        let path = MetricRow::new("aan", &estimate, &protocol).append(run.path()).unwrap();
        MetricRow::plain("aan", 0.125, &protocol).append(run.path()).unwrap();
        assert!(path.ends_with("metric-aan2k.jsonl"));
        let lines = read(&path);
        assert_eq!((&lines[0]["value"], &lines[0]["high"]), (&0.5.into(), &0.75.into()));
        assert_eq!((&lines[1]["value"], lines[1].get("high")), (&0.125.into(), None));
        assert_eq!(
            (&lines[1]["seed"], &lines[1]["n"], &lines[1]["split"]),
            (&7.into(), &2000.into(), &"test".into())
        );
        assert_eq!(short(500), "500");
    }
}

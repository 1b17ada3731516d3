//! The forms of a measurement in files: rows of a run folder, and one JSON object.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use t2f_files::disk::{self, Disk, OsDisk};

use crate::error::{Error, Result};
use crate::measure::Measurement;
use crate::metric::{MetricValue, OtherCaptions, merge};

/// The protocol of a number: all settings that must be equal for two numbers to be comparable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Protocol {
    /// The part of the data with the captions and the real images, or the name of other captions.
    pub split: String,
    /// The fingerprint of that part, or of the file of other captions.
    pub data: String,
    /// The number of generated images.
    pub n: usize,
    /// The number of captions.
    pub captions: usize,
    /// The seed of the first image; each next image has the next seed.
    pub seed: u64,
    /// The scale of the noise, `truncation` of the sampling.
    pub truncation: f64,
    /// The guidance scale of the sampling; files have it as `text_scale`, too.
    #[serde(flatten)]
    pub guidance: Guidance,
    /// The side of the images in pixels.
    pub resolution: usize,
    /// The filter that resizes the images to the size of the features; `none` if they are not resized.
    pub resize: String,
    /// The features that the images are compared in.
    pub features: String,
    /// A blake3 hash that distinguishes features of one name; may be empty.
    pub features_hash: String,
    /// The blake3 hash of the model's file.
    pub model_hash: String,
    /// The images that the model was trained on, in thousands.
    pub kimg: f64,
}

/// The guidance scale under its present and its earlier key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Guidance {
    guidance_scale: f64,
    text_scale: f64,
}

impl From<f64> for Guidance {
    fn from(scale: f64) -> Self {
        Self { guidance_scale: scale, text_scale: scale }
    }
}

impl Protocol {
    /// The protocol of one value.
    fn of(&self, value: &MetricValue) -> Self {
        let source = value.source.clone();
        let of_data = Self {
            n: value.images.unwrap_or(self.n),
            features: source.features,
            features_hash: source.features_hash,
            resize: source.resize,
            ..self.clone()
        };
        match value.captions.clone() {
            Some(OtherCaptions { name, fingerprint, count }) => {
                Self { split: name, data: fingerprint, captions: count, ..of_data }
            }
            None => of_data,
        }
    }
}

/// A line of `metric-<name>.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricRow {
    /// The metric with N: `aan500`, `fid_oracle2k`.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The lower end of the interval, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end of the interval, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The protocol.
    #[serde(flatten)]
    pub protocol: Protocol,
}

impl MetricRow {
    /// The rows of a value: one under its key, and one under its key of earlier versions if it has
    /// one. None if the value is missing.
    pub fn of(value: &MetricValue, protocol: &Protocol) -> Vec<Self> {
        let Some((number, interval)) = value.numbers() else { return Vec::new() };
        let protocol = protocol.of(value);
        let row = |key: &String| Self {
            metric: format!("{key}{}", short(protocol.n)),
            value: number,
            low: interval.map(|[low, _]| low),
            high: interval.map(|[_, high]| high),
            protocol: protocol.clone(),
        };
        keys(value).map(row).collect()
    }

    /// Appends the row to `metric-<name>.jsonl` in a run folder in one write, so that concurrent
    /// measurements keep the rows of one another. A torn last line of the file damages no other line.
    ///
    /// # Errors
    /// If it cannot be written; the earlier rows are unchanged then.
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

fn keys(value: &MetricValue) -> impl Iterator<Item = &String> {
    std::iter::once(&value.key).chain(&value.old_key)
}

impl Measurement {
    /// The values of all reports, in order.
    pub fn values(&self) -> impl Iterator<Item = &MetricValue> {
        self.reports.iter().flat_map(|(_, report)| &report.values)
    }

    /// The rows of all values, in order.
    pub fn rows(&self, protocol: &Protocol) -> Vec<MetricRow> {
        self.values().flat_map(|value| MetricRow::of(value, protocol)).collect()
    }

    /// All numbers as one object: each value under its key, its interval under the key with `_ci`, the
    /// protocol beside them, further numbers under `details`, and under `left_out` the metrics and
    /// values that were not computed with their reasons. A missing value is `null`.
    ///
    /// # Errors
    /// If the protocol cannot be written.
    pub fn to_json(&self, protocol: &Protocol) -> Result<Json> {
        let protocol = serde_json::to_value(protocol).map_err(|error| Error::State(error.to_string()))?;
        let Json::Object(mut all) = protocol else {
            return Err(Error::State("a protocol is not an object".into()));
        };
        let (mut details, mut left_out) = (Map::new(), Map::new());
        for left in &self.left_out {
            left_out.insert(left.metric.clone(), json!(left.reason));
        }
        for value in self.values() {
            if let crate::metric::Outcome::Missing(reason) = &value.outcome {
                left_out.insert(value.key.clone(), json!(reason));
            }
            for key in keys(value) {
                let numbers = value.numbers();
                all.insert(key.clone(), json!(numbers.map(|(number, _)| number)));
                if let Some((_, Some(interval))) = numbers {
                    all.insert(format!("{key}_ci"), json!(interval));
                }
            }
        }
        for (_, report) in &self.reports {
            merge(&mut details, report.details.clone());
        }
        all.insert("details".into(), Json::Object(details));
        all.insert("left_out".into(), Json::Object(left_out));
        Ok(Json::Object(all))
    }
}

/// `500`, `2k`, `50k`.
fn short(n: usize) -> String {
    if n >= 1000 && n.is_multiple_of(1000) { format!("{}k", n / 1000) } else { n.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Estimate;
    use crate::metric::{Better, Report};

    fn protocol() -> Protocol {
        Protocol {
            split: "test".into(),
            data: "d".into(),
            n: 2000,
            captions: 1000,
            seed: 7,
            truncation: 1.0,
            guidance: 1.5.into(),
            resolution: 32,
            resize: "none".into(),
            features: "oracle".into(),
            features_hash: "f".into(),
            model_hash: "m".into(),
            kimg: 1.5,
        }
    }

    fn number(value: f64) -> MetricValue {
        MetricValue::number("aan", "agreement", value, Better::Higher)
    }

    fn row(value: &MetricValue) -> MetricRow {
        MetricRow::of(value, &protocol()).remove(0)
    }

    /// The rows of a file.
    fn read(path: &Path) -> Vec<Json> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn concurrent_measurements_keep_the_rows_of_one_another_and_a_torn_line_costs_no_other() {
        let run = tempfile::tempdir().unwrap();
        let add = |value: usize| row(&number(value as f64)).append(run.path()).unwrap();
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
    fn rows_are_appended_and_name_metric_and_protocol() {
        let run = tempfile::tempdir().unwrap();
        let estimate = Estimate { value: 0.5, low: 0.25, high: 0.75 };
        let path =
            row(&MetricValue::estimate("aan", "agreement", estimate, Better::Higher)).append(run.path());
        let path = path.unwrap();
        row(&number(0.125)).append(run.path()).unwrap();
        assert!(path.ends_with("metric-aan2k.jsonl"));
        let lines = read(&path);
        assert_eq!((&lines[0]["value"], &lines[0]["high"]), (&0.5.into(), &0.75.into()));
        assert_eq!((&lines[1]["value"], lines[1].get("high")), (&0.125.into(), None));
        assert_eq!(
            (&lines[1]["seed"], &lines[1]["n"], &lines[1]["split"], &lines[1]["features"]),
            (&7.into(), &2000.into(), &"test".into(), &"pixels".into())
        );
        assert_eq!((&lines[1]["guidance_scale"], &lines[1]["text_scale"]), (&1.5.into(), &1.5.into()));
        assert_eq!(short(500), "500");
    }

    #[test]
    fn a_value_of_other_captions_states_them() {
        let captions = OtherCaptions { name: "mine".into(), fingerprint: "mine-1".into(), count: 9 };
        let row = row(&number(0.5).with_images(72).with_captions(&captions));
        assert_eq!((row.metric.as_str(), row.protocol.n, row.protocol.captions), ("aan72", 72, 9));
        assert_eq!((row.protocol.split.as_str(), row.protocol.data.as_str()), ("mine", "mine-1"));
    }

    #[test]
    fn json_has_old_keys_merged_details_and_null_for_missing_values() {
        let report = |value: MetricValue, details: Json| {
            Report::new([value]).with_old_details("section", &details, &[("generated", "drawn")]).unwrap()
        };
        let values = [
            number(0.5).with_old_key("old"),
            MetricValue::missing("gap", "a gap", "there are no unseen pairs"),
        ];
        let details = [json!({"a": {"generated": 1}}), json!({"b": [{"generated": 2}]})];
        let reports = values.into_iter().zip(details).map(|(value, json)| ("m".into(), report(value, json)));
        let left_out = vec![crate::measure::LeftOut { metric: "edits".into(), reason: "no edits".into() }];
        let all = Measurement { reports: reports.collect(), left_out }.to_json(&protocol()).unwrap();
        assert_eq!((&all["aan"], &all["old"], &all["gap"]), (&0.5.into(), &0.5.into(), &Json::Null));
        assert_eq!(all["left_out"], json!({"edits": "no edits", "gap": "there are no unseen pairs"}));
        let both = json!({"a": {"generated": 1, "drawn": 1}, "b": [{"generated": 2, "drawn": 2}]});
        assert_eq!((&all["details"]["section"], &all["n"]), (&both, &2000.into()));
        assert!(all.get("gap_ci").is_none());
    }
}

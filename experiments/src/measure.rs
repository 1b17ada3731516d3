//! The kinds of measurement of a declaration, `[measure.…]`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use t2f_files::json_lines;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::model::Model;

use crate::own_face::own_faces;
use crate::results::{Figure, Figures};

/// The measurements of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measures {
    /// The metrics of `t2f metrics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Means of training statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
    /// The fraction of generated images that are nearest to their caption's image, `own_face`; see
    /// [`own_faces`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_face: Option<OwnFace>,
    /// The change of generated images where a level begins; see
    /// [`levels::train_and_measure`](crate::levels::train_and_measure).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
}

/// `[measure.metrics]`: the options of `t2f metrics`. The figures have the keys of its `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Captions of the test part.
    pub count: u32,
    /// The metrics; default: those of `t2f metrics` for the data set.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Seed of the first image.
    #[serde(default)]
    pub seed: u64,
}

/// `[measure.statistics]`: the mean of columns of `stats.jsonl` over the last rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// The columns; rows without a column are skipped. A column in no row gives no figure.
    pub keys: Vec<String>,
    /// The range of the last rows, in thousands of images.
    pub last_kimg: f64,
}

/// `[measure.own_face]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFace {
    /// Seeds of each caption.
    pub seeds: Vec<u64>,
}

/// `[measure.levels]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Captions, and test images, of a measurement.
    pub images: usize,
}

/// Captions of the short form.
const FEW: u32 = 20;

impl Measures {
    /// The same measurements on a few captions.
    pub fn shortened(&self) -> Self {
        let mut short = self.clone();
        if let Some(metrics) = &mut short.metrics {
            metrics.count = metrics.count.min(FEW);
        }
        if let Some(own_face) = &mut short.own_face {
            own_face.seeds.truncate(1);
        }
        if let Some(levels) = &mut short.levels {
            levels.images = levels.images.min(FEW as usize);
        }
        short
    }

    /// Takes all measurements of a finished run except `levels`, which is measured in training. `cache` is a
    /// folder for statistics of real images, shared by runs.
    ///
    /// # Errors
    /// If a measurement fails.
    pub fn of_run(
        &self,
        run: &Path,
        config: &Config,
        cache: &Path,
        report: &mut dyn FnMut(&str),
    ) -> Result<Figures> {
        let mut figures = Figures::new();
        if let Some(metrics) = &self.metrics {
            figures.extend(metrics.of_run(run, config, cache)?);
        }
        if let Some(statistics) = &self.statistics {
            figures.extend(statistics.of_run(run)?);
        }
        if let Some(own_face) = &self.own_face {
            let train = config.open_data(config.gan.resolution)?.train;
            let model = Model::load(run, &config.device, &Components::new())?;
            let found = own_faces(&model, train.as_ref(), &own_face.seeds)?;
            for mistake in &found.mistakes {
                let (caption, seed) = (&mistake.caption, mistake.seed);
                report(&format!(
                    "seed {seed}: image {}, expected {} for \"{caption}\"",
                    mistake.nearest, mistake.own
                ));
            }
            figures.insert("own_face".into(), Figure::plain(found.share()));
            figures.insert("generated".into(), Figure::plain(found.generated as f64));
        }
        Ok(figures)
    }
}

impl Metrics {
    /// Runs `t2f metrics` on a run, in this process, and reads the figures.
    fn of_run(&self, run: &Path, config: &Config, cache: &Path) -> Result<Figures> {
        let json = run.join("metrics.json");
        let (count, seed) = (self.count.to_string(), self.seed.to_string());
        let mut arguments: Vec<OsString> = vec!["t2f".into(), "metrics".into(), run.into()];
        let options = ["--count", &count, "--seed", &seed, "--device", &config.device];
        arguments.extend(options.map(OsString::from));
        arguments.extend(["--cache".into(), cache.into(), "--json".into(), json.clone().into()]);
        if !self.metrics.is_empty() {
            arguments.extend(["--metrics".into(), self.metrics.join(",").into()]);
        }
        let code = t2f::cli::run(arguments);
        ensure!(code == ExitCode::SUCCESS, "`t2f metrics` failed on {}", run.display());
        let text = std::fs::read(&json).with_context(|| format!("cannot read {}", json.display()))?;
        let value = serde_json::from_slice(&text).with_context(|| format!("in {}", json.display()))?;
        Ok(figures_of(&value))
    }
}

/// The figures of `t2f metrics --json`: a number under its key, its interval under the key with `_ci`.
fn figures_of(json: &Value) -> Figures {
    let mut figures = Figures::new();
    for (key, value) in json.as_object().into_iter().flatten() {
        let Some(value) = value.as_f64() else { continue };
        let end = |at: usize| json[format!("{key}_ci")][at].as_f64();
        figures.insert(key.clone(), Figure { value, low: end(0), high: end(1) });
    }
    figures
}

impl Statistics {
    fn of_run(&self, run: &Path) -> Result<Figures> {
        let (rows, faults) = json_lines::read(&run.join("stats.jsonl"))?;
        ensure!(faults.is_empty(), "statistics of {}: {}", run.display(), faults.join("; "));
        let kimg = |row: &json_lines::Row| row.values().get("Progress/kimg").copied().unwrap_or(0.0);
        let end = rows.last().map_or(0.0, kimg);
        let last: Vec<_> = rows.iter().filter(|row| kimg(row) > end - self.last_kimg).collect();
        let mut figures = Figures::new();
        for key in &self.keys {
            let values: Vec<f64> = last.iter().filter_map(|row| row.values().get(key).copied()).collect();
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                figures.insert(key.clone(), Figure::plain(mean));
            }
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use t2f_files::disk::OsDisk;
    use t2f_files::json_lines::{JsonLines, Row};

    use super::*;

    #[test]
    fn figures_are_the_numbers_of_the_json_with_their_intervals() {
        let figures = figures_of(&json!({
            "aan": 0.5, "aan_ci": [0.4, 0.6], "fid": 3.0, "comp_gap": null, "split": "test"
        }));
        let expected = [("aan", Figure::with_interval(0.5, 0.4, 0.6)), ("fid", Figure::plain(3.0))];
        assert_eq!(figures, expected.map(|(key, figure)| (key.to_owned(), figure)).into());
    }

    #[test]
    fn statistics_are_means_over_the_last_images() {
        let run = tempfile::tempdir().unwrap();
        let mut lines = JsonLines::open(Arc::new(OsDisk), &run.path().join("stats.jsonl"), 0).unwrap();
        for step in 1..=4u64 {
            let mut row = Row::new(step);
            row.set("Progress/kimg", step as f64);
            row.set("a", (step * step) as f64);
            if step == 3 {
                row.set("b", 7.0);
            }
            lines.record(&row).unwrap();
        }
        let keys = ["a", "b", "c"].map(String::from).to_vec();
        let figures = Statistics { keys, last_kimg: 2.0 }.of_run(run.path()).unwrap();
        let expected = [("a", 12.5), ("b", 7.0)].map(|(key, value)| (key.to_owned(), Figure::plain(value)));
        assert_eq!(figures, expected.into());
    }

    #[test]
    fn the_short_form_measures_the_same_kinds() {
        let text = "metrics = { count = 500 }\nown_face = { seeds = [0, 1] }\nlevels = { images = 128 }\n";
        let whole: Measures = toml::from_str(text).unwrap();
        let short = whole.shortened();
        assert_eq!(short.metrics.unwrap().count, FEW);
        assert_eq!(short.own_face.unwrap().seeds, [0]);
        assert_eq!(short.levels.unwrap().images, FEW as usize);
        assert_eq!(short.statistics, whole.statistics);
    }
}

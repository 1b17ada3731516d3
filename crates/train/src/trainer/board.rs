//! The event files of TensorBoard, with `output.tensorboard`: what `stats.jsonl` and the sheets have, and the
//! distributions of the weights at each checkpoint.
//!
//! Nothing is read back, so that the files change nothing in the training.

use candle_core::{DType, Tensor};
use t2f_data::Image;
use t2f_files::json_lines::Row;
use t2f_tensorboard::{Histogram, Setting, Summary, Writer};
use toml::{Table, Value};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::run_dir::RunDir;
use crate::state::TrainState;

/// The event file of a run since its last start.
#[derive(Debug)]
pub(super) struct Board {
    writer: Writer,
}

impl Board {
    /// Begins an event file after a step, with settings and captions, and discards events of later steps; `None`
    /// without `output.tensorboard`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(config: &Config, run: &RunDir, captions: &[String], step: u64) -> Result<Option<Self>> {
        if !config.output.tensorboard {
            return Ok(None);
        }
        // A run that starts again from its beginning writes everything again.
        let writer = run.events(if step == 0 { 0 } else { step + 1 })?;
        let settings = settings(config)?;
        let settings = settings.iter().map(|(name, setting)| (name.as_str(), setting));
        let captions: Vec<String> = captions.iter().map(|caption| format!("1. {caption}\n")).collect();
        let summary = Summary::new().settings(settings).text("samples/captions", &captions.concat());
        writer.write(step, &summary)?;
        Ok(Some(Self { writer }))
    }

    /// Writes a row of statistics.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn row(&self, step: u64, row: &Row) -> Result<()> {
        let values = row.values().iter().filter(|(name, _)| *name != "step");
        let summary = values.fold(Summary::new(), |summary, (name, value)| summary.scalar(name, *value));
        Ok(self.writer.write(step, &summary)?)
    }

    /// Writes a sheet of samples, with its PNG file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn sheet(&self, step: u64, sheet: &Image, png: &[u8]) -> Result<()> {
        let summary = Summary::new().picture("samples/fakes", (sheet.width, sheet.height), png);
        Ok(self.writer.write(step, &summary)?)
    }

    /// Writes the distribution of each parameter of both networks.
    ///
    /// # Errors
    /// If a tensor cannot be read, or the file cannot be written.
    pub fn weights(&self, step: u64, state: &TrainState) -> Result<()> {
        let mut summary = Summary::new();
        for (side, parameters) in [("G", state.g_params()), ("D", state.d_params())] {
            for (name, tensor) in parameters.tensors() {
                if let Some(histogram) = Histogram::of(&values(&tensor)?) {
                    summary = summary.histogram(&format!("weights/{side}/{name}"), &histogram);
                }
            }
        }
        Ok(self.writer.write(step, &summary)?)
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// The settings by their full names; lists are text.
fn settings(config: &Config) -> Result<Vec<(String, Setting)>> {
    let table: Table =
        config.to_toml()?.parse().map_err(|error| Error::State(format!("the settings: {error}")))?;
    let mut settings = Vec::new();
    collect("", &table, &mut settings);
    Ok(settings)
}

fn collect(section: &str, table: &Table, settings: &mut Vec<(String, Setting)>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        let setting = match value {
            Value::Table(table) => {
                collect(&key, table, settings);
                continue;
            }
            Value::Float(number) => Setting::Number(*number),
            Value::Integer(number) => Setting::Number(*number as f64),
            Value::Boolean(switch) => Setting::Switch(*switch),
            Value::String(text) => Setting::Text(text.clone()),
            other => Setting::Text(other.to_string()),
        };
        settings.push((key, setting));
    }
}

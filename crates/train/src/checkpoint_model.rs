//! The model of a checkpoint: the model file that the run wrote at the same step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use t2f_data::attributes::Schema;
use t2f_files::tensors;
use t2f_gan::Growth;
use t2f_text::Tokenizer;

use crate::checkpoint::{self, Checkpoint};
use crate::components::Components;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model_file::{Metadata, ModelFile, Provenance};
use crate::run_dir;
use crate::schedule::{Schedule, Stage};
use crate::state;

/// The checkpoint of a path, if it is one: its folder, its file of averaged parameters, a folder of
/// checkpoints (the newest is taken), or a run folder without a model.
///
/// # Errors
/// If the checkpoint is damaged, or the path is one of its other files.
pub(crate) fn checkpoint_of(path: &Path) -> Result<Option<Checkpoint>> {
    let is_checkpoint = |folder: &Path| folder.join(checkpoint::MANIFEST).is_file();
    if path.is_dir() {
        if is_checkpoint(path) {
            return Checkpoint::open(path).map(Some);
        }
        if path.join("model.safetensors").exists() {
            return Ok(None);
        }
        for folder in [path.to_owned(), path.join("checkpoints")] {
            if checkpoint::count(&folder)? > 0 {
                return checkpoint::load_latest(&folder).map(Some);
            }
        }
        return Ok(None);
    }
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(None),
    };
    if !is_checkpoint(folder) {
        return Ok(None);
    }
    // The file has its earlier name in old checkpoints; either name is understood.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !checkpoint::names_of(state::G_EMA).contains(&&*name) {
        if !path.is_file() {
            return Ok(None);
        }
        let message = "does not have the averaged parameters: give the folder of the checkpoint";
        return Err(Error::file(path, message));
    }
    Checkpoint::open(folder).map(Some)
}

/// The bytes of the model file of a checkpoint.
///
/// # Errors
/// If the checkpoint is not in its run folder, or a part of it cannot be read.
pub(crate) fn model_bytes(checkpoint: &Checkpoint, components: &Components) -> Result<Vec<u8>> {
    let run = run_of(checkpoint)?;
    let config = run_dir::read_config(&run)?;
    let Shown { images, data, last } = shown(checkpoint)?;
    let file = ModelFile {
        schema: &schema(&run, &config, components)?,
        tokenizer: &Tokenizer::from_json(checkpoint.text("tokenizer.json")?)?,
        tensors: state::averaged(checkpoint)?,
        growth: growth(images, last, &config, components)?,
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data,
            kimg: images as f64 / 1000.0,
        },
        config: &config,
    };
    file.to_bytes()
}

/// The progress of a checkpoint, as far as a model states it.
pub(crate) struct Shown {
    /// Images shown.
    pub(crate) images: u64,
    /// Fingerprint of the training data.
    data: String,
    /// The stage of the last batch, after a change of the schedule.
    pub(crate) last: Option<Stage>,
}

/// The progress of a checkpoint.
///
/// # Errors
/// If its state does not have it.
pub(crate) fn shown(checkpoint: &Checkpoint) -> Result<Shown> {
    let progress: BTreeMap<String, Value> = checkpoint.state()?;
    let wrong = |key: &str| Error::file(checkpoint.path(), format!("its state has no `{key}`"));
    let images = progress.get("images").and_then(Value::as_u64).ok_or_else(|| wrong("images"))?;
    let data = progress.get("data").and_then(Value::as_str).ok_or_else(|| wrong("data"))?.to_owned();
    let last = progress.get("last").filter(|last| !last.is_null()).cloned();
    let last = last.map(serde_json::from_value).transpose();
    Ok(Shown { images, data, last: last.map_err(|error| Error::file(checkpoint.path(), error))? })
}

/// The level and alpha of the last batch before a checkpoint, from its [`Shown`].
///
/// # Errors
/// If the schedule is in epochs, and the data cannot be opened.
pub(crate) fn growth(
    images: u64,
    last: Option<Stage>,
    config: &Config,
    components: &Components,
) -> Result<Growth> {
    if let Some(last) = last {
        return Ok(last.growth());
    }
    // Only a schedule in epochs depends on the number of images.
    let count = match config.schedule.in_epochs() {
        true => components.data(config)?.train.len(),
        false => 0,
    };
    Ok(Schedule::new(&config.schedule, config.gan.max_level(), count)?.before(images).growth())
}

/// The run folder of a checkpoint, two folders above.
pub(crate) fn run_of(checkpoint: &Checkpoint) -> Result<PathBuf> {
    let path = checkpoint.path();
    let whole = path.canonicalize().map_err(|error| Error::file(path, error))?;
    let run = whole.ancestors().nth(2).filter(|run| run.join("config.toml").is_file());
    run.map(Path::to_owned).ok_or_else(|| {
        let message = "has no run folder: the configuration of a checkpoint is RUN/config.toml, and the \
                       checkpoint RUN/checkpoints/step-…";
        Error::file(path, message)
    })
}

/// The schema of the run's model, or that of its data.
fn schema(run: &Path, config: &Config, components: &Components) -> Result<Schema> {
    match metadata(run) {
        Some(metadata) => Ok(metadata.schema(config)),
        None => Ok(components.data(config)?.schema().clone()),
    }
}

/// The metadata of a run's model, if it can be read.
pub(crate) fn metadata(run: &Path) -> Option<Metadata> {
    let bytes = std::fs::read(run.join("model.safetensors")).ok()?;
    let (_, json) = tensors::from_bytes(&bytes).ok()?;
    Metadata::parse(&json).ok()
}

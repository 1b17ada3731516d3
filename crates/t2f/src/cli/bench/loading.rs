//! `t2f bench loading`: batches from image files, decoded or cached, compared with PyTorch's loader.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use t2f_data::{DataConfig, Loader, Prefetch, Request};
use t2f_ops::rng::Key;
use t2f_train::config::Config;

use super::peer::Peer;
use super::row::{self, quantile};
use super::worker::{Job, Worker};
use crate::cli::failure::failure;
use crate::cli::terminal;

/// Images in a batch.
const BATCH: usize = 32;
/// Images in a timed step: batches in advance of the first are few of them.
const IMAGES: usize = 2048;
/// Side of the images in pixels.
const RESOLUTION: usize = 64;

/// The origin of the pixels.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// Every image is read, decoded and resized.
    Files,
    /// Decoded pixels of a memory map.
    Cached,
}

/// The job of a loading process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    data: DataConfig,
    from: From,
    threads: usize,
}

/// Batches in an endless stream.
#[derive(Debug)]
pub struct Loading(Prefetch);

/// One row of the table.
#[derive(Debug, Serialize)]
pub struct LoadingRow {
    from: From,
    images_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_images_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// Quartiles of the ratios of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_spread: Option<[f64; 2]>,
    memory_mb: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_memory_mb: Option<f64>,
}

impl Loading {
    /// Opens the data; a cache is filled.
    pub fn new(job: &Load) -> anyhow::Result<Self> {
        let splits = match job.from {
            From::Files => job.data.open_unread(RESOLUTION)?,
            From::Cached => job.data.open(RESOLUTION)?,
        };
        let requests = (0..).map(|batch| Request {
            position: batch * BATCH as u64,
            size: BATCH,
            resolution: RESOLUTION,
        });
        let loader = Loader::new(splits.train, Key::new(0));
        Ok(Self(Prefetch::new(Arc::new(loader), requests, job.threads)))
    }

    /// Takes [`IMAGES`] images.
    pub fn step(&mut self) -> anyhow::Result<()> {
        for batch in self.0.by_ref().take(IMAGES / BATCH) {
            std::hint::black_box(batch?);
        }
        Ok(())
    }
}

/// The data of `overrides`, without images in memory and with this cache.
fn data(overrides: &[String], cache: &str) -> anyhow::Result<DataConfig> {
    let cache = format!("data.files.cache={}", toml::Value::from(cache));
    let lines: Vec<String> =
        overrides.iter().cloned().chain(["data.files.memory_mib=0".into(), cache]).collect();
    Ok(Config::resolve(None, None, &lines)?.data)
}

/// Measures both origins on the data of `overrides`.
pub fn measure(
    overrides: &[String],
    peer: Option<&Peer>,
    rounds: u32,
    threads: usize,
) -> anyhow::Result<Vec<LoadingRow>> {
    if !Config::resolve(None, None, overrides)?.data.has_files() {
        return Err(failure(
            "the procedural faces are not read from files",
            "give files with `--data`, such as folder:PATH",
        ));
    }
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("files");
    write_list(&data(overrides, "off")?, &list)?;
    terminal::result(&format!(
        "batches of {BATCH} images of {RESOLUTION}x{RESOLUTION}, {threads} threads\n\n\
         | pixels from | images/s | PyTorch images/s | ratio | MB | PyTorch MB |\n|---|---|---|---|---|---|"
    ));
    let mut rows = Vec::new();
    let cache = folder.path().join("cache").display().to_string();
    for (from, cache) in [(From::Files, "off"), (From::Cached, &cache)] {
        let job = Load { data: data(overrides, cache)?, from, threads };
        let mut ours = Worker::ours(&Job::Load(Box::new(job)), threads)?;
        let theirs = peer.map(|peer| peer.loader(&list, from, RESOLUTION, BATCH, IMAGES)).transpose()?;
        let mut others: Vec<Worker> = theirs.into_iter().collect();
        let turns = row::measure(&mut ours, &mut others, rounds, Some(1))?;
        rows.push(LoadingRow::new(from, &turns));
    }
    Ok(rows)
}

impl LoadingRow {
    fn new(from: From, turns: &[(String, row::Turns)]) -> Self {
        let (ours, peer) = (&turns[0].1, turns.get(1).map(|(_, turns)| turns));
        let per_s = |ms: &[f64]| IMAGES as f64 * 1e3 / quantile(ms, 0.5);
        let ratios = peer.map(|peer| -> Vec<f64> {
            peer.ms.iter().zip(&ours.ms).map(|(peer, ours)| peer / ours).collect()
        });
        let row = Self {
            from,
            images_per_s: per_s(&ours.ms),
            peer_images_per_s: peer.map(|peer| per_s(&peer.ms)),
            ratio: ratios.as_deref().map(|ratios| quantile(ratios, 0.5)),
            ratio_spread: ratios.as_deref().map(|ratios| [quantile(ratios, 0.25), quantile(ratios, 0.75)]),
            memory_mb: ours.memory_mb,
            peer_memory_mb: peer.map(|peer| peer.memory_mb),
        };
        let beside = match (row.peer_images_per_s, row.ratio, row.ratio_spread) {
            (Some(images), Some(ratio), Some([low, high])) => {
                format!("{images:.0} | {ratio:.1} [{low:.1}, {high:.1}]")
            }
            _ => "| ".into(),
        };
        let name = match from {
            From::Files => "files",
            From::Cached => "the cache",
        };
        let peer_memory = row.peer_memory_mb.map_or(String::new(), |mb| format!("{mb:.0}"));
        terminal::result(&format!(
            "| {name} | {:.0} | {beside} | {:.0} | {peer_memory} |",
            row.images_per_s, row.memory_mb
        ));
        row
    }
}

/// Writes the paths of all training images, a line each.
fn write_list(data: &DataConfig, list: &Path) -> anyhow::Result<()> {
    let train = data.open_unread(RESOLUTION)?.train;
    let path = |index: usize| train.file(index).map(|path| path.display().to_string());
    let paths: Option<Vec<String>> = (0..train.len()).map(path).collect();
    let paths = paths.ok_or_else(|| {
        failure("the images are not files of their own", "give a data set of single files with `--data`")
    })?;
    Ok(std::fs::write(list, paths.join("\n"))?)
}

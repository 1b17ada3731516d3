//! `t2f bench generation`: the time from a caption to a face, compared with PyTorch.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cli::bench::benchmark::{Benchmark, Loss};
use serde::Serialize;

use super::peer::Peer;
use super::row::{self, quantile};
use super::worker::{Job, Worker, ourselves};
use crate::cli::failure::failure;
use crate::cli::terminal;

/// The caption of every face.
pub const CAPTION: &str = "a bald man with a beard and round glasses";
/// Faces in a large batch.
const BATCH: usize = 64;

/// One row of the table. Times are medians, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Generation {
    what: String,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_best_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_variant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    /// Quartiles of the ratios of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_spread: Option<[f64; 2]>,
}

/// Generates 64x64 faces with the untrained wide network: one and many in a new process, and many in a warm
/// process.
pub fn measure(peer: Option<&Peer>, rounds: u32, threads: usize) -> anyhow::Result<Vec<Generation>> {
    let folder = tempfile::tempdir()?;
    let benchmark = Benchmark::wide(4, Loss::Ns);
    let (ours, theirs) = (folder.path().join("model.safetensors"), folder.path().join("model.pt"));
    benchmark.write_model(&ours)?;
    if let Some(peer) = peer {
        peer.write_model(&benchmark, &theirs)?;
    }
    terminal::result(
        "| 64x64 faces, wide network | ms | PyTorch ms | variant | ratio |\n|---|---|---|---|---|",
    );
    let mut rows = Vec::new();
    for count in [1, BATCH] {
        let out = folder.path().join("faces");
        let (mut mine, mut other) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            mine.push(timed(generate(&ours, count, &out, threads)?)?);
            if let Some(peer) = peer {
                other.push(timed(peer.generate(&theirs, count, &out))?);
            }
        }
        let faces = if count == 1 { "one face".to_owned() } else { format!("{count} faces") };
        let what = format!("{faces}, process start to PNG");
        rows.push(Generation::new(
            what,
            &mine,
            Some((&"process".to_owned(), &other)).filter(|_| peer.is_some()),
        ));
    }
    let mut warm = Worker::ours(&Job::Generate(ours, BATCH), threads)?;
    let mut others = peer.map(|peer| peer.generators(&theirs, BATCH)).transpose()?.unwrap_or_default();
    let turns = row::measure(&mut warm, &mut others, rounds, Some(1))?;
    let best = turns[1..].iter().min_by(|a, b| quantile(&a.1.ms, 0.5).total_cmp(&quantile(&b.1.ms, 0.5)));
    let best = best.map(|(name, turns)| (name, &turns.ms));
    rows.push(Generation::new(format!("{BATCH} faces at once, warm"), &turns[0].1.ms, best));
    Ok(rows)
}

impl Generation {
    fn new(what: String, ours: &[f64], peer: Option<(&String, &Vec<f64>)>) -> Self {
        let ms = quantile(ours, 0.5);
        let best = peer.map(|(_, times)| quantile(times, 0.5));
        let spread = peer.map(|(_, times)| {
            let ratios: Vec<f64> = times.iter().zip(ours).map(|(peer, ours)| peer / ours).collect();
            [quantile(&ratios, 0.25), quantile(&ratios, 0.75)]
        });
        let row = Self {
            what,
            ms,
            peer_best_ms: best,
            peer_variant: peer.map(|(name, _)| name.clone()),
            ratio: best.map(|best| best / ms),
            ratio_spread: spread,
        };
        let beside = match (&row.peer_variant, best, spread) {
            (Some(name), Some(best), Some([low, high])) => {
                format!("{best:.0} | {name} | {:.1} [{low:.1}, {high:.1}] |", best / ms)
            }
            _ => "| | |".into(),
        };
        terminal::result(&format!("| {} | {ms:.0} | {beside}", row.what));
        row
    }
}

/// The command `t2f generate`.
fn generate(model: &Path, count: usize, out: &Path, threads: usize) -> anyhow::Result<Command> {
    let mut command = Command::new(ourselves()?);
    command.arg("generate").arg("--model").arg(model).arg("--out").arg(out);
    command.args(["--seeds", &format!("0-{}", count - 1), CAPTION]);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    Ok(command)
}

/// The duration of a process, in milliseconds.
fn timed(mut command: Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    let ran = command.stdin(Stdio::null()).output()?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    if !ran.status.success() {
        let errors = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
        return Err(failure(format!("a generating process failed: {errors}"), "run its command by hand"));
    }
    Ok(ms)
}

//! A run of forty steps that takes a second, through the library.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use t2f_files::json_lines;
use t2f_train::config::Config;
use t2f_train::trainer::{Event, Outcome, Trainer};

/// Images a step.
pub const BATCH: u64 = 4;

/// Settings that make the preset `quick` tiny.
pub const SMALL: [&str; 28] = [
    "name=tiny",
    "device=cpu",
    "gan.resolution=8",
    "gan.channels=[8,8]",
    "gan.latent_size=12",
    "gan.code_size=8",
    "gan.compressed_size=8",
    "loss.attributes.classifier=[8]",
    "loss.reconstruction.encoder=[8]",
    "loss.contrast.size=64",
    "augment.translation=0.25",
    "augment.probability=0.5",
    "augment.adaptive={ramp_kimg=0.1,interval=3}",
    "loader.caption_dropout=0.1",
    "loader.word_dropout=0.1",
    "text.embedding_size=8",
    "text.hidden_size=8",
    "data.train_images=64",
    "data.val_images=4",
    "data.test_images=4",
    "schedule.batch_sizes=[4]",
    "schedule.fade_kimg=[0,0.048]",
    "schedule.stable_kimg=[0.064,0.048]",
    "schedule.anneal_kimg=0.04",
    "output.tick_kimg=0.012",
    "output.sample_kimg=0.08",
    "output.checkpoint_kimg=0.02",
    "output.samples=2",
];

/// Forty steps on 64 procedural faces: sixteen at 4x4, twelve of the fade-in of 8x8, twelve more.
/// Statistics every three steps, a checkpoint every five. Settings in `more` win.
pub fn config(more: &[&str]) -> Config {
    let lines: Vec<String> = SMALL.iter().chain(more).map(|&line| line.to_owned()).collect();
    Config::resolve(Some("quick"), None, &lines).unwrap()
}

/// Trains until `steps` have been taken in all, and stops there.
pub fn run_to(trainer: &mut Trainer, steps: u64) -> Outcome {
    let mut watch = |event: &Event| match event {
        Event::Started { images, .. } | Event::Stepped { images } if *images >= steps * BATCH => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    };
    trainer.run(&mut watch).unwrap()
}

/// Trains until the schedule is complete.
pub fn run_whole(trainer: &mut Trainer) {
    assert_eq!(run_to(trainer, u64::MAX / BATCH), Outcome::Finished);
}

/// Every file of the newest checkpoint, by name.
pub fn newest_checkpoint(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = run.join("checkpoints");
    let newest = folder.join(fs::read_to_string(folder.join("LATEST")).unwrap());
    let files = fs::read_dir(newest).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

/// The rows of `stats.jsonl` without times.
pub fn stats(run: &Path) -> Vec<BTreeMap<String, f64>> {
    let (rows, faults) = json_lines::read(&run.join("stats.jsonl")).unwrap();
    assert_eq!(faults, Vec::<String>::new());
    let timeless = |row: &json_lines::Row| {
        let values = row.values().clone().into_iter();
        values.filter(|(name, _)| !name.starts_with("Timing/")).collect()
    };
    rows.iter().map(timeless).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The results of a run that depend neither on interruptions nor on the number of processes.
#[derive(PartialEq)]
pub struct Left {
    pub checkpoint: BTreeMap<String, Vec<u8>>,
    pub model: Vec<u8>,
    pub stats: Vec<BTreeMap<String, f64>>,
}

/// What a run has left.
pub fn left(run: &Path) -> Left {
    let model = std::fs::read(run.join("model.safetensors")).unwrap();
    Left { checkpoint: newest_checkpoint(run), model, stats: stats(run) }
}

/// Fails if two runs have left something different.
#[track_caller]
pub fn assert_same(found: &Left, expected: &Left, what: &str) {
    assert_eq!(found.stats, expected.stats, "{what}");
    let names: Vec<_> = expected.checkpoint.keys().collect();
    assert_eq!(found.checkpoint.keys().collect::<Vec<_>>(), names, "{what}");
    for (name, bytes) in &expected.checkpoint {
        assert!(found.checkpoint[name] == *bytes, "{what}: {name} differs");
    }
    assert!(found.model == expected.model, "{what}: the model differs");
}

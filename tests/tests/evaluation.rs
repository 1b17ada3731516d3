//! Metrics during a run: their rows, the best model, resumption, and the stop of a run that no longer improves.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::trainer::{Evaluation, Event, Outcome, Trainer};

use crate::program;
use crate::tiny::{config, newest_checkpoint, run_to, run_whole, stats};

/// Evaluations at steps 5, 10, … of the forty.
const EVALUATED: [&str; 3] = ["output.metrics_kimg=0.02", "output.metrics_images=8", "data.val_images=12"];

fn keys_of_metrics(run: &Path) -> Vec<Vec<String>> {
    let metrics = |row: &BTreeMap<String, f64>| -> Vec<String> {
        row.keys().filter_map(|key| key.strip_prefix("Metrics/")).map(String::from).collect()
    };
    stats(run).iter().map(metrics).filter(|keys| !keys.is_empty()).collect()
}

#[test]
fn a_run_records_metrics_of_held_out_captions_and_keeps_the_best_model() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&EVALUATED), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    let mut seen: Vec<(Evaluation, bool)> = Vec::new();
    let outcome = trainer.run(|event| {
        if let Event::Evaluated { evaluation, is_best, .. } = event {
            seen.push(((*evaluation).clone(), *is_best));
        }
        ControlFlow::Continue(())
    });
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    assert_eq!(
        seen.iter().map(|(at, _)| at.images).collect::<Vec<_>>(),
        [20, 40, 60, 80, 100, 120, 140, 160]
    );
    let keys = keys_of_metrics(&run);
    assert_eq!(keys.len(), seen.len());
    for name in ["kid_oracle", "recall_oracle", "precision_oracle", "fid_oracle"] {
        assert!(keys.iter().all(|keys| keys.iter().any(|key| key == name)), "{name}: {keys:?}");
    }
    assert!(seen.iter().all(|(at, _)| at.figures.contains_key("kid") && at.figures.contains_key("recall")));

    let (best, _) = seen.iter().rfind(|(_, is_best)| *is_best).unwrap();
    assert_eq!(best.level, 1, "the larger level wins");
    let written: Evaluation =
        serde_json::from_slice(&fs::read(run.join("best/metrics.json")).unwrap()).unwrap();
    assert_eq!(written, *best);
    assert_eq!(trainer.progress().best.as_ref().unwrap().evaluation, *best);
    let model = Model::load(run.join("best"), "cpu", &Components::new()).unwrap();
    assert_eq!(model.provenance().kimg, best.images as f64 / 1000.0);
}

#[test]
fn a_resumed_run_has_the_metrics_and_the_best_model_of_an_uninterrupted_one() {
    let out = tempfile::tempdir().unwrap();
    let left = |run: &Path| {
        let best =
            ["best/metrics.json", "best/model.safetensors"].map(|file| fs::read(run.join(file)).unwrap());
        (stats(run), best, newest_checkpoint(run))
    };
    let mut trainer = Trainer::create(config(&EVALUATED), Components::new(), out.path()).unwrap();
    run_whole(&mut trainer);
    let expected = left(trainer.run_dir().path());
    for stops in [&[5][..], &[4, 17, 30, 39]] {
        let mut trainer = Trainer::create(config(&EVALUATED), Components::new(), out.path()).unwrap();
        let run = trainer.run_dir().path().to_owned();
        for &stop in stops {
            run_to(&mut trainer, stop);
            drop(trainer);
            trainer = Trainer::resume(&run, Components::new()).unwrap();
        }
        run_whole(&mut trainer);
        assert!(left(&run) == expected, "stopped after {stops:?}");
    }
}

#[test]
fn evaluation_does_not_change_the_training() {
    let out = tempfile::tempdir().unwrap();
    let trained = |more: &[&str]| {
        let mut trainer = Trainer::create(config(more), Components::new(), out.path()).unwrap();
        run_whole(&mut trainer);
        newest_checkpoint(trainer.run_dir().path()).remove("g_params.safetensors").unwrap()
    };
    assert!(trained(&EVALUATED) == trained(&["data.val_images=12"]));
}

/// Learning rates of nearly 0: after the first evaluation of a level nothing improves.
#[test]
fn a_run_that_no_longer_improves_warns_and_stops_if_asked() {
    let still =
        ["optimizer.generator.lr=1e-30", "optimizer.discriminator.lr=1e-30", "optimizer.text.lr=1e-30"];
    let outcome = |stop: &str| {
        let out = tempfile::tempdir().unwrap();
        let more = [&EVALUATED[..], &still, &["output.patience_kimg=0.04", stop]].concat();
        let mut trainer = Trainer::create(config(&more), Components::new(), out.path()).unwrap();
        let mut warned = Vec::new();
        let outcome = trainer.run(|event| {
            if let Event::Stalled { kimg, .. } = event {
                warned.push(*kimg);
            }
            ControlFlow::Continue(())
        });
        (outcome.unwrap(), warned, trainer.progress().images)
    };
    let (finished, warned, images) = outcome("output.stop=false");
    assert!(finished == Outcome::Finished && images == 160 && !warned.is_empty(), "{finished:?} {warned:?}");
    assert!(warned.iter().all(|kimg| *kimg >= 0.04), "{warned:?}");
    let (stopped, warned, images) = outcome("output.stop=true");
    assert!(
        stopped == Outcome::Stopped && images < 160 && warned.len() == 1,
        "{stopped:?} {images} {warned:?}"
    );
}

#[test]
fn an_oracle_that_cannot_be_read_is_named() {
    let out = tempfile::tempdir().unwrap();
    let more = [&EVALUATED[..], &["output.oracle=nowhere.safetensors"]].concat();
    let message = Trainer::create(config(&more), Components::new(), out.path()).unwrap_err().to_string();
    assert!(message.contains("output.oracle is ") && message.contains("nowhere.safetensors"), "{message}");
}

#[test]
fn the_best_model_generates_and_is_measured_from_its_folder() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&EVALUATED), Components::new(), out.path()).unwrap();
    run_whole(&mut trainer);
    let best = trainer.run_dir().path().join("best");
    let best = best.to_str().unwrap();
    let ran = program::run(out.path(), &["generate", "--model", best, "--out", "face.png", "a woman"]);
    assert!(ran.code == 0 && out.path().join("face.png").is_file(), "{}", ran.err);
    let ran = program::run(out.path(), &["metrics", best, "--count", "4", "--metrics", "features"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

//! The commit protocol: an interruption at any moment leaves the last intact checkpoint and all promised
//! data.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use t2f_files::disk::{OsDisk, clear_temporary};
use t2f_files::json_lines;
use t2f_tests::crash::{Recorded, Survival};
use t2f_tests::disks::{End, Mortal};
use t2f_tests::{draft, step_of};
use t2f_train::checkpoint::{Checkpoint, load_latest};
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::run_dir::RunDir;
use t2f_train::trainer::{Event, Progress, Trainer};

use crate::tiny::{config, run_to, run_whole, stats};

/// Checks that the folder has a checkpoint of at least `promised`, and that another can be committed.
fn check_folder(folder: &Path, promised: u64, what: &str) {
    match load_latest(folder) {
        Ok(found) => assert!(step_of(&found) >= promised, "{what}: found {}", found.path().display()),
        Err(error) => assert_eq!(promised, 0, "{what}: {error}"),
    }
    clear_temporary(&OsDisk, folder).unwrap();
    draft(9).commit(&OsDisk, folder, 1).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(step_of(&load_latest(folder).unwrap()), 9, "{what}");
    assert_eq!(std::fs::read_to_string(folder.join("LATEST")).unwrap(), "step-00000009", "{what}");
}

#[test]
fn a_process_killed_at_any_change_leaves_the_last_good_checkpoint() {
    let mut points = 0;
    for midst in ["", "midst"] {
        for changes in 1.. {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join("checkpoints");
            let mut child = Command::new(env!("CARGO_BIN_EXE_faults"));
            let ran = child
                .args(["commit", folder.to_str().unwrap(), &changes.to_string(), midst])
                .output()
                .unwrap();
            let out = String::from_utf8(ran.stdout).unwrap();
            if ran.status.success() {
                assert!(out.contains("three checkpoints"), "{out}");
                break;
            }
            assert_eq!(ran.status.code(), None, "killed, not failed: {out}");
            let promised = out.lines().last().map_or(0, |line| line.parse().unwrap());
            check_folder(&folder, promised, &format!("killed at change {changes} {midst}"));
            points += 1;
        }
    }
    assert!(points > 100, "only {points} points");
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_promised() {
    let home = tempfile::tempdir().unwrap();
    let disk = Recorded::new(home.path());
    let folder = home.path().join("checkpoints");
    for step in 1..=4 {
        draft(step).commit(&disk, &folder, 2).unwrap();
        disk.promise(step);
    }
    let mut survivals = vec![Survival::Nothing, Survival::Everything];
    survivals.extend((0..4).map(Survival::Drawn));
    let (mut cuts, mut fell_back) = (0, 0);
    for moment in 0..disk.moments() {
        for &survival in &survivals {
            let left = tempfile::tempdir().unwrap();
            let promised = disk.crash(moment, survival, left.path()).unwrap().unwrap_or(0);
            let what = format!("power cut at change {moment}, {survival:?}");
            let folder = left.path().join("checkpoints");
            fell_back += usize::from(load_latest(&folder).is_ok_and(|found| step_of(&found) == promised));
            if folder.exists() {
                check_folder(&folder, promised, &what);
            } else {
                assert_eq!(promised, 0, "{what}");
            }
            cuts += 1;
        }
    }
    assert!(cuts > 400 && fell_back > 100, "{cuts} cuts, {fell_back} to the promised checkpoint");
}

#[test]
fn without_the_syncs_of_folders_a_power_cut_loses_what_was_promised() {
    let home = tempfile::tempdir().unwrap();
    let disk = Recorded::without_folder_syncs(home.path());
    let folder = home.path().join("checkpoints");
    for step in 1..=3 {
        draft(step).commit(&disk, &folder, 2).unwrap();
        disk.promise(step);
    }
    let left = tempfile::tempdir().unwrap();
    let promised = disk.crash(disk.moments() - 1, Survival::Nothing, left.path()).unwrap();
    assert_eq!(promised, Some(3));
    assert!(load_latest(&left.path().join("checkpoints")).is_err());
}

#[test]
fn a_power_cut_in_a_run_keeps_checkpoint_statistics_and_model_together() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer =
        Trainer::create(config(&["output.keep_checkpoints=2"]), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 1);
    drop(trainer);
    // The recording must contain every change of the run.
    std::fs::remove_file(run.join("stats.jsonl")).unwrap();
    let disk = Arc::new(Recorded::new(&run));
    let mut trainer = restored(&run, disk.clone());
    let recording = disk.clone();
    let mut watch = |event: &Event| {
        if let Event::Checkpointed(path) = event {
            recording.promise(Checkpoint::open(path).unwrap().state::<Progress>().unwrap().step);
        }
        ControlFlow::Continue(())
    };
    trainer.run(&mut watch).unwrap();
    drop(trainer);
    let whole = stats(&run);
    for moment in (0..disk.moments()).step_by(5) {
        for survival in [Survival::Nothing, Survival::Drawn(moment as u64)] {
            let left = tempfile::tempdir().unwrap();
            // The files from before the recording.
            std::fs::create_dir(left.path().join("checkpoints")).unwrap();
            let promised = disk.crash(moment, survival, left.path()).unwrap();
            let what = format!("power cut at change {moment}, {survival:?}");
            let Some(promised) = promised else { continue };
            let found = load_latest(&left.path().join("checkpoints"))
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let step = found.state::<Progress>().unwrap().step;
            assert!(step >= promised, "{what}: {step} of {promised}");
            let (rows, _) = json_lines::read(&left.path().join("stats.jsonl")).unwrap();
            let until = |rows: Vec<f64>| rows.into_iter().filter(|of| *of <= step as f64).collect::<Vec<_>>();
            let found = until(rows.iter().map(|row| row.values()["step"]).collect());
            let expected = until(whole.iter().map(|row| row["step"]).collect());
            assert_eq!(found, expected, "{what}");
            Model::load(left.path(), "cpu", &Components::new())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

fn restored(run: &Path, disk: Arc<dyn t2f_files::disk::Disk>) -> Trainer {
    let run = RunDir::open_on(run, disk).unwrap();
    let config = run.config().unwrap();
    Trainer::restore(run, config, Components::new()).unwrap()
}

#[test]
fn a_run_whose_disk_dies_anywhere_is_resumed_to_the_same_bits() {
    let out = tempfile::tempdir().unwrap();
    let settings = config(&["schedule.stable_kimg=[0.064,0]"]);
    let mut whole = Trainer::create(settings.clone(), Components::new(), out.path()).unwrap();
    run_whole(&mut whole);
    let expected = t2f_tests::kill::Left::of(whole.run_dir().path()).unwrap();
    for (i, changes) in [1, 2, 17, 29, 44, 58, 73].into_iter().enumerate() {
        let run = Trainer::create(settings.clone(), Components::new(), out.path())
            .unwrap()
            .run_dir()
            .path()
            .to_owned();
        let disk = Arc::new(Mortal::new(changes, i % 2 == 0, End::Error));
        let mut trainer = restored(&run, Arc::new(OsDisk));
        run_to(&mut trainer, 2);
        drop(trainer);
        let died = restored(&run, disk.clone()).run(|_| ControlFlow::Continue(()));
        assert!(died.is_err() && disk.is_dead(), "the run ended before change {changes}");
        run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
        let found = t2f_tests::kill::Left::of(&run).unwrap();
        found.compare(&expected).unwrap_or_else(|error| panic!("after {changes} changes: {error}"));
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again() {
    let out = tempfile::tempdir().unwrap();
    let mut whole = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    run_whole(&mut whole);
    let expected = t2f_tests::kill::Left::of(whole.run_dir().path()).unwrap();
    let run =
        Trainer::create(config(&[]), Components::new(), out.path()).unwrap().run_dir().path().to_owned();
    std::fs::write(run.join("stats.jsonl"), "{\"step\":3.0}\n").unwrap();
    run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
    t2f_tests::kill::Left::of(&run).unwrap().compare(&expected).unwrap();
    // A run that has lost its checkpoints is refused.
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let message = Trainer::resume(&run, Components::new()).err().unwrap().to_string();
    assert!(message.contains("holds no checkpoint"), "{message}");
}

/// Pointer and model are replaced after their checkpoint: a kill in between leaves the earlier ones, or
/// none.
#[test]
fn a_run_killed_right_after_its_last_checkpoint_has_its_pointer_and_its_model_once_resumed() {
    let out = tempfile::tempdir().unwrap();
    let mut whole = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    run_whole(&mut whole);
    let run = whole.run_dir().path().to_owned();
    drop(whole);
    let expected = t2f_tests::kill::Left::of(&run).unwrap();
    let model = run.join("model.safetensors");
    for left in [Some(b"the model of the checkpoint before"), None] {
        std::fs::write(run.join("checkpoints/LATEST"), "step-00000001").unwrap();
        match left {
            Some(bytes) => std::fs::write(&model, bytes).unwrap(),
            None => std::fs::remove_file(&model).unwrap(),
        }
        run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
        t2f_tests::kill::Left::of(&run).unwrap().compare(&expected).unwrap();
    }
}

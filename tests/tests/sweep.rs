//! `t2f sweep`: a run for each combination, the same as by `t2f train`, resumable.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use t2f_tests::kill::TINY;

use crate::program::{Ran, command, run};

fn sweep(folder: &Path, more: &[&str]) -> Ran {
    let tiny = TINY.into_iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["sweep"].into_iter().chain(tiny).chain(more.iter().copied()).collect();
    run(folder, &arguments)
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

#[test]
fn a_sweep_trains_each_combination_once_as_train_does() {
    let home = tempfile::tempdir().unwrap();
    let settings = ["--set", "seed=0,1", "--set", "optimizer.generator.lr=1e-3,2e-3", "--jobs", "2"];
    let ran = sweep(home.path(), &settings);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let folder = home.path().join("sweep");
    let table = read(folder.join("sweep.csv"));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..4], ["run", "seed", "optimizer.generator.lr", "kimg"]);
    assert_eq!(rows[4][..3], ["003", "1", "2e-3"]);
    let losses: HashSet<String> = rows[1..].iter().map(|row| row[4..].join(" ")).collect();
    assert!(rows.len() == 5 && losses.len() == 4, "{table}");
    let seeds = read(folder.join("sweep-seeds.csv"));
    assert!(seeds.starts_with("optimizer.generator.lr,seeds,kimg,") && seeds.contains(" ± "), "{seeds}");
    assert!(ran.out.contains("003") && read(folder.join("sweep.svg")).contains("003 seed 1, lr 2e-3"));
    assert_eq!(fs::read(folder.join("sweep.png")).unwrap()[1..4], *b"PNG");

    let model = |run: &Path| {
        fs::read(
            run.join("00000-procedural-quick/checkpoints")
                .read_dir()
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_dir())
                .max()
                .unwrap()
                .join("g_params.safetensors"),
        )
        .unwrap()
    };
    let tiny = TINY.into_iter().flat_map(|set| ["--set", set]);
    let own = ["--set", "seed=1", "--set", "optimizer.generator.lr=2e-3", "--out", "alone"];
    let arguments: Vec<&str> = ["train"].into_iter().chain(tiny).chain(own).collect();
    assert_eq!(run(home.path(), &arguments).code, 0);
    assert!(model(&folder.join("003")) == model(&home.path().join("alone")), "as a run of `t2f train`");

    let output = read(folder.join("000/output.txt"));
    let again = sweep(home.path(), &settings);
    assert_eq!((again.code, read(folder.join("sweep.csv"))), (0, table), "{}", again.err);
    assert_eq!(read(folder.join("000/output.txt")), output, "a finished run is not started again");

    let other = sweep(home.path(), &["--set", "seed=0,1,2"]);
    assert!(other.code == 2 && other.err.contains("has another sweep"), "{}", other.err);
}

#[test]
fn a_failed_run_leaves_the_others_alone_and_a_wrong_setting_starts_none() {
    let home = tempfile::tempdir().unwrap();
    let ran = sweep(home.path(), &["--set", "optimizer.discriminator.lr=1e30,1e-3"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("1 of 2 runs failed: 000") && ran.err.contains("diverged"), "{}", ran.err);
    assert!(read(home.path().join("sweep/sweep.csv")).contains("001,1e-3,"));

    let ran = sweep(home.path(), &["--set", "gan.colour=1,2", "--out", "other"]);
    assert!(ran.code == 1 && ran.err.contains("run 000 (gan.colour=1)"), "{}", ran.err);
    assert!(!home.path().join("other").exists());
}

#[test]
fn a_signal_stops_the_runs_and_the_same_command_resumes_them() {
    let home = tempfile::tempdir().unwrap();
    let tiny = TINY.into_iter().flat_map(|set| ["--set", set]);
    let long = ["--set", "schedule.stable_kimg=[0.08,1000]", "--set", "output.checkpoint_kimg=1000"];
    let arguments: Vec<&str> = ["sweep"].into_iter().chain(tiny).chain(long).collect();
    let mut child = command(home.path(), &arguments).spawn().unwrap();
    let log = home.path().join("sweep/000/output.txt");
    let begin = Instant::now();
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("level 1 begins")) {
        assert!(begin.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(read(&log).contains("stopped as asked"));

    // A folder holds one sweep, so that the resumed one has the same settings: it goes on, and is stopped again.
    let mut child = command(home.path(), &arguments).spawn().unwrap();
    let begin = Instant::now();
    while !read(&log).contains("continues from") {
        assert!(begin.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_slurm_script_has_a_task_for_each_run() {
    let home = tempfile::tempdir().unwrap();
    let ran = sweep(home.path(), &["--set", "seed=0,1,2", "--slurm", "sweep.sh", "--out", "my sweep"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "sbatch sweep.sh"), "{}", ran.err);
    let script = read(home.path().join("sweep.sh"));
    for part in [
        "#!/bin/bash",
        "--array=0-2",
        "--set seed=0,1,2",
        "--out 'my sweep'",
        "--only \"$SLURM_ARRAY_TASK_ID\"",
    ] {
        assert!(script.contains(part), "{part}: {script}");
    }
    let check = std::process::Command::new("bash").args(["-n", "sweep.sh"]).current_dir(home.path()).status();
    assert!(check.unwrap().success());
    assert!(home.path().join("my sweep/sweep.json").is_file());
}

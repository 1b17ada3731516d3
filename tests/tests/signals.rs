//! SIGINT and SIGTERM finish the step, write a checkpoint and exit with 0; a second one aborts; SIGUSR1
//! writes a checkpoint and continues.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use t2f_tests::kill::TINY;
use t2f_train::checkpoint::load_latest;

use crate::program::command;

/// A run of hours, with its output from its first level.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    run: PathBuf,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let settings = TINY.into_iter().chain([
            "schedule.stable_kimg=[0.08,1000]",
            "output.sample_kimg=1",
            "output.checkpoint_kimg=1000",
        ]);
        let settings = settings.flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", "--device", "cpu"].into_iter().chain(settings).collect();
        let mut child =
            command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self { child, lines, run: folder.join("runs/00000-procedural-quick") };
        running.wait_for("level 1 begins");
        running
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        assert!(self.lines.any(|line| line.unwrap().contains(text)), "the run ended without `{text}`");
    }

    fn signal(&self, signals: &[&str]) {
        // One shell, so that a second signal comes before the first is handled.
        let pid = self.child.id();
        let script: Vec<String> = signals.iter().map(|signal| format!("kill -{signal} {pid}")).collect();
        assert!(Command::new("sh").args(["-c", &script.join(" && ")]).status().unwrap().success());
    }

    fn checkpoints(&self) -> usize {
        let entries = fs::read_dir(self.run.join("checkpoints")).into_iter().flatten();
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("step-"))
            .count()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_signal_saves_and_exits_with_success_at_any_time() {
    for (i, signal) in ["INT", "TERM", "INT", "TERM", "TERM"].into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(folder.path());
        assert_eq!(running.checkpoints(), 0);
        std::thread::sleep(Duration::from_millis(23 * i as u64));
        let asked = Instant::now();
        running.signal(&[signal]);
        running.wait_for("stopped as asked");
        assert_eq!(running.child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(30), "{signal}: {:?}", asked.elapsed());
        load_latest(&running.run.join("checkpoints")).unwrap();
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path());
    running.signal(&["USR1"]);
    running.wait_for("saved as asked");
    running.signal(&["STOP", "INT", "TERM", "CONT"]);
    let code = running.child.wait().unwrap().code();
    assert!([Some(130), Some(143)].contains(&code), "{code:?}");
    load_latest(&running.run.join("checkpoints")).unwrap();
}

#[test]
fn sigusr1_saves_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path());
    for saves in 1..=2 {
        running.signal(&["USR1"]);
        running.wait_for("saved as asked; continuing");
        assert_eq!(running.checkpoints(), saves);
        // The first line may be of the step just saved; the second is of a later one.
        running.wait_for("img/s");
        running.wait_for("img/s");
    }
    running.signal(&["INT"]);
    running.wait_for("stopped as asked");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

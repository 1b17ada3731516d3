//! The runs of a sweep, as processes of `t2f train`.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use t2f_pictures::run_log;

use crate::cli::signals::Signals;
use crate::cli::terminal;

/// The time between two looks at the processes.
const PAUSE: Duration = Duration::from_millis(100);

/// A run of the sweep.
#[derive(Clone, Debug)]
pub struct Job {
    pub number: usize,
    /// Its settings for people.
    pub label: String,
    /// The folder of the run folder and of the output of its process.
    pub folder: PathBuf,
    /// The arguments of `t2f train` of a new run, but for `--out`.
    pub arguments: Vec<String>,
}

impl Job {
    /// The run folder, if the run is begun.
    pub fn run(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.folder).ok()?;
        let mut runs: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join("config.toml").is_file())
            .collect();
        runs.sort();
        runs.pop()
    }

    /// Whether the schedule of the run is complete.
    pub fn is_finished(&self) -> bool {
        self.run().is_some_and(|run| run_log::is_finished(&run_log::entries(&run)))
    }

    /// Starts or resumes the run.
    fn start(&self, threads: usize) -> std::io::Result<Child> {
        fs::create_dir_all(&self.folder)?;
        let output = OpenOptions::new().create(true).append(true).open(self.output())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--threads", &threads.to_string(), "train", "--plain"]);
        match self.run() {
            Some(run) => command.arg("--resume").arg(run),
            None => command.args(&self.arguments).arg("--out").arg(&self.folder),
        };
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
    }

    /// The output of the process.
    pub fn output(&self) -> PathBuf {
        self.folder.join("output.txt")
    }

    /// The error in the output, or its last line.
    fn reason(&self) -> String {
        let text = fs::read(self.output()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let error = text.lines().rev().find(|line| line.starts_with("error:"));
        error.or(text.lines().last()).unwrap_or("no output").to_owned()
    }
}

/// How the runs ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// The runs that failed, with the reason.
    pub failed: Vec<(usize, String)>,
    /// Whether a signal stopped the sweep.
    pub stopped: bool,
}

/// Trains the runs that are not finished, `at_once` at a time with `threads` each. A run that fails leaves the
/// others alone. A signal stops all after a checkpoint.
///
/// # Errors
/// If a process cannot be started.
pub fn train(jobs: &[Job], at_once: usize, threads: usize) -> anyhow::Result<Ended> {
    let signals = Signals::listen()?;
    let mut waiting = jobs.iter().filter(|job| !job.is_finished());
    let mut running: Vec<(&Job, Child)> = Vec::new();
    let mut ended = Ended::default();
    loop {
        while running.len() < at_once && !signals.stop() {
            let Some(job) = waiting.next() else { break };
            let verb = if job.run().is_some() { "resumed" } else { "started" };
            running.push((job, job.start(threads)?));
            terminal::note(&format!("run {} {verb}: {}", name(job.number), job.label));
        }
        if running.is_empty() {
            ended.stopped |= signals.stop();
            return Ok(ended);
        }
        if signals.stop() && !ended.stopped {
            ended.stopped = true;
            running.iter().for_each(|(_, child)| interrupt(child.id()));
            terminal::note("stopping the runs after a checkpoint");
        }
        let mut going = Vec::new();
        for (job, mut child) in running {
            match child.try_wait()? {
                None => going.push((job, child)),
                Some(status) => settle(job, status, &mut ended),
            }
        }
        running = going;
        std::thread::sleep(PAUSE);
    }
}

/// Notes the end of a run.
fn settle(job: &Job, status: ExitStatus, ended: &mut Ended) {
    let number = name(job.number);
    if !status.success() {
        let reason = job.reason();
        terminal::warn(&format!("run {number} failed: {reason}; see {}", job.output().display()));
        ended.failed.push((job.number, reason));
    } else if job.is_finished() {
        terminal::note(&format!("run {number} finished"));
    } else {
        terminal::note(&format!("run {number} stopped after a checkpoint"));
        ended.stopped = true;
    }
}

/// Asks a process to end. One that is gone needs no asking.
fn interrupt(process: u32) {
    let _ = Command::new("kill").args(["-INT", &process.to_string()]).stderr(Stdio::null()).status();
}

/// The number of a run as its folder has it.
pub fn name(run: usize) -> String {
    format!("{run:03}")
}

//! Runs that are repeatedly killed by SIGKILL and must give the same bits as an uninterrupted run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rand_core::Rng;
use t2f_files::json_lines;
use t2f_ops::rng::{self, Key};

/// Settings of a run of one second: 20 steps at 4x4, 20 of the fade-in of 8x8, 20 more; statistics every 2
/// steps, samples every 4, a checkpoint every 3.
pub const TINY: [&str; 18] = [
    "gan.resolution=8",
    "gan.channels=[8,8]",
    "gan.latent_size=12",
    "gan.code_size=8",
    "gan.compressed_size=8",
    "text.embedding_size=8",
    "text.hidden_size=8",
    "data.train_images=24",
    "data.val_images=4",
    "data.test_images=4",
    "schedule.batch_sizes=[4]",
    "schedule.fade_kimg=[0,0.08]",
    "schedule.stable_kimg=[0.08,0.08]",
    "output.tick_kimg=0.008",
    "output.sample_kimg=0.016",
    "output.checkpoint_kimg=0.012",
    "output.keep_checkpoints=2",
    "output.samples=2",
];

/// The runs and the number of kills.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `t2f`.
    pub program: PathBuf,
    /// An empty folder.
    pub out: PathBuf,
    /// Number of kills, in as many runs as necessary.
    pub kills: usize,
    /// `RAYON_NUM_THREADS`.
    pub threads: usize,
    /// `loader.workers`.
    pub workers: usize,
    /// Seed of the random moments.
    pub seed: u64,
}

/// The interrupted actions, inferred from the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs that were completed and compared.
    pub runs: usize,
    /// Number of kills by interrupted action.
    pub hits: BTreeMap<&'static str, usize>,
}

/// The moment of a kill.
enum Moment {
    /// A time after the start.
    After(Duration),
    /// A time after a line with this text.
    Line(&'static str, Duration),
}

/// The results of a run that must not depend on interruptions: the newest checkpoint, the model, and the
/// statistics without times.
#[derive(Debug, PartialEq)]
pub struct Left {
    files: BTreeMap<String, Vec<u8>>,
    stats: Vec<BTreeMap<String, f64>>,
}

/// Kills runs as planned and compares each with an uninterrupted run.
///
/// # Errors
/// If a run cannot be resumed or differs; the message states the difference.
pub fn run(plan: &Plan) -> Result<Tally, String> {
    let began = Instant::now();
    let reference = plan.out.join("reference");
    let finished = plan.start(&plan.new_run(&reference))?.wait().map_err(|error| error.to_string())?;
    if !finished.success() {
        return Err("the uninterrupted run fails".into());
    }
    let life = began.elapsed();
    let expected = Left::of(&folder(&reference).ok_or("the uninterrupted run has no folder")?)?;
    let mut draw = Key::new(plan.seed).child("kill").rng();
    let mut tally = Tally::default();
    let mut kills = 0;
    while kills < plan.kills {
        let out = plan.out.join(format!("killed-{}", tally.runs));
        loop {
            let arguments = match folder(&out) {
                Some(run) if run.join("config.toml").exists() => resume(&run),
                _ => plan.new_run(&out),
            };
            let mut child = plan.start(&arguments)?;
            let lines = lines_of(&mut child);
            let moment = if kills < plan.kills { Some(moment(&mut draw, life)) } else { None };
            match outlive(&mut child, &lines, moment)? {
                Some(true) => break,
                Some(false) => {
                    return Err(format!(
                        "{arguments:?} failed: {}",
                        lines.iter().collect::<Vec<_>>().join("\n")
                    ));
                }
                None => {
                    kills += 1;
                    *tally.hits.entry(hit(&out)).or_default() += 1;
                }
            }
        }
        let run = folder(&out).ok_or("a run has no folder")?;
        Left::of(&run)?.compare(&expected).map_err(|error| format!("{}: {error}", run.display()))?;
        tally.runs += 1;
        fs::remove_dir_all(&out).map_err(|error| error.to_string())?;
    }
    Ok(tally)
}

impl Plan {
    fn new_run(&self, out: &Path) -> Vec<String> {
        let workers = format!("loader.workers={}", self.workers);
        let settings = TINY.iter().copied().chain([workers.as_str()]);
        let settings: Vec<String> = settings.flat_map(|set| ["--set".to_owned(), set.to_owned()]).collect();
        let out = out.to_string_lossy().into_owned();
        ["train", "--plain", "--device", "cpu", "--out"]
            .map(String::from)
            .into_iter()
            .chain([out])
            .chain(settings)
            .collect()
    }

    fn start(&self, arguments: &[String]) -> Result<Child, String> {
        Command::new(&self.program)
            .args(arguments)
            .env("RAYON_NUM_THREADS", self.threads.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))
    }
}

fn resume(run: &Path) -> Vec<String> {
    ["train", "--plain", "--resume"]
        .map(String::from)
        .into_iter()
        .chain([run.to_string_lossy().into_owned()])
        .collect()
}

/// The one run folder in `out`.
fn folder(out: &Path) -> Option<PathBuf> {
    fs::read_dir(out).ok()?.flatten().map(|entry| entry.path()).find(|path| path.is_dir())
}

/// Half of the kills come at a random time, the others soon after a line of output.
fn moment(draw: &mut impl Rng, life: Duration) -> Moment {
    let jitter = Duration::from_micros(rng::below(draw, 8000) as u64);
    match rng::below(draw, 10) {
        0 => Moment::Line("level 1 begins", jitter),
        1 => Moment::Line("alpha 0.", jitter),
        2 => Moment::Line("fakes", jitter),
        3 => Moment::Line("kimg 0", jitter),
        4 => Moment::Line("saved", jitter),
        _ => Moment::After(life.mul_f64(rng::unit(draw))),
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(err) = child.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// Waits for the end of a process or kills it at a moment; `Some(success)` if it was not killed.
fn outlive(
    child: &mut Child,
    lines: &Receiver<String>,
    moment: Option<Moment>,
) -> Result<Option<bool>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let started = Instant::now();
    let mut due = match moment {
        Some(Moment::After(time)) => Some(started + time),
        _ => None,
    };
    loop {
        let wait = due.map_or(Duration::from_millis(20), |due| due.saturating_duration_since(Instant::now()));
        match lines.recv_timeout(wait.min(Duration::from_millis(20))) {
            Ok(line) => {
                if let (Some(Moment::Line(text, jitter)), None) = (&moment, due)
                    && line.contains(text)
                {
                    due = Some(Instant::now() + *jitter);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                if let Some(status) = child.try_wait().map_err(failed)? {
                    return Ok(Some(status.success()));
                }
            }
        }
        if due.is_some_and(|due| Instant::now() >= due) {
            child.kill().map_err(failed)?;
            let status = child.wait().map_err(failed)?;
            return Ok(status.code().map(|code| code == 0));
        }
    }
}

/// The interrupted action of a kill, as far as the files show it.
fn hit(out: &Path) -> &'static str {
    let Some(run) = folder(out) else { return "start" };
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let begins = |names: &[String], start: &str| names.iter().any(|name| name.starts_with(start));
    let (top, checkpoints) = (names(&run), names(&run.join("checkpoints")));
    let newest = checkpoints.iter().filter(|name| name.starts_with("step-")).max();
    let log = fs::read_to_string(run.join("log.txt")).unwrap_or_default();
    if begins(&checkpoints, ".tmp-run") {
        "checkpoint being written"
    } else if begins(&checkpoints, ".tmp-gone") {
        "checkpoint being removed"
    } else if begins(&checkpoints, ".tmp-")
        || newest.is_some_and(|newest| {
            fs::read_to_string(run.join("checkpoints/LATEST")).is_ok_and(|latest| latest != *newest)
        })
    {
        "pointer"
    } else if begins(&top, ".tmp-") {
        "file of the run"
    } else if !top.contains(&"config.toml".to_owned()) {
        "start"
    } else {
        match log.lines().rev().find_map(|line| line.split_once("level ").map(|(_, rest)| rest)) {
            Some(rest) if rest.starts_with("1 begins") => "level change",
            Some(rest) if rest.contains("alpha 1.00") || rest.contains("alpha 0.00") => "stable level",
            Some(_) => "fade-in",
            None => "before the first row",
        }
    }
}

impl Left {
    /// Reads the results of a finished run.
    ///
    /// # Errors
    /// If a file is missing, or the statistics have a fault.
    pub fn of(run: &Path) -> Result<Self, String> {
        let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let checkpoints = run.join("checkpoints");
        let latest = String::from_utf8_lossy(&read(&checkpoints.join("LATEST"))?).into_owned();
        let mut files =
            BTreeMap::from([("model.safetensors".to_owned(), read(&run.join("model.safetensors"))?)]);
        let entries =
            fs::read_dir(checkpoints.join(&latest)).map_err(|error| format!("{latest}: {error}"))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            files.insert(
                format!("{latest}/{}", path.file_name().unwrap_or_default().to_string_lossy()),
                read(&path)?,
            );
        }
        let (rows, faults) = json_lines::read(&run.join("stats.jsonl")).map_err(|error| error.to_string())?;
        if !faults.is_empty() {
            return Err(format!("stats.jsonl: {}", faults.join("; ")));
        }
        let timeless = |row: &json_lines::Row| {
            row.values().clone().into_iter().filter(|(name, _)| !name.starts_with("Timing/")).collect()
        };
        Ok(Self { files, stats: rows.iter().map(timeless).collect() })
    }

    /// Compares two results.
    ///
    /// # Errors
    /// If a file or the statistics differ; the message names them.
    pub fn compare(&self, expected: &Self) -> Result<(), String> {
        let names = |left: &Self| left.files.keys().cloned().collect::<Vec<_>>();
        if names(self) != names(expected) {
            return Err(format!("the files are {:?}, expected {:?}", names(self), names(expected)));
        }
        let differs = |name: &&String| self.files[*name] != expected.files[*name];
        let different: Vec<&String> = self.files.keys().filter(differs).collect();
        if !different.is_empty() {
            return Err(format!("{different:?} differ"));
        }
        if self.stats != expected.stats {
            return Err(format!(
                "{} rows of statistics differ from {}",
                self.stats.len(),
                expected.stats.len()
            ));
        }
        Ok(())
    }
}

//! A process that does a job so many times when it is asked to: ours, or one that speaks the same
//! way.
//!
//! It says that it is ready with a line of JSON, and answers each line `N` on standard input with
//! a line `{"ms": [N times], "cpu_ms": …, "memory_mb": …}`. It ends with its input.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::cli::bench::benchmark::{Benchmark, operators};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use super::stock::Stock;
use crate::cli::failure::failure;
use crate::cli::terminal;

/// What a process of ours does.
#[derive(Debug, Serialize, Deserialize)]
pub enum Job {
    /// Measures the fastest matrix product, once.
    Gemm,
    /// Times each operator of a benchmark's networks, once.
    Operators(Benchmark),
    /// Takes training steps.
    Step(Benchmark),
    /// Takes training steps with nothing but candle's own operators.
    Stock(Benchmark),
    /// Draws so many faces of one caption at once from a model file.
    Generate(PathBuf, usize),
    /// Trains the preset `quick`, to the first step or to the end.
    Run {
        /// Settings, as with `t2f train --set`.
        overrides: Vec<String>,
        /// Where the run folder is made.
        out: PathBuf,
        /// Whether the first step is all.
        first_step: bool,
    },
}

/// A process waiting for its turn.
#[derive(Debug)]
pub struct Worker {
    /// What it runs.
    pub name: String,
    /// The line with which it said that it is ready.
    pub hello: Value,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: Option<JoinHandle<String>>,
}

/// The answer to one turn.
#[derive(Debug)]
pub struct Turn {
    /// Milliseconds of each step.
    pub ms: Vec<f64>,
    /// CPU milliseconds a step, all threads together.
    pub cpu_ms: f64,
    /// Peak resident memory of the process so far; 0 where the system does not say.
    pub memory_mb: f64,
}

impl Worker {
    /// This program, on a job.
    pub fn ours(job: &Job, threads: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(ourselves()?);
        command.args(["bench", "--worker", &serde_json::to_string(job)?]);
        command.env("RAYON_NUM_THREADS", threads.to_string());
        if matches!(job, Job::Gemm | Job::Stock(_)) {
            command.env("CANDLE_NUM_THREADS", threads.to_string());
        }
        if matches!(job, Job::Stock(_)) {
            command.env("CANDLE_GRAD_DO_NOT_DETACH", "1"); // or second derivatives are wrong
        }
        let name = if matches!(job, Job::Stock(_)) { "candle" } else { "t2f" };
        Self::start(name, &mut command)
    }

    /// Starts a process and waits until it is ready.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().display().to_string();
            failure(format!("cannot start `{program}`: {error}"), "check its path")
        })?;
        let input = child.stdin.take().expect("standard input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut pipe = child.stderr.take().expect("standard error is a pipe");
        // Read as it comes, or a talkative process would wait for a reader.
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            text
        });
        let mut worker =
            Self { name: name.into(), hello: Value::Null, child, input, output, errors: Some(errors) };
        worker.hello = worker.answer()?;
        Ok(worker)
    }

    /// Has it take `steps` steps.
    pub fn take(&mut self, steps: u32) -> anyhow::Result<Turn> {
        if writeln!(self.input, "{steps}").and_then(|()| self.input.flush()).is_err() {
            return Err(self.ended());
        }
        let answer = self.answer()?;
        let number = |name: &str| answer[name].as_f64().unwrap_or(0.0);
        let ms: Vec<f64> = answer["ms"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        anyhow::ensure!(ms.len() == steps as usize, "{} answered {answer} to {steps} steps", self.name);
        Ok(Turn { ms, cpu_ms: number("cpu_ms"), memory_mb: number("memory_mb") })
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(read) if read > 0 => {
                serde_json::from_str(&line).with_context(|| format!("{} printed {line:?}", self.name))
            }
            _ => Err(self.ended()),
        }
    }

    /// Why it is gone.
    fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().map_or("unknown".into(), |status| status.to_string());
        let errors = self.errors.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let last = errors.trim().lines().last().unwrap_or("it said nothing").to_owned();
        failure(
            format!("the process `{}` ended ({status}): {last}", self.name),
            "run its command by hand for the whole message",
        )
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of this program.
pub fn ourselves() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("this program does not know its path")
}

/// Works on a job until the input ends: what the process of [`Worker::ours`] does.
pub fn serve(job: &str) -> anyhow::Result<()> {
    // Opening the device settles threads and allocator, which is no business of stock candle.
    let device = || t2f_train::device::open("cpu");
    match serde_json::from_str(job).context("`--worker` takes a job as JSON")? {
        Job::Gemm => {
            terminal::result(&json!({ "gflops": operators::gemm_peak(&device()?)? }).to_string());
            Ok(())
        }
        Job::Operators(benchmark) => {
            let times = operators::times(&benchmark, &device()?)?;
            terminal::result(&serde_json::to_string(&times)?);
            Ok(())
        }
        Job::Step(benchmark) => {
            let mut training = benchmark.training(&device()?)?;
            answer_turns(|| training.step().map(drop).map_err(anyhow::Error::new))
        }
        Job::Stock(benchmark) => {
            let mut training = Stock::new(&benchmark)?;
            answer_turns(|| training.step().map_err(anyhow::Error::new))
        }
        Job::Run { overrides, out, first_step } => super::run::train(&overrides, &out, first_step),
        Job::Generate(path, count) => {
            let model = Model::load(&path, "cpu", &Components::new())?;
            let captions = vec![super::generation::CAPTION.to_owned(); count];
            let seeds: Vec<u64> = (0..count as u64).collect();
            answer_turns(|| {
                model.generate(&captions, &seeds, Sampling::default()).map(drop).map_err(anyhow::Error::new)
            })
        }
    }
}

fn answer_turns(mut job: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    terminal::result(&json!({ "ready": true }).to_string());
    for line in std::io::stdin().lines() {
        let times: usize = line?.trim().parse().context("a number of turns was expected")?;
        let cpu = cpu_ms();
        let mut ms = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            job()?;
            ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = (cpu_ms() - cpu) / times.max(1) as f64;
        terminal::result(&json!({ "ms": ms, "cpu_ms": cpu, "memory_mb": memory_mb() }).to_string());
    }
    Ok(())
}

/// Operations a second of the fastest large matrix product on so many threads, in 10⁹.
pub fn gemm_peak(threads: usize) -> anyhow::Result<f64> {
    let worker = Worker::ours(&Job::Gemm, threads)?;
    worker.hello["gflops"].as_f64().context("the matrix product was not measured")
}

/// CPU time of this process so far, all threads together; 0 where the system does not say.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e6
}

/// Peak resident memory of this process; 0 where the system does not say.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

//! A worker process that repeats a job on request: this program, or another one with the same protocol.
//!
//! When it is ready, it prints a line of JSON. For each line `N` on standard input it repeats the job N
//! times and prints `{"ms": [N times], "cpu_ms": …, "memory_mb": …}`. It exits at the end of its input.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::cli::bench::benchmark::{Benchmark, operators};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use t2f_ops::{Device, device_memory, peak_memory};
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use super::stock::Stock;
use crate::cli::failure::failure;
use crate::cli::terminal;

/// The job of a worker process of this program.
#[derive(Debug, Serialize, Deserialize)]
pub enum Job {
    /// The fastest matrix product of a device, once.
    Gemm(String),
    /// Each operator of a benchmark's networks, once.
    Operators(Benchmark),
    /// Training steps.
    Step(Benchmark),
    /// Training steps with candle's own operators.
    Stock(Benchmark),
    /// Generation of a batch of faces of one caption from a model file.
    Generate(PathBuf, usize),
    /// Batches of image files.
    Load(Box<super::loading::Load>),
    /// A run of the preset `quick`, to the first step or to the end.
    Run {
        /// Settings, as with `t2f train --set`.
        overrides: Vec<String>,
        /// The parent of the run folder.
        out: PathBuf,
        /// Whether the run stops after the first step.
        first_step: bool,
    },
}

/// A waiting worker process.
#[derive(Debug)]
pub struct Worker {
    /// The name of the program or variant.
    pub name: String,
    /// The line that it has printed when ready.
    pub hello: Value,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: Option<JoinHandle<String>>,
}

/// The measurements of one turn.
#[derive(Debug)]
pub struct Turn {
    /// Milliseconds of each step.
    pub ms: Vec<f64>,
    /// CPU milliseconds per step, all threads together.
    pub cpu_ms: f64,
    /// Peak resident memory of the process so far, or the memory in use on its GPU; 0 if the system does not report it.
    pub memory_mb: f64,
}

impl Worker {
    /// Starts this program with a job.
    pub fn ours(job: &Job, threads: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(ourselves()?);
        command.args(["bench", "--worker", &serde_json::to_string(job)?]);
        command.env("RAYON_NUM_THREADS", threads.to_string());
        if matches!(job, Job::Gemm(_) | Job::Stock(_)) {
            command.env("CANDLE_NUM_THREADS", threads.to_string());
        }
        if matches!(job, Job::Stock(_)) {
            command.env("CANDLE_GRAD_DO_NOT_DETACH", "1"); // otherwise second derivatives are wrong
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
        // A process blocks on a full pipe, so a thread reads it.
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

    /// Takes `steps` steps.
    pub fn take(&mut self, steps: u32) -> anyhow::Result<Turn> {
        if writeln!(self.input, "{steps}").and_then(|()| self.input.flush()).is_err() {
            return Err(self.ended());
        }
        let answer = self.answer()?;
        let number = |name: &str| answer[name].as_f64().unwrap_or(0.0);
        let ms: Vec<f64> = answer["ms"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        anyhow::ensure!(ms.len() == steps as usize, "{} printed {answer}, expected {steps} times", self.name);
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

    /// The error of an ended process.
    fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().map_or("unknown".into(), |status| status.to_string());
        let errors = self.errors.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let last = errors.trim().lines().last().unwrap_or("it printed no error").to_owned();
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
    std::env::current_exe().context("the path of this program is unknown")
}

/// Repeats a job until the input ends, in the process of [`Worker::ours`].
pub fn serve(job: &str) -> anyhow::Result<()> {
    let open = t2f_train::device::open;
    match serde_json::from_str(job).context("`--worker` is not a job in JSON")? {
        Job::Gemm(device) => {
            let device = open(&device)?;
            let (gflops, bf16) = (operators::gemm_peak(&device)?, operators::bf16_peak(&device)?);
            terminal::result(&json!({ "gflops": gflops, "bf16_gflops": bf16 }).to_string());
            Ok(())
        }
        Job::Operators(benchmark) => {
            let times = operators::times(&benchmark, &open(&benchmark.device)?)?;
            terminal::result(&serde_json::to_string(&times)?);
            Ok(())
        }
        Job::Step(benchmark) => {
            let device = open(&benchmark.device)?;
            let mut training = benchmark.training(&device)?;
            answer_turns(&device, || training.step().map(drop).map_err(anyhow::Error::new))
        }
        Job::Stock(benchmark) => {
            let mut training = Stock::new(&benchmark)?;
            answer_turns(&Device::Cpu, || training.step().map_err(anyhow::Error::new))
        }
        Job::Load(job) => {
            let mut loading = super::loading::Loading::new(&job)?;
            answer_turns(&Device::Cpu, || loading.step())
        }
        Job::Run { overrides, out, first_step } => super::run::train(&overrides, &out, first_step),
        Job::Generate(path, count) => {
            let model = Model::load(&path, "cpu", &Components::new())?;
            let captions = vec![super::generation::CAPTION.to_owned(); count];
            let seeds: Vec<u64> = (0..count as u64).collect();
            answer_turns(&Device::Cpu, || {
                model.generate(&captions, &seeds, Sampling::default()).map(drop).map_err(anyhow::Error::new)
            })
        }
    }
}

fn answer_turns(device: &Device, mut job: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    terminal::result(&json!({ "ready": true }).to_string());
    for line in std::io::stdin().lines() {
        let times: usize = line?.trim().parse().context("standard input is not a number of steps")?;
        let cpu = cpu_ms();
        let mut ms = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            job()?;
            ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = (cpu_ms() - cpu) / times.max(1) as f64;
        let memory = device_memory(device).or_else(peak_memory).unwrap_or(0);
        let memory_mb = memory as f64 / f64::from(1 << 20);
        terminal::result(&json!({ "ms": ms, "cpu_ms": cpu, "memory_mb": memory_mb }).to_string());
    }
    Ok(())
}

/// Rates of the processor, in 10⁹ operations per second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of the fastest large matrix product of `f32`.
    pub gemm: f64,
    /// Of a convolution of `bf16`, with tile instructions alone.
    pub bf16: Option<f64>,
}

/// Measures the rates of a device, or of `threads` threads.
pub fn rates(device: &str, threads: usize) -> anyhow::Result<Rates> {
    let worker = Worker::ours(&Job::Gemm(device.to_owned()), threads)?;
    let gemm = worker.hello["gflops"].as_f64().context("the matrix product was not measured")?;
    Ok(Rates { gemm, bf16: worker.hello["bf16_gflops"].as_f64() })
}

/// CPU time of this process so far, all threads together; 0 if the system does not report it.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e6
}

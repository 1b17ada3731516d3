//! `t2f bench`: time and memory of a training step, compared with PyTorch; times of single operators, of
//! generation, and of a whole run.
//!
//! Every program runs in its own process and takes a few steps in turn with the others, so that other load
//! of the machine affects all of them equally.

pub mod benchmark;
mod check;
mod generation;
mod loading;
mod peer;
mod row;
mod run;
mod stock;
mod table;
mod worker;

use std::path::PathBuf;

use crate::cli::bench::benchmark::operators::OperatorTime;
use crate::cli::bench::benchmark::{Benchmark, Loss};
use anyhow::Context;
use candle_core::Device;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::failure::usage;
use crate::cli::json_file;
use crate::cli::source::Source;
use peer::Peer;
use row::Row;
use t2f_train::config::Precision;
use worker::{Job, Worker};

/// Side of the images of `--stock`, in pixels; candle's own backward pass is slow.
const STOCK_RESOLUTION: usize = 16;

/// The options of `t2f bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f bench                                     4x4 to 64x64, both losses, wide and narrow network
  t2f bench --peer python3 --json bench.json    compare with PyTorch
  t2f bench --resolutions 16 --loss ns --network wide --stock
  t2f bench --peer python3 --variants shared,shared-cl --resolutions 8
  t2f bench --precision bf16 --peer python3     bf16, against PyTorch's automatic mixed precision
  t2f bench operators --resolutions 64          each operator of the wide network
  t2f bench check --device cuda                 operators and steps against the CPU's
  t2f bench generation --peer python3           from a caption to a face
  t2f bench loading --data folder:my-faces --peer python3     batches of image files
  t2f bench run                                 the first step and a whole run of the preset quick

A step is everything between two batches: both updates with Adam, and the average, on random
images and embeddings, with alpha 0.5. `wide` is T2F's network (latent size 256), `narrow` has the
channels of the preset `quick`. With --peer the PyTorch twin in experiments/peer-pytorch takes the
same steps in turn, after a check that parameters, losses and gradients on the same weights agree;
its fastest variant is compared. On a machine with other load compare the CPU times, and set
OMP_WAIT_POLICY=passive for the twin.")]
pub struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "steps", hide_default_value = true, value_name = "WHAT")]
    what: What,
    /// Sides of the images in pixels, 4 to 1024 [default: 4,8,16,32,64]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = level)]
    resolutions: Vec<usize>,
    /// Losses [default: wgan-gp,ns]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    loss: Vec<LossName>,
    /// Networks; narrow has at most 32x32 [default: wide,narrow]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    network: Vec<Network>,
    /// The device: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", hide_default_value = true, value_name = "NAME")]
    device: String,
    /// Precision: fp32, tf32 (NVIDIA GPUs), bf16, or auto for bf16 with AMX
    #[arg(long, value_enum, default_value = "fp32", hide_possible_values = true, value_name = "TYPE")]
    precision: PrecisionName,
    /// Rounds, each with one turn of every program [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    rounds: Option<u32>,
    /// Steps in a turn [default: half a second of steps]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    steps: Option<u32>,
    /// A Python with PyTorch to compare with
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// The folder of the PyTorch twin
    #[arg(long, default_value = "experiments/peer-pytorch", value_name = "FOLDER", requires = "peer")]
    twin: PathBuf,
    /// Variants of the twin [default: all]
    #[arg(long, value_delimiter = ',', value_name = "LIST", requires = "peer")]
    variants: Vec<String>,
    /// Also measure candle without the operators of t2f, at 16x16
    #[arg(long)]
    stock: bool,
    /// A setting of `run`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The image files of `loading`, as for `t2f data`
    #[arg(long, value_name = "SOURCE")]
    data: Option<Source>,
    /// Also write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run as a measured process
    #[arg(long, hide = true, value_name = "JOB", exclusive = true)]
    worker: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Training steps (default)
    Steps,
    /// The operators of the largest resolution's networks, one at a time
    Operators,
    /// What a device computes, against the CPU's: values and gradients of operators and steps
    Check,
    /// Generation, from a caption to a 64x64 face
    Generation,
    /// Batches of image files, decoded or cached
    Loading,
    /// A run of the preset quick: its start, and its time besides steps
    Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossName {
    /// Wasserstein with gradient penalty, drift and mismatched captions
    WganGp,
    /// Non-saturating logistic, no penalty
    Ns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Network {
    /// T2F's: 256 feature maps up to 32x32
    Wide,
    /// The preset quick's: 96, 96, 64, 48
    Narrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PrecisionName {
    Fp32,
    Tf32,
    Bf16,
    Auto,
}

/// The level of a resolution.
fn level(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if side.is_power_of_two() && (4..=1024).contains(&side) => Ok((side / 4).ilog2() as usize),
        _ => Err("expected a power of two from 4 to 1024".into()),
    }
}

/// The given values, or the default for none.
fn given_or<T: Copy>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

impl Options {
    /// The precision, decided for the device.
    fn precision(&self) -> Precision {
        match self.precision {
            PrecisionName::Fp32 => Precision::Fp32,
            PrecisionName::Tf32 => Precision::Tf32,
            PrecisionName::Bf16 => Precision::Bf16,
            PrecisionName::Auto if self.device == "cpu" => Precision::Auto.on(&Device::Cpu),
            PrecisionName::Auto => Precision::Fp32,
        }
    }

    fn levels(&self) -> Vec<usize> {
        given_or(&self.resolutions, &[0, 1, 2, 3, 4])
    }

    fn networks(&self) -> Vec<Network> {
        given_or(&self.network, &[Network::Wide, Network::Narrow])
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(5)
    }

    /// Refuses options without effect on the chosen measurement.
    fn check(&self) -> anyhow::Result<()> {
        use What::{Check, Generation, Loading, Operators, Run, Steps};
        let given: [(&str, bool, &[What]); 11] = [
            ("--device", self.device != "cpu", &[Steps, Operators, Check]),
            ("--resolutions", !self.resolutions.is_empty(), &[Steps, Operators]),
            ("--loss", !self.loss.is_empty(), &[Steps]),
            ("--network", !self.network.is_empty(), &[Steps, Operators]),
            ("--precision", self.precision != PrecisionName::Fp32, &[Steps, Operators]),
            ("--rounds", self.rounds.is_some(), &[Steps, Generation, Loading, Run]),
            ("--steps", self.steps.is_some(), &[Steps]),
            ("--peer", self.peer.is_some(), &[Steps, Generation, Loading]),
            ("--data", self.data.is_some(), &[Loading]),
            ("--stock", self.stock, &[Steps]),
            ("--set", !self.overrides.is_empty(), &[Run]),
        ];
        let idle = given.into_iter().find(|(_, given, places)| *given && !places.contains(&self.what));
        if self.stock && self.device != "cpu" {
            return Err(usage("`--stock` measures candle on the CPU", "omit `--device` or `--stock`"));
        }
        let Some((option, _, places)) = idle else { return Ok(()) };
        let name = |what: &What| what.to_possible_value().map(|value| value.get_name().to_owned());
        let places: Vec<String> = places.iter().filter_map(name).collect();
        let what = name(&self.what).unwrap_or_default();
        let hint = format!("omit it, or use `t2f bench` with one of {}", places.join(", "));
        Err(usage(format!("`{option}` has no effect on `t2f bench {what}`"), hint))
    }

    /// The benchmarks in the order of the table.
    fn benchmarks(&self) -> Vec<(&'static str, Benchmark)> {
        let mut all = Vec::new();
        for network in self.networks() {
            for loss in given_or(&self.loss, &[LossName::WganGp, LossName::Ns]) {
                for level in self.levels() {
                    let loss = match loss {
                        LossName::WganGp => Loss::WganGp,
                        LossName::Ns => Loss::Ns,
                    };
                    let (name, benchmark) = match network {
                        Network::Wide => ("wide", Benchmark::wide(level, loss)),
                        Network::Narrow if level <= 3 => ("narrow", Benchmark::narrow(level, loss)),
                        Network::Narrow => continue,
                    };
                    let (precision, device) = (self.precision(), self.device.clone());
                    all.push((name, Benchmark { precision, device, ..benchmark }));
                }
            }
        }
        all
    }
}

/// Runs `t2f bench`, each measured program on `threads` threads, or on all of the machine.
pub fn run(options: &Options, threads: Option<usize>) -> anyhow::Result<()> {
    if let Some(job) = &options.worker {
        return worker::serve(job);
    }
    options.check()?;
    json_file::check(options.json.as_deref())?;
    t2f_train::device::open(&options.device)?;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or(available);
    let peer = match (&options.peer, options.what) {
        (Some(python), What::Steps | What::Generation | What::Loading) => {
            Some(Peer::open(python, &options.twin, threads, options.precision(), &options.variants)?)
        }
        _ => None,
    };
    let json = |body: serde_json::Value| write_json(options, threads, peer.as_ref(), body);
    match options.what {
        What::Steps => steps(options, threads, peer.as_ref()),
        What::Check => json(json!({ "check": check::measure(&options.device)? })),
        What::Operators => json(json!({ "operators": operators(options, threads)? })),
        What::Generation => {
            json(json!({ "generation": generation::measure(peer.as_ref(), options.rounds(), threads)? }))
        }
        What::Loading => {
            let overrides: Vec<String> = options.data.iter().flat_map(Source::overrides).collect();
            let rows = loading::measure(&overrides, peer.as_ref(), options.rounds(), threads)?;
            json(json!({ "loading": rows }))
        }
        What::Run => json(json!({ "run": run::measure(&options.overrides, options.rounds(), threads)? })),
    }
}

fn steps(options: &Options, threads: usize, peer: Option<&Peer>) -> anyhow::Result<()> {
    let benchmarks = options.benchmarks();
    if benchmarks.is_empty() {
        return Err(usage(
            "there is nothing to measure",
            "the narrow network has at most 32x32: choose smaller `--resolutions`",
        ));
    }
    let rates = worker::rates(&options.device, threads)?;
    let peak = rates.gemm;
    table::heading(&options.device, threads, options.precision(), rates, peer);
    let mut rows = Vec::new();
    for (network, benchmark) in &benchmarks {
        let parity = peer.map(|peer| peer.check(benchmark)).transpose()?;
        let mut ours = Worker::ours(&Job::Step(benchmark.clone()), threads)?;
        let mut others = peer.map(|peer| peer.workers(benchmark)).transpose()?.unwrap_or_default();
        let turns = row::measure(&mut ours, &mut others, options.rounds(), options.steps)
            .with_context(|| format!("{network} network at {0}x{0}", benchmark.resolution()))?;
        drop((ours, others));
        let mut row = Row::new(network, benchmark, peak, parity, turns);
        if options.stock && benchmark.resolution() == STOCK_RESOLUTION {
            let mut stock = Worker::ours(&Job::Stock(benchmark.clone()), threads)?;
            stock.take(1)?;
            let turn = stock.take(1)?;
            row.candle_ms = Some(turn.ms[0]);
            row.candle_memory_mb = Some(turn.memory_mb);
        }
        table::line(&row);
        rows.push(row);
        // An interrupted measurement keeps the rows so far.
        write_json(
            options,
            threads,
            peer,
            json!({ "rows": rows, "gemm_gflops": peak, "bf16_gflops": rates.bf16 }),
        )?;
    }
    table::summary(&rows);
    Ok(())
}

fn operators(options: &Options, threads: usize) -> anyhow::Result<Vec<OperatorTime>> {
    if options.benchmarks().is_empty() {
        return Err(usage(
            "there is nothing to measure",
            "the narrow network has at most 32x32: choose smaller `--resolutions`",
        ));
    }
    let level = options.levels().into_iter().max().unwrap_or(0);
    let benchmark = match options.networks().first() {
        Some(Network::Narrow) => Benchmark::narrow(level.min(3), Loss::Ns),
        _ => Benchmark::wide(level, Loss::Ns),
    };
    let (precision, device) = (options.precision(), options.device.clone());
    let benchmark = Benchmark { precision, device, ..benchmark };
    let worker = Worker::ours(&Job::Operators(benchmark), threads)?;
    let times: Vec<OperatorTime> = serde_json::from_value(worker.hello.clone())?;
    table::operators(&times);
    Ok(times)
}

/// Writes the results, processor and versions to the file of `--json`.
fn write_json(
    options: &Options,
    threads: usize,
    peer: Option<&Peer>,
    mut body: serde_json::Value,
) -> anyhow::Result<()> {
    body["version"] = json!(env!("CARGO_PKG_VERSION"));
    body["processor"] = json!(table::processor());
    body["threads"] = json!(threads);
    body["device"] = json!(options.device);
    body["precision"] = json!(options.precision());
    body["kernels"] = json!(t2f_ops::kernels());
    body["torch"] = json!(peer.map(|peer| &peer.torch));
    json_file::write(options.json.as_deref(), &body)
}

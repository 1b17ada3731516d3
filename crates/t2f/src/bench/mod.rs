//! `t2f bench`: how long a training step takes, in how much memory, beside PyTorch.
//!
//! Every program that is compared runs in a process of its own, waits for its turn, and is asked
//! for a few steps at a time, so that whatever else the machine does meets all of them alike.

mod peer;
mod row;
mod table;
mod worker;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use t2f_train::yardstick::{Loss, Yardstick};

use crate::failure::{because, usage};
use crate::terminal;
use peer::Peer;
use row::Row;
use worker::Worker;

/// The options of `t2f bench`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f bench                                     4x4 to 64x64, both losses, wide and narrow network
  t2f bench --resolutions 16,32 --loss ns --network wide
  t2f bench --peer python3 --json bench.json    beside PyTorch, in turn
  t2f bench --peer python3 --variants shared,shared-cl --resolutions 8

One step is everything between two batches: the discriminator's step, the generator's, Adam on
both, the average; on random images and embeddings, with a level half faded in. `wide` is T2F's
network (latent 256), `narrow` has the widths of the preset `quick`. With --peer the PyTorch twin in
experiments/peer-pytorch takes the same step in turn, after a check that parameters, losses and
gradients on the same weights are the same; the fastest of its variants counts. On a machine that
does other work, too, compare the CPU times, and set OMP_WAIT_POLICY=passive for the twin.")]
pub struct Options {
    /// Sides of the images in pixels, 4 to 1024
    #[arg(long, value_delimiter = ',', default_value = "4,8,16,32,64", value_name = "LIST", value_parser = level)]
    resolutions: Vec<usize>,
    /// Losses
    #[arg(long, value_delimiter = ',', default_value = "wgan-gp,ns", value_name = "LIST")]
    loss: Vec<LossName>,
    /// Networks; narrow ends at 32x32
    #[arg(long, value_delimiter = ',', default_value = "wide,narrow", value_name = "LIST")]
    network: Vec<Network>,
    /// Turns of each program
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    rounds: u32,
    /// Steps in a turn [default: those of half a second]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    steps: Option<u32>,
    /// Threads of each program [default: the machine's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    threads: Option<u32>,
    /// A Python with PyTorch, to be measured beside
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// The folder of the PyTorch twin
    #[arg(long, default_value = "experiments/peer-pytorch", value_name = "FOLDER", requires = "peer")]
    twin: PathBuf,
    /// Variants of the twin [default: all]
    #[arg(long, value_delimiter = ',', value_name = "LIST", requires = "peer")]
    variants: Vec<String>,
    /// Write everything as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Be the process that is measured
    #[arg(long, hide = true, value_name = "JOB", exclusive = true)]
    worker: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LossName {
    /// Wasserstein with gradient penalty, drift and mismatched texts
    WganGp,
    /// Non-saturating logistic, no penalty
    Ns,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    /// T2F's: 256 feature maps up to 32x32
    Wide,
    /// The preset quick's: 96, 96, 64, 48
    Narrow,
}

/// The level of a resolution.
fn level(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if side.is_power_of_two() && (4..=1024).contains(&side) => Ok((side / 4).ilog2() as usize),
        _ => Err("expected a power of two from 4 to 1024".into()),
    }
}

impl Options {
    /// What to measure, in the order of the table.
    fn yardsticks(&self) -> Vec<(&'static str, Yardstick)> {
        let mut all = Vec::new();
        for network in &self.network {
            for loss in &self.loss {
                for &level in &self.resolutions {
                    let loss = match loss {
                        LossName::WganGp => Loss::WganGp,
                        LossName::Ns => Loss::Ns,
                    };
                    match network {
                        Network::Wide => all.push(("wide", Yardstick::wide(level, loss))),
                        Network::Narrow if level <= 3 => {
                            all.push(("narrow", Yardstick::narrow(level, loss)));
                        }
                        Network::Narrow => {}
                    }
                }
            }
        }
        all
    }
}

/// Runs `t2f bench`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(job) = &options.worker {
        return worker::serve(job);
    }
    let yardsticks = options.yardsticks();
    if yardsticks.is_empty() {
        return Err(usage("there is nothing to measure", "the narrow network ends at 32x32"));
    }
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.map_or(available, |threads| threads as usize);
    let peer =
        options.peer.as_ref().map(|python| Peer::open(python, &options.twin, threads, &options.variants));
    let peer = peer.transpose()?;
    let peak = worker::gemm_peak(threads)?;
    table::heading(threads, peak, peer.as_ref());
    let mut rows = Vec::new();
    for (network, yardstick) in &yardsticks {
        let distance = peer.as_ref().map(|peer| peer.check(yardstick)).transpose()?;
        let mut ours = Worker::ours(yardstick, threads)?;
        let mut others = match &peer {
            Some(peer) => peer.workers(yardstick)?,
            None => Vec::new(),
        };
        let turns = row::measure(&mut ours, &mut others, options.rounds, options.steps)
            .with_context(|| format!("{network} network at {0}x{0}", yardstick.resolution()))?;
        let row = Row::new(network, yardstick, peak, distance, turns);
        table::line(&row);
        rows.push(row);
        if let Some(file) = &options.json {
            let json = table::json(threads, peak, peer.as_ref(), &rows)?;
            std::fs::write(file, json)
                .map_err(|error| because(error, "cannot write the JSON", "check `--json`"))?;
        }
    }
    if let Some(summary) = table::summary(&rows) {
        terminal::result(&summary);
    }
    Ok(())
}

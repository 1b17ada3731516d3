//! One row of the table, from turns of t2f and of each variant of the twin.

use std::collections::BTreeMap;

use crate::cli::bench::benchmark::{Benchmark, Loss};
use serde::Serialize;

use super::worker::Worker;

/// The intended duration of a turn, in seconds.
const TURN_S: f64 = 0.5;
/// A variant is dropped after the warm-up if it takes this many times as long as the fastest.
const HOPELESS: f64 = 1.6;

/// The measurements of one program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// Median milliseconds of a step, for each turn.
    pub ms: Vec<f64>,
    /// CPU milliseconds of a step, for each turn.
    pub cpu_ms: Vec<f64>,
    /// Peak memory of its process.
    pub memory_mb: f64,
}

/// One row of the table and of the JSON. Times are medians over turns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// `wide` or `narrow`.
    pub network: String,
    /// Side of the images in pixels.
    pub resolution: usize,
    /// `wgan-gp` or `ns`.
    pub loss: Loss,
    /// Milliseconds of t2f's step.
    pub step_ms: f64,
    /// CPU milliseconds of t2f's step, all threads together.
    pub step_cpu_ms: f64,
    /// Images per second.
    pub images_per_s: f64,
    /// Peak memory of t2f's process.
    pub memory_mb: f64,
    /// 10⁹ operations per second, counted as direct convolution.
    pub gflops: f64,
    /// The same as a fraction of the fastest matrix product; above 1 with faster algorithms.
    pub gemm_share: f64,
    /// The relative difference of the losses of t2f and the twin on the same weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<f64>,
    /// Milliseconds of the step with candle's own operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candle_ms: Option<f64>,
    /// Peak memory of that process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candle_memory_mb: Option<f64>,
    /// The PyTorch side.
    #[serde(flatten)]
    pub peer: Option<PeerRow>,
}

/// The PyTorch side of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerRow {
    /// Milliseconds of the fastest variant's step.
    pub peer_best_ms: f64,
    /// CPU milliseconds of its step.
    pub peer_cpu_ms: f64,
    /// The fastest variant.
    pub peer_variant: String,
    /// Peak memory of its process.
    pub peer_memory_mb: f64,
    /// `peer_best_ms / step_ms`.
    pub ratio: f64,
    /// Lower and upper quartile of the ratios of the turns.
    pub ratio_spread: [f64; 2],
    /// The ratio of CPU times.
    pub cpu_ratio: f64,
    /// `memory_mb / peer_memory_mb`.
    pub memory_ratio: f64,
    /// Milliseconds of each variant that was not dropped.
    pub peer_ms: BTreeMap<String, f64>,
}

/// Warms up all programs, drops slow variants, and measures the others in turn: A B C, A B C, ….
pub fn measure(
    ours: &mut Worker,
    others: &mut Vec<Worker>,
    rounds: u32,
    steps: Option<u32>,
) -> anyhow::Result<Vec<(String, Turns)>> {
    let warm = |worker: &mut Worker| -> anyhow::Result<f64> {
        worker.take(1)?;
        let ms = worker.take(2)?.ms;
        Ok(ms.into_iter().fold(f64::MAX, f64::min))
    };
    let our_ms = warm(ours)?;
    let mut times = others.iter_mut().map(warm).collect::<anyhow::Result<Vec<_>>>()?.into_iter();
    let fastest = times.clone().fold(f64::MAX, f64::min);
    let mut kept = times.clone();
    others.retain(|_| kept.next().is_some_and(|ms| ms <= HOPELESS * fastest));
    times = times.filter(|ms| *ms <= HOPELESS * fastest).collect::<Vec<_>>().into_iter();

    let mut all: Vec<&mut Worker> = std::iter::once(ours).chain(others.iter_mut()).collect();
    let turn = |ms: f64| steps.unwrap_or(((TURN_S * 1e3 / ms).round() as u32).clamp(1, 100));
    let counts: Vec<u32> = std::iter::once(our_ms).chain(times).map(turn).collect();
    let mut turns = vec![Turns::default(); all.len()];
    for _ in 0..rounds {
        for ((worker, turns), &steps) in all.iter_mut().zip(&mut turns).zip(&counts) {
            let turn = worker.take(steps)?;
            turns.ms.push(quantile(&turn.ms, 0.5));
            turns.cpu_ms.push(turn.cpu_ms);
            turns.memory_mb = turn.memory_mb;
        }
    }
    Ok(all.iter().map(|worker| worker.name.clone()).zip(turns).collect())
}

impl Row {
    /// A row from turns, those of t2f first. `peak` is the fastest matrix product in 10⁹ operations per
    /// second.
    pub fn new(
        network: &str,
        benchmark: &Benchmark,
        peak: f64,
        parity: Option<f64>,
        turns: Vec<(String, Turns)>,
    ) -> Self {
        let ours = &turns[0].1;
        let step_ms = quantile(&ours.ms, 0.5);
        let gflops = benchmark.gflop() / step_ms * 1e3;
        Self {
            network: network.to_owned(),
            resolution: benchmark.resolution(),
            loss: benchmark.loss,
            step_ms,
            step_cpu_ms: quantile(&ours.cpu_ms, 0.5),
            images_per_s: benchmark.batch as f64 / step_ms * 1e3,
            memory_mb: ours.memory_mb,
            gflops,
            gemm_share: gflops / peak,
            parity,
            candle_ms: None,
            candle_memory_mb: None,
            peer: PeerRow::new(ours, &turns[1..]),
        }
    }
}

impl PeerRow {
    fn new(ours: &Turns, peers: &[(String, Turns)]) -> Option<Self> {
        let median = |turns: &Turns| quantile(&turns.ms, 0.5);
        let (variant, best) = peers.iter().min_by(|a, b| median(&a.1).total_cmp(&median(&b.1)))?;
        let ratios: Vec<f64> = best.ms.iter().zip(&ours.ms).map(|(peer, ours)| peer / ours).collect();
        let cpu = |turns: &Turns| quantile(&turns.cpu_ms, 0.5);
        Some(Self {
            peer_best_ms: median(best),
            peer_cpu_ms: cpu(best),
            peer_variant: variant.clone(),
            peer_memory_mb: best.memory_mb,
            ratio: median(best) / median(ours),
            ratio_spread: [quantile(&ratios, 0.25), quantile(&ratios, 0.75)],
            cpu_ratio: cpu(best) / cpu(ours),
            memory_ratio: ours.memory_mb / best.memory_mb,
            peer_ms: peers.iter().map(|(name, turns)| (name.clone(), median(turns))).collect(),
        })
    }
}

/// A quantile, interpolated between the two nearest values.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = share * (sorted.len().max(1) - 1) as f64;
    let value = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    value(at.floor() as usize) * (1.0 - at.fract()) + value(at.ceil() as usize) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_variant_is_compared_within_each_round() {
        let turns = |ms: &[f64], memory_mb| Turns { ms: ms.into(), cpu_ms: ms.into(), memory_mb };
        let all = vec![
            ("t2f".to_owned(), turns(&[10., 20., 10.], 100.)),
            ("slow".to_owned(), turns(&[90., 90., 90.], 900.)),
            ("fast".to_owned(), turns(&[30., 60., 40.], 400.)),
        ];
        let row = Row::new("wide", &Benchmark::wide(1, Loss::Ns), 100.0, None, all);
        let peer = row.peer.unwrap();
        assert_eq!((peer.peer_variant.as_str(), peer.peer_best_ms, peer.ratio), ("fast", 40., 4.));
        assert_eq!(peer.ratio_spread, [3., 3.5]);
        assert_eq!((peer.memory_ratio, row.images_per_s), (0.25, 1600.));
        assert_eq!(peer.peer_ms["slow"], 90.);
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[4., 1., 3., 2.], 0.5), 2.5);
        assert_eq!(quantile(&[5.], 0.25), 5.);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

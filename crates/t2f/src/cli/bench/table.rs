//! The output of `t2f bench`.

use crate::cli::bench::benchmark::operators::OperatorTime;

use t2f_train::config::Precision;

use super::peer::Peer;
use super::row::{PeerRow, Row};
use super::worker::Rates;
use crate::cli::terminal;

/// The lines above the first row.
pub fn heading(device: &str, threads: usize, precision: Precision, rates: Rates, peer: Option<&Peer>) {
    let name = match precision {
        Precision::Bf16 => "bf16",
        Precision::Tf32 => "tf32",
        Precision::Fp32 | Precision::Auto => "fp32",
    };
    let of_bf16 = rates.bf16.map_or(String::new(), |rate| format!(", convolution of bf16 {rate:.0} GFLOP/s"));
    let rates = format!("matrix product {:.0} GFLOP/s{of_bf16}", rates.gemm);
    let (on, kernels) = match device {
        "cpu" => (format!("{threads} threads"), t2f_ops::kernels().join(", ")),
        device => (device.to_owned(), "those of candle, cuDNN and Metal".into()),
    };
    terminal::result(&format!("{}, {on}, {rates}", processor()));
    terminal::result(&format!("precision {name}, kernels: {kernels}"));
    let ours = "| network | px | loss | ms | cpu ms | img/s | MB | of GEMM |";
    let Some(peer) = peer else {
        terminal::result(&format!("\n{ours}\n|---|---|---|---|---|---|---|---|"));
        return;
    };
    terminal::result(&format!(
        "PyTorch {}; its fastest variant; quartiles of the ratios of turns",
        peer.torch
    ));
    terminal::result(&format!("\n{ours} PyTorch ms | variant | MB | ratio | of CPU time | of memory |"));
    terminal::result("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
}

/// One row.
pub fn line(row: &Row) {
    let mut text = format!(
        "| {} | {} | {} | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} |",
        row.network,
        row.resolution,
        row.loss.name(),
        row.step_ms,
        row.step_cpu_ms,
        row.images_per_s,
        row.memory_mb,
        row.gemm_share,
    );
    if let Some(peer) = &row.peer {
        let PeerRow { peer_best_ms, peer_variant, peer_memory_mb, ratio, ratio_spread, .. } = peer;
        let [low, high] = ratio_spread;
        text.push_str(&format!(
            " {peer_best_ms:.1} | {peer_variant} | {peer_memory_mb:.0} | {ratio:.2} [{low:.2}, {high:.2}] | {:.2} | {:.2} |",
            peer.cpu_ratio, peer.memory_ratio,
        ));
    }
    terminal::result(&text);
    if let (Some(ms), Some(mb)) = (row.candle_ms, row.candle_memory_mb) {
        let times = ms / row.step_ms;
        terminal::result(&format!("| ↳ candle alone | | | {ms:.0} ({times:.1}x) | | | {mb:.0} |"));
    }
}

/// The geometric means of the ratios, if any.
pub fn summary(rows: &[Row]) {
    let peers: Vec<&PeerRow> = rows.iter().filter_map(|row| row.peer.as_ref()).collect();
    if peers.is_empty() {
        return;
    }
    let mean = |ratio: fn(&PeerRow) -> f64| {
        (peers.iter().map(|peer| ratio(peer).ln()).sum::<f64>() / peers.len() as f64).exp()
    };
    terminal::result(&format!(
        "\ngeometric mean of {} rows: {:.2} times PyTorch's speed, {:.2} by CPU time, {:.2} of its memory",
        peers.len(),
        mean(|peer| peer.ratio),
        mean(|peer| peer.cpu_ratio),
        mean(|peer| peer.memory_ratio)
    ));
}

/// A table of operators.
pub fn operators(times: &[OperatorTime]) {
    terminal::result(
        "| operator | forward ms | GFLOP/s | input gradient ms | GFLOP/s | weight gradient ms | GFLOP/s |",
    );
    terminal::result("|---|---|---|---|---|---|---|");
    for row in times {
        let cell = |ms: f64| match row.gflop > 0.0 {
            true => format!("{ms:.2} | {:.0}", row.gflop / ms * 1e3),
            false => format!("{ms:.2} |"),
        };
        terminal::result(&format!(
            "| {} | {} | {} | {} |",
            row.name,
            cell(row.forward_ms),
            cell(row.input_gradient_ms),
            row.weight_gradient_ms.map_or("|".into(), cell)
        ));
    }
}

/// The name of the processor, if the system reports it.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

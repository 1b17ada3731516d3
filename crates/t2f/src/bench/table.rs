//! What `t2f bench` prints and writes.

use serde_json::json;

use super::peer::Peer;
use super::row::{PeerRow, Row};
use crate::terminal;

/// The lines above the first row.
pub fn heading(threads: usize, peak: f64, peer: Option<&Peer>) {
    terminal::result(&format!("{}, {threads} threads, matrix product {peak:.0} GFLOP/s", processor()));
    let ours = "| network | px | loss | ms | cpu ms | img/s | MB | of GEMM |";
    let Some(peer) = peer else {
        terminal::result(&format!("\n{ours}\n|---|---|---|---|---|---|---|---|"));
        return;
    };
    terminal::result(&format!("PyTorch {}; its best variant; quartiles of the turns' ratios", peer.torch));
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
}

/// The geometric mean of the ratios.
pub fn summary(rows: &[Row]) -> Option<String> {
    let peers: Vec<&PeerRow> = rows.iter().filter_map(|row| row.peer.as_ref()).collect();
    let mean = |ratio: fn(&PeerRow) -> f64| {
        (peers.iter().map(|peer| ratio(peer).ln()).sum::<f64>() / peers.len() as f64).exp()
    };
    (!peers.is_empty()).then(|| {
        format!(
            "\ngeometric mean of {} rows: {:.2} times PyTorch's speed, {:.2} by CPU time, {:.2} of its memory",
            peers.len(),
            mean(|peer| peer.ratio),
            mean(|peer| peer.cpu_ratio),
            mean(|peer| peer.memory_ratio)
        )
    })
}

/// Everything, as `--json` writes it.
pub fn json(threads: usize, peak: f64, peer: Option<&Peer>, rows: &[Row]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec_pretty(&json!({
        "rows": rows,
        "version": env!("CARGO_PKG_VERSION"),
        "torch": peer.map(|peer| &peer.torch),
        "processor": processor(),
        "threads": threads,
        "gemm_gflops": peak,
    }))
}

/// The processor's name, where the system says it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

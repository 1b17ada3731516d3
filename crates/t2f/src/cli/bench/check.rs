//! `t2f bench check`: what a device computes, against the CPU.

use serde::Serialize;
use t2f_ops::Device;
use t2f_train::config::Precision;

use super::benchmark::{Benchmark, Loss};
use super::peer::tolerances;
use crate::cli::failure::failure;
use crate::cli::terminal;

/// A tensor of an operator, or a whole step.
#[derive(Debug, Serialize)]
pub struct Checked {
    name: String,
    /// The largest difference, relative to the largest value.
    difference: f64,
    /// Whether rounding explains it.
    fits: bool,
}

/// Compares the operators' values and gradients, then the losses and gradients of whole steps in each precision,
/// with those of the CPU, and prints both.
pub fn measure(device: &str) -> anyhow::Result<Vec<Checked>> {
    let device = t2f_train::device::open(device)?;
    terminal::result("| operator | tensor | difference from the CPU |\n|---|---|---|");
    let mut all = Vec::new();
    let mut add = |of: &str, tensor: &str, difference: f64, fits: bool| {
        let mark = if fits { "" } else { " **wrong**" };
        terminal::result(&format!("| {of} | {tensor} | {difference:.1e}{mark} |"));
        all.push(Checked { name: format!("{of}, {tensor}"), difference, fits });
    };
    for found in t2f_ops::gradient_differences(&device)? {
        add(found.operator, &found.what, found.relative, found.check().is_ok());
    }
    for loss in [Loss::WganGp, Loss::Ns] {
        let benchmark = Benchmark::narrow(2, loss);
        let expected = benchmark.parity(&Device::Cpu)?;
        for precision in [Precision::Fp32, Precision::Tf32, Precision::Bf16] {
            let found = Benchmark { precision, ..benchmark.clone() }.parity(&device)?;
            let (of_loss, of_gradient) = tolerances(precision);
            let step = format!("a step with the loss {} in {precision:?}", loss.name());
            let (losses, norms) = (expected.loss_distance(&found), expected.gradient_distance(&found));
            add(&step, "losses", losses, losses <= of_loss);
            add(&step, "norms of gradients", norms, norms <= of_gradient);
        }
    }
    match all.iter().find(|checked| !checked.fits) {
        None => Ok(all),
        Some(wrong) => Err(failure(
            format!("{} differ from those of the CPU by {:.1e}", wrong.name, wrong.difference),
            "do not train on this device: report it with the table",
        )),
    }
}

//! The PyTorch twin: started with the Python of `--peer`, checked, then measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::bench::benchmark::{Benchmark, Parity};
use anyhow::Context;
use serde_json::{Value, json};
use t2f_train::config::Precision;

use super::worker::Worker;
use crate::cli::failure::{failure, usage};

/// The largest accepted relative differences of losses, and of the norms of gradients, which are less certain
/// because of leaky rectifiers at zero. With `bf16` each layer rounds to 8 bits, and with TF32 to 10, and the two
/// programs round at other places.
pub fn tolerances(precision: Precision) -> (f64, f64) {
    match precision {
        Precision::Bf16 => (3e-2, 1e-1),
        Precision::Tf32 => (5e-3, 3e-2),
        Precision::Fp32 | Precision::Auto => (1e-4, 5e-3),
    }
}

/// A Python with PyTorch, and the script of the twin.
#[derive(Debug)]
pub struct Peer {
    python: PathBuf,
    script: PathBuf,
    threads: usize,
    variants: Vec<String>,
    /// PyTorch's version.
    pub torch: String,
}

impl Peer {
    /// Gets the variants of the twin of a precision and checks that the wanted ones are among them; an empty
    /// list means all.
    pub fn open(
        python: &Path,
        folder: &Path,
        threads: usize,
        precision: Precision,
        wanted: &[String],
    ) -> anyhow::Result<Self> {
        let script = folder.join("twin.py");
        if !script.is_file() {
            return Err(failure(
                format!("there is no PyTorch twin in `{}`", folder.display()),
                "run in the repository, or name the folder with `--twin`",
            ));
        }
        let mut peer =
            Self { python: python.into(), script, threads, variants: wanted.to_vec(), torch: String::new() };
        let about = peer.ask(&["variants"])?;
        peer.torch = about["torch"].as_str().unwrap_or("unknown").to_owned();
        let of_precision = if precision == Precision::Bf16 { "bf16_variants" } else { "variants" };
        let all: Vec<String> = serde_json::from_value(about[of_precision].clone())
            .with_context(|| format!("the twin's list `{of_precision}`"))?;
        if let Some(unknown) = wanted.iter().find(|variant| !all.contains(variant)) {
            return Err(usage(
                format!("the twin has no variant `{unknown}`"),
                format!("choose from {}", all.join(", ")),
            ));
        }
        if wanted.is_empty() {
            peer.variants = all;
        }
        Ok(peer)
    }

    /// Checks that the twin's networks have the same numbers of parameters, and on the same weights the same
    /// losses and gradients. Returns the relative difference of the losses.
    pub fn check(&self, benchmark: &Benchmark) -> anyhow::Result<f64> {
        let ours = benchmark.parity(&t2f_train::device::open(&benchmark.device)?)?;
        let mut job = serde_json::to_value(benchmark)?;
        job["mix"] = json!(ours.mix);
        let theirs: Parity = serde_json::from_value(self.ask(&["parity", &job.to_string()])?)
            .context("the result of the twin's `parity`")?;
        let (loss, gradient) = (ours.loss_distance(&theirs), ours.gradient_distance(&theirs));
        let (of_loss, of_gradient) = tolerances(benchmark.precision);
        if loss > of_loss || gradient > of_gradient {
            return Err(failure(
                format!(
                    "the PyTorch twin computes another step (losses differ by {loss:.1e}, norms of \
                     gradients by {gradient:.1e}): {theirs:?}, expected {ours:?}"
                ),
                "correct experiments/peer-pytorch: it must implement the same networks and losses",
            ));
        }
        Ok(loss)
    }

    /// A waiting process for each variant.
    pub fn workers(&self, benchmark: &Benchmark) -> anyhow::Result<Vec<Worker>> {
        let job = serde_json::to_string(benchmark)?;
        let start = |variant: &String| Worker::start(variant, self.command().args(["step", variant, &job]));
        self.variants.iter().map(start).collect()
    }

    /// Writes an untrained model of the same sizes with the twin.
    pub fn write_model(&self, benchmark: &Benchmark, file: &Path) -> anyhow::Result<()> {
        let job = serde_json::to_string(benchmark)?;
        self.ask(&["model", &job, &file.to_string_lossy()]).map(drop)
    }

    /// The command that generates `count` faces from a model into a folder, at most 64 at once.
    pub fn generate(&self, model: &Path, count: usize, out: &Path) -> Command {
        let mut command = self.command();
        command.arg("generate").arg(model).arg(count.to_string()).arg(out);
        command
    }

    /// A waiting process for each variant of generation of the twin.
    pub fn generators(&self, model: &Path, count: usize) -> anyhow::Result<Vec<Worker>> {
        let start = |variant: &&str| {
            let mut command = self.command();
            command.args(["draw", variant]).arg(model).arg(count.to_string());
            Worker::start(variant, &mut command)
        };
        ["eager", "eager-cl", "compile", "compile-cl"].iter().map(start).collect()
    }

    /// A waiting process that loads batches of the files in a list.
    pub fn loader(
        &self,
        list: &Path,
        from: super::loading::From,
        resolution: usize,
        batch: usize,
        images: usize,
    ) -> anyhow::Result<Worker> {
        let job =
            json!({ "list": list, "from": from, "resolution": resolution, "batch": batch, "images": images });
        Worker::start("DataLoader", self.command().args(["load", &job.to_string()]))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).env("OMP_NUM_THREADS", self.threads.to_string());
        command
    }

    /// Runs the twin to its end and parses its line of JSON.
    fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let ran = self.command().args(arguments).output().map_err(|error| {
            let python = self.python.display();
            failure(format!("cannot start `{python}`: {error}"), "give a Python with PyTorch as `--peer`")
        })?;
        if !ran.status.success() {
            let errors = String::from_utf8_lossy(&ran.stderr);
            let last = errors.trim().lines().last().unwrap_or("it printed no error");
            return Err(failure(
                format!("the PyTorch twin failed: {last}"),
                "give a Python with PyTorch as `--peer`: `import torch` must work",
            ));
        }
        serde_json::from_slice(&ran.stdout).context("the output of the twin is not JSON")
    }
}

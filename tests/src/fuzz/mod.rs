//! A seeded mutation fuzzer that runs in the process, with the stable compiler.
//!
//! A [`Target`] in `targets.rs` adds a parser: a name, seed inputs, words of the format, and a function of
//! bytes that must return for all bytes. Inputs that once failed are kept in `tests/corpus/<name>/` and
//! tried first.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use t2f_ops::rng::{self, Key};

pub use targets::targets;

/// A parser; the result is whether it accepts the bytes.
pub type Parse = Box<dyn FnMut(&[u8]) -> bool>;

/// A parser of untrusted bytes.
pub struct Target {
    /// The name, also of its folder in the corpus.
    pub name: &'static str,
    /// Accepted inputs to start from.
    pub seeds: Vec<Vec<u8>>,
    /// Words of the format.
    pub words: &'static [&'static str],
    /// The parser. It must return soon; the result is whether it accepts the input.
    pub parse: Parse,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An input on which a parser panicked or took too long.
#[derive(Debug)]
pub struct Crash {
    /// The target's name.
    pub target: &'static str,
    /// The panic message or the time.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

/// The effort of a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Inputs tried.
    pub inputs: u64,
    /// Accepted inputs.
    pub accepted: u64,
}

/// The longest time of a parser for an input of a few kilobytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum number of inputs kept for further mutation, without the seeds.
const KEPT: usize = 256;

impl Target {
    /// Tries one input.
    ///
    /// # Errors
    /// If the parser panics or takes too long.
    pub fn try_input(&mut self, input: &[u8]) -> Result<bool, Crash> {
        let crash = |what: String| Crash { target: self.name, what, input: input.to_vec() };
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.parse)(input)));
        let accepted = outcome.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            crash(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
        })?;
        if began.elapsed() > PATIENCE {
            return Err(crash(format!("took {:?}", began.elapsed())));
        }
        Ok(accepted)
    }

    /// Tries the corpus, the seeds, and then mutations of accepted inputs, until `enough` is true of the effort
    /// so far.
    ///
    /// # Errors
    /// The first crash.
    pub fn campaign(
        &mut self,
        corpus: &Path,
        seed: u64,
        enough: impl Fn(&Effort) -> bool,
    ) -> Result<Effort, Crash> {
        let mut effort = Effort::default();
        let mut pool = self.seeds.clone();
        pool.extend(files(&corpus.join(self.name)).iter().filter_map(|path| std::fs::read(path).ok()));
        for input in &pool {
            effort.accepted += u64::from(self.try_input(input)?);
            effort.inputs += 1;
        }
        if pool.is_empty() {
            pool.push(Vec::new());
        }
        let mut draw = Key::new(seed).child(self.name).rng();
        let most = pool.len() + KEPT;
        while !enough(&effort) {
            let parent = &pool[rng::below(&mut draw, pool.len())];
            let other = &pool[rng::below(&mut draw, pool.len())];
            let input = mutate::mutated(parent, other, self.words, &mut draw);
            let accepted = self.try_input(&input)?;
            effort.inputs += 1;
            effort.accepted += u64::from(accepted);
            // Accepted inputs are close to refused ones.
            if accepted && pool.len() < most {
                pool.push(input);
            }
        }
        Ok(effort)
    }
}

/// The corpus in the repository.
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The files of a folder in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

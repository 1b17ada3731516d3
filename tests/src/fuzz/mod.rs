//! A mutation fuzzer that runs in the process, on the stable compiler, from a seed.
//!
//! A parser joins by a [`Target`] in `targets.rs`: a name, a few seeds, words that its format is
//! made of, and a function of bytes that must come back, whatever the bytes are. Inputs on which
//! one did not are kept under `tests/corpus/<name>/` and tried first, for good.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use t2f_ops::rng::{self, Key};

pub use targets::targets;

/// What is tried: whether the bytes are accepted.
pub type Parse = Box<dyn FnMut(&[u8]) -> bool>;

/// A parser of outside bytes.
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Inputs that it accepts, to start from.
    pub seeds: Vec<Vec<u8>>,
    /// Words of its format.
    pub words: &'static [&'static str],
    /// Parses. Whatever it returns is fine, as long as it returns, and soon: whether the input was
    /// accepted.
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
    /// What it was.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

/// What a campaign did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Inputs tried.
    pub inputs: u64,
    /// Those that were accepted.
    pub accepted: u64,
}

/// How long a parser may take for an input of a few kilobytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Inputs that a campaign keeps to mutate further, the seeds not counted.
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

    /// Tries the corpus, the seeds, and then mutations of whatever is accepted, until `enough` of
    /// the effort so far says so.
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
            // What is accepted is close to the border of what is not.
            if accepted && pool.len() < most {
                pool.push(input);
            }
        }
        Ok(effort)
    }
}

/// The corpus that is kept with the code.
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

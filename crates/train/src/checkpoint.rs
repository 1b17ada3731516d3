//! Checkpoints that are there in full or not at all, and that prove it when they are read.
//!
//! `checkpoints/step-00001200/` holds safetensors and text files, `trainer_state.json`, and
//! `manifest.json` with the blake3 hash of every other file. The folder is written under a
//! temporary name, synced, renamed, and read back; then `LATEST` names it; only then do older ones
//! go. A reader takes the newest that verifies.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Error, Result};
use crate::tensors;

const MANIFEST: &str = "manifest.json";
const STATE: &str = "trainer_state.json";
const LATEST: &str = "LATEST";
const PREFIX: &str = "step-";
const TEMPORARY: &str = ".tmp-";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    step: u64,
    files: BTreeMap<String, String>,
}

/// The version of the folder's layout that this build writes and reads.
const FORMAT: u32 = 1;

/// A checkpoint being put together, in memory.
pub struct Draft {
    step: u64,
    files: BTreeMap<String, Vec<u8>>,
}

impl Draft {
    /// A checkpoint of a step, with everything that is not a tensor.
    ///
    /// # Errors
    /// If the state cannot be written as JSON.
    pub fn new(step: u64, state: &impl Serialize) -> Result<Self> {
        let state = serde_json::to_vec_pretty(state).map_err(|error| Error::State(error.to_string()))?;
        Ok(Self { step, files: BTreeMap::from([(STATE.to_owned(), state)]) })
    }

    /// Adds a file of tensors.
    ///
    /// # Errors
    /// If a tensor is not finite (training must not continue from it) or cannot be read.
    pub fn tensors(&mut self, file: &str, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let bytes = tensors::all_finite(tensors)
            .and_then(|()| tensors::to_bytes(tensors, ""))
            .map_err(|error| Error::State(format!("{file} {error}")))?;
        self.files.insert(file.to_owned(), bytes);
        Ok(())
    }

    /// Adds a text file.
    pub fn text(&mut self, file: &str, text: String) {
        self.files.insert(file.to_owned(), text.into_bytes());
    }

    /// Puts the checkpoint on the disk under `folder` and removes all but the newest `keep`.
    ///
    /// # Errors
    /// If anything cannot be written, or does not read back as written. Older checkpoints are
    /// still there then.
    pub fn commit(self, folder: &Path, keep: usize) -> Result<PathBuf> {
        let name = format!("{PREFIX}{:08}", self.step);
        let path = folder.join(&name);
        if Checkpoint::open(&path).is_ok_and(|there| there.files == self.files) {
            // Stopping right after a periodic checkpoint asks for it again: it stays as it is.
            return Ok(path);
        }
        let temporary = folder.join(format!("{TEMPORARY}{name}"));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            for stale in [&temporary, &path] {
                if stale.exists() {
                    fs::remove_dir_all(stale)?;
                }
            }
            fs::create_dir(&temporary)?;
            let hash = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().to_string();
            let files = self.files.iter().map(|(file, bytes)| (file.clone(), hash(bytes))).collect();
            let manifest = serde_json::to_vec_pretty(&Manifest { format: FORMAT, step: self.step, files })?;
            for (file, bytes) in
                self.files.iter().map(|(f, b)| (f.as_str(), b)).chain([(MANIFEST, &manifest)])
            {
                let mut out = fs::File::create_new(temporary.join(file))?;
                out.write_all(bytes)?;
                out.sync_all()?;
            }
            atomic::sync_folder(&temporary)?;
            fs::rename(&temporary, &path)?;
            atomic::sync_folder(folder)
        };
        write().map_err(|error| {
            let need: usize = self.files.values().map(Vec::len).sum();
            Error::file(&path, format!("checkpoint of {need} bytes cannot be written: {error}"))
        })?;
        Checkpoint::open(&path)?;
        atomic::write(&folder.join(LATEST), name.as_bytes())?;
        prune(folder, keep.max(1))?;
        Ok(path)
    }
}

/// A checkpoint that was read and verified.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Checkpoint {
    /// Reads one checkpoint folder and compares every file with the manifest.
    ///
    /// # Errors
    /// If a file is missing, left over or differs; the message lists every one.
    pub fn open(path: &Path) -> Result<Self> {
        let read =
            |name: &str| fs::read(path.join(name)).map_err(|error| Error::file(path.join(name), error));
        let manifest = read(MANIFEST)?;
        let manifest: Manifest =
            serde_json::from_slice(&manifest).map_err(|error| Error::file(path.join(MANIFEST), error))?;
        if manifest.format != FORMAT {
            let message = format!("has format {}, and this build reads format {FORMAT}", manifest.format);
            return Err(Error::file(path, message));
        }
        let mut files = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, hash) in &manifest.files {
            match fs::read(path.join(name)) {
                Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == hash => {
                    files.insert(name.clone(), bytes);
                }
                Ok(_) => wrong.push(format!("{name} is damaged")),
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::file(path, wrong.join("; ")));
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is not a tensor.
    ///
    /// # Errors
    /// If it is not what this build writes.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.file(STATE)?).map_err(|error| Error::file(self.path.join(STATE), error))
    }

    /// A file of tensors.
    ///
    /// # Errors
    /// If it is not there, is no safetensors file, or holds a NaN or an infinity.
    pub fn tensors(&self, file: &str) -> Result<BTreeMap<String, Tensor>> {
        let (tensors, _) = tensors::from_bytes(self.file(file)?)
            .map_err(|error| Error::file(self.path.join(file), error))?;
        Ok(tensors)
    }

    /// A text file.
    ///
    /// # Errors
    /// If it is not there or not UTF-8.
    pub fn text(&self, file: &str) -> Result<&str> {
        std::str::from_utf8(self.file(file)?).map_err(|error| Error::file(self.path.join(file), error))
    }

    fn file(&self, name: &str) -> Result<&[u8]> {
        let missing = || Error::file(&self.path, format!("there is no {name} in this checkpoint"));
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }
}

/// The newest checkpoint under `folder` that verifies; damaged ones are passed over with a
/// warning.
///
/// # Errors
/// If there is none; the message says what is wrong with each.
pub fn load_latest(folder: &Path) -> Result<Checkpoint> {
    let mut wrong = Vec::new();
    for path in steps(folder)?.into_iter().rev() {
        match Checkpoint::open(&path) {
            Ok(checkpoint) => return Ok(checkpoint),
            Err(error) => {
                tracing::warn!("checkpoint passed over: {error}");
                wrong.push(error.to_string());
            }
        }
    }
    let message = match wrong.as_slice() {
        [] => "holds no checkpoint".to_owned(),
        wrong => format!("holds no checkpoint that verifies: {}", wrong.join("; ")),
    };
    Err(Error::file(folder, message))
}

/// Checkpoint folders in order of their steps.
fn steps(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder, error)),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(|error| Error::file(folder, error))?.file_name();
        let step = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|step| step.parse::<u64>().ok());
        if let Some(step) = step {
            found.insert(step, folder.join(name));
        }
    }
    Ok(found.into_values().collect())
}

fn prune(folder: &Path, keep: usize) -> Result<()> {
    let steps = steps(folder)?;
    for path in steps.iter().rev().skip(keep) {
        fs::remove_dir_all(path).map_err(|error| Error::file(path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn draft(step: u64) -> Draft {
        let mut draft = Draft::new(step, &BTreeMap::from([("step", step)])).unwrap();
        let tensor = Tensor::new(&[step as f32, 0.5], &Device::Cpu).unwrap();
        draft.tensors("nets.safetensors", &BTreeMap::from([("w".to_owned(), tensor)])).unwrap();
        draft.text("tokenizer.json", "{}".into());
        draft
    }

    fn step_of(checkpoint: &Checkpoint) -> u64 {
        checkpoint.state::<BTreeMap<String, u64>>().unwrap()["step"]
    }

    #[test]
    fn what_is_committed_comes_back_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        for step in 1..=5 {
            draft(step).commit(folder.path(), 2).unwrap();
        }
        assert_eq!(steps(folder.path()).unwrap().len(), 2);
        assert_eq!(fs::read_to_string(folder.path().join(LATEST)).unwrap(), "step-00000005");
        let checkpoint = load_latest(folder.path()).unwrap();
        assert_eq!(step_of(&checkpoint), 5);
        assert_eq!(
            checkpoint.tensors("nets.safetensors").unwrap()["w"].to_vec1::<f32>().unwrap(),
            [5.0, 0.5]
        );
        assert_eq!(checkpoint.text("tokenizer.json").unwrap(), "{}");
        assert!(checkpoint.text("other.json").unwrap_err().to_string().contains("no other.json"));
    }

    #[test]
    fn a_flipped_bit_or_a_cut_in_any_file_is_found_and_the_previous_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        draft(1).commit(folder.path(), 3).unwrap();
        let newest = draft(2).commit(folder.path(), 3).unwrap();
        for entry in fs::read_dir(&newest).unwrap() {
            let file = entry.unwrap().path();
            let good = fs::read(&file).unwrap();
            let mut flipped = good.clone();
            flipped[good.len() / 2] ^= 1;
            for bad in [flipped, good[..good.len() - 1].to_vec(), Vec::new()] {
                fs::write(&file, &bad).unwrap();
                assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 1, "{}", file.display());
            }
            fs::remove_file(&file).unwrap();
            assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 1, "{}", file.display());
            fs::write(&file, &good).unwrap();
            assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 2);
        }
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        draft(1).commit(folder.path(), 3).unwrap();
        let torn = folder.path().join(".tmp-step-00000002");
        fs::create_dir(&torn).unwrap();
        fs::write(torn.join(STATE), b"{").unwrap();
        assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 1);
        draft(2).commit(folder.path(), 3).unwrap();
        assert!(!torn.exists());
    }

    #[test]
    fn no_checkpoint_and_no_good_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let message = load_latest(folder.path()).unwrap_err().to_string();
        assert!(message.contains("holds no checkpoint"), "{message}");
        let path = draft(7).commit(folder.path(), 3).unwrap();
        fs::write(path.join("tokenizer.json"), b"[]").unwrap();
        let message = load_latest(folder.path()).unwrap_err().to_string();
        assert!(message.contains("tokenizer.json is damaged"), "{message}");
    }
}

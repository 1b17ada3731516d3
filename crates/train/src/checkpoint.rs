//! Atomic checkpoints that are verified when they are read.
//!
//! `checkpoints/step-00001200/` contains safetensors and text files, `trainer_state.json`, and
//! `manifest.json` with the blake3 hash of every other file and of every tensor. A commit writes the
//! folder under a temporary name, syncs, renames and verifies it, updates `LATEST`, and removes older
//! checkpoints last. Loading takes the newest checkpoint that verifies and ignores `LATEST`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use t2f_files::disk::{self, Disk};
use t2f_files::tensors;

/// The file with the hashes of the others, which makes a folder a checkpoint.
pub(crate) const MANIFEST: &str = "manifest.json";
const STATE: &str = "trainer_state.json";
const LATEST: &str = "LATEST";
const PREFIX: &str = "step-";
/// Writes the name of a checkpoint's folder to `LATEST`.
///
/// # Errors
/// If the file cannot be written.
pub fn point_to(disk: &dyn Disk, checkpoint: &Path) -> Result<()> {
    let name = checkpoint.file_name().unwrap_or_default().to_string_lossy();
    Ok(disk::replace(disk, &checkpoint.with_file_name(LATEST), name.as_bytes())?)
}

/// The mark of temporary names of checkpoints. A run folder has one writer at a time.
const MARK: &str = "run";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    pub(crate) step: u64,
    pub(crate) files: BTreeMap<String, String>,
    /// The hash of each tensor by file, to locate damage.
    #[serde(default)]
    tensors: BTreeMap<String, BTreeMap<String, String>>,
}

/// The format of the folder. Format 2 has other file names, and format 1 also lacks the hashes of
/// tensors; both can be read.
const FORMAT: u32 = 3;

/// Names of files, and their names up to format 2.
const RENAMED: [(&str, &str); 5] = [
    ("g_params.safetensors", "painter.safetensors"),
    ("d_params.safetensors", "discriminator.safetensors"),
    ("g_ema.safetensors", "average.safetensors"),
    ("g_optimizer.safetensors", "painter_adam.safetensors"),
    ("d_optimizer.safetensors", "discriminator_adam.safetensors"),
];

/// The present and the earlier names of a file.
pub(crate) fn names_of(file: &str) -> Vec<&str> {
    let earlier = RENAMED.iter().filter(|(new, _)| *new == file).map(|(_, old)| *old);
    std::iter::once(file).chain(earlier).collect()
}

/// A checkpoint in memory, before its commit.
#[derive(Debug)]
pub struct Draft {
    step: u64,
    files: BTreeMap<String, Vec<u8>>,
    tensors: BTreeMap<String, BTreeMap<String, String>>,
}

impl Draft {
    /// A checkpoint of a step with the state that is not a tensor.
    ///
    /// # Errors
    /// If the state cannot be written as JSON.
    pub fn new(step: u64, state: &impl Serialize) -> Result<Self> {
        let state = serde_json::to_vec_pretty(state).map_err(|error| Error::State(error.to_string()))?;
        let files = BTreeMap::from([(STATE.to_owned(), state)]);
        Ok(Self { step, files, tensors: BTreeMap::new() })
    }

    /// Adds a file of tensors.
    ///
    /// # Errors
    /// If a tensor is not finite, since training must not continue from it, or cannot be read.
    pub fn tensors(&mut self, file: &str, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        if let Some((name, value)) = tensors::first_not_finite(tensors) {
            return Err(Error::Diverged { what: format!("{name} of {file}"), value });
        }
        let state = |error| Error::State(format!("{file} {error}"));
        let bytes = tensors::to_bytes(tensors, "").map_err(state)?;
        self.tensors.insert(file.to_owned(), tensors::hashes(&bytes).map_err(state)?);
        self.files.insert(file.to_owned(), bytes);
        Ok(())
    }

    /// Adds a text file.
    pub fn text(&mut self, file: &str, text: String) {
        self.files.insert(file.to_owned(), text.into_bytes());
    }

    /// Writes the checkpoint to `folder`, verifies it, and removes all but the newest `keep` checkpoints.
    ///
    /// An existing checkpoint of the same step is kept if it verifies. If its content is equal, the commit
    /// writes nothing; otherwise the new name ends in a number.
    ///
    /// # Errors
    /// If the disk is full, a file cannot be written, or the verification fails. Older checkpoints are kept
    /// then.
    pub fn commit(self, disk: &dyn Disk, folder: &Path, keep: usize) -> Result<PathBuf> {
        if !folder.is_dir() {
            let made = disk.make_folder(folder).and_then(|()| disk.sync(disk::folder_of(folder)));
            made.map_err(|error| Error::file(folder, format!("cannot be created: {error}")))?;
        }
        let path = match self.place(folder) {
            Place::Kept(path) => path,
            Place::Free(path) => {
                self.write(disk, folder, &path)?;
                Checkpoint::open(&path)?;
                path
            }
        };
        point_to(disk, &path)?;
        prune(disk, folder, keep, &path)?;
        Ok(path)
    }

    fn place(&self, folder: &Path) -> Place {
        let bare = format!("{PREFIX}{:08}", self.step);
        let mut path = folder.join(&bare);
        let mut number = 1;
        while path.exists() {
            if Checkpoint::open(&path).is_ok_and(|there| there.files == self.files) {
                // A stop right after a periodic checkpoint commits the same step again.
                return Place::Kept(path);
            }
            number += 1;
            path = folder.join(format!("{bare}-{number}"));
        }
        Place::Free(path)
    }

    fn write(&self, disk: &dyn Disk, folder: &Path, path: &Path) -> Result<()> {
        let hash = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().to_string();
        let files = self.files.iter().map(|(file, bytes)| (file.clone(), hash(bytes))).collect();
        let manifest = Manifest { format: FORMAT, step: self.step, files, tensors: self.tensors.clone() };
        let manifest =
            serde_json::to_vec_pretty(&manifest).map_err(|error| Error::State(error.to_string()))?;
        let need: usize = self.files.values().map(Vec::len).sum::<usize>() + manifest.len();
        require_room(disk, folder, need as u64, "a checkpoint")?;
        let temporary = disk::temporary(path, MARK);
        let attempt = || -> std::io::Result<()> {
            if temporary.exists() {
                disk.remove(&temporary)?;
            }
            disk.make_folder(&temporary)?;
            for (file, bytes) in
                self.files.iter().map(|(f, b)| (f.as_str(), b)).chain([(MANIFEST, &manifest)])
            {
                disk.write(&temporary.join(file), bytes)?;
                disk.sync(&temporary.join(file))?;
            }
            disk.sync(&temporary)?;
            disk.rename(&temporary, path)?;
            disk.sync(folder)
        };
        Ok(attempt().map_err(|error| {
            let error = disk::cannot_write(disk, path, need as u64, &error);
            let _ = disk.remove(&temporary);
            error
        })?)
    }
}

/// The folder of a draft.
enum Place {
    /// An equal checkpoint exists.
    Kept(PathBuf),
    /// The name is free.
    Free(PathBuf),
}

/// Checks that a folder has `need` bytes of free space. A file system that does not report its free space
/// passes.
///
/// # Errors
/// If there is too little space; the message states the required and the free space.
pub fn require_room(disk: &dyn Disk, folder: &Path, need: u64, what: &str) -> Result<()> {
    match disk.free(folder) {
        Ok(free) if free < need => {
            let (need, free) = (disk::bytes(need), disk::bytes(free));
            Err(Error::file(folder, format!("has no room for {what}: it takes {need}, and {free} are free")))
        }
        _ => Ok(()),
    }
}

/// A verified checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    tensors: usize,
    passed_over: Vec<String>,
}

impl Checkpoint {
    /// Reads a checkpoint folder and verifies every file against the manifest.
    ///
    /// # Errors
    /// If a file is missing or damaged; the message lists every such file, and its damaged tensors.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join(MANIFEST);
        let manifest = fs::read(&file).map_err(|error| Error::file(&file, error))?;
        let manifest: Manifest =
            serde_json::from_slice(&manifest).map_err(|error| Error::file(&file, error))?;
        if !(1..=FORMAT).contains(&manifest.format) {
            let message =
                format!("has format {}, and this build reads formats 1 to {FORMAT}", manifest.format);
            return Err(Error::file(path, message));
        }
        let mut files = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, hash) in &manifest.files {
            match fs::read(path.join(name)) {
                Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == hash => {
                    files.insert(name.clone(), bytes);
                }
                Ok(bytes) => wrong.push(damage(name, &bytes, manifest.tensors.get(name))),
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::file(path, wrong.join("; ")));
        }
        let tensors = manifest.tensors.values().map(BTreeMap::len).sum();
        Ok(Self { path: path.to_owned(), files, tensors, passed_over: Vec::new() })
    }

    /// A summary of the verification.
    pub fn verified(&self) -> String {
        format!("{} files with {} tensors, every hash verified", self.files.len(), self.tensors)
    }

    /// The faults of newer checkpoints that [`load_latest`] skipped.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state that is not a tensor.
    ///
    /// # Errors
    /// If the state does not have the type `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.file(STATE)?).map_err(|error| Error::file(self.path.join(STATE), error))
    }

    /// The tensors of a file.
    ///
    /// # Errors
    /// If the file is missing, is not a safetensors file, or contains NaN or infinity.
    pub fn tensors(&self, file: &str) -> Result<BTreeMap<String, Tensor>> {
        let (tensors, _) = tensors::from_bytes(self.file(file)?)
            .map_err(|error| Error::file(self.path.join(file), error))?;
        Ok(tensors)
    }

    /// The blake3 hash of the bytes of files, one after another, in hexadecimal.
    ///
    /// # Errors
    /// If a file is missing.
    pub(crate) fn hash(&self, files: &[&str]) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for file in files {
            hasher.update(self.file(file)?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The text of a file.
    ///
    /// # Errors
    /// If the file is missing or not UTF-8.
    pub fn text(&self, file: &str) -> Result<&str> {
        std::str::from_utf8(self.file(file)?).map_err(|error| Error::file(self.path.join(file), error))
    }

    /// A file by its present name or, in older formats, its former name.
    fn file(&self, name: &str) -> Result<&[u8]> {
        let older = || RENAMED.iter().find(|(new, _)| *new == name).and_then(|(_, old)| self.files.get(*old));
        let missing = || Error::file(&self.path, format!("there is no {name} in this checkpoint"));
        self.files.get(name).or_else(older).map(Vec::as_slice).ok_or_else(missing)
    }
}

/// The damage of a file, with the names of its damaged tensors if it can be parsed.
fn damage(name: &str, bytes: &[u8], expected: Option<&BTreeMap<String, String>>) -> String {
    let Some(expected) = expected else { return format!("{name} is damaged") };
    let Ok(found) = tensors::hashes(bytes) else { return format!("{name} is damaged or truncated") };
    let differs = |(tensor, hash): &(&String, &String)| found.get(*tensor) != Some(*hash);
    let tensors: Vec<&str> = expected.iter().filter(differs).map(|(tensor, _)| tensor.as_str()).collect();
    match tensors.as_slice() {
        [] => format!("{name} is damaged outside its tensors"),
        tensors => format!("{name} is damaged in {}", tensors.join(", ")),
    }
}

/// The number of checkpoints in `folder`, damaged ones included.
///
/// # Errors
/// If the folder cannot be read.
pub fn count(folder: &Path) -> Result<usize> {
    Ok(steps(folder)?.len())
}

/// The newest checkpoint in `folder` that verifies; damaged ones are skipped with a warning.
///
/// # Errors
/// If there is none; the message states the faults of each.
pub fn load_latest(folder: &Path) -> Result<Checkpoint> {
    let mut wrong = Vec::new();
    for path in steps(folder)?.into_iter().rev() {
        match Checkpoint::open(&path) {
            Ok(checkpoint) => return Ok(Checkpoint { passed_over: wrong, ..checkpoint }),
            Err(error) => {
                tracing::warn!("damaged checkpoint skipped: {error}");
                wrong.push(error.to_string());
            }
        }
    }
    let message = match wrong.as_slice() {
        [] => "holds no checkpoint".to_owned(),
        wrong => format!("holds no intact checkpoint: {}", wrong.join("; ")),
    };
    Err(Error::file(folder, message))
}

/// Checkpoint folders in the order of steps and of the numbers of equal steps.
pub(crate) fn steps(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder, error)),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(|error| Error::file(folder, error))?.file_name();
        let place = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|name| {
            let (step, number) = name.split_once('-').unwrap_or((name, "1"));
            Some((step.parse::<u64>().ok()?, number.parse::<u64>().ok()?))
        });
        if let Some(place) = place {
            found.insert(place, folder.join(name));
        }
    }
    Ok(found.into_values().collect())
}

/// Removes all checkpoints but `committed` and the newest `keep - 1` others. Each is renamed to a
/// temporary name first, so a partly removed folder is not taken for a checkpoint.
fn prune(disk: &dyn Disk, folder: &Path, keep: usize, committed: &Path) -> Result<()> {
    let steps = steps(folder)?;
    let others = steps.iter().rev().filter(|path| *path != committed);
    for path in others.skip(keep.saturating_sub(1)) {
        let gone = disk::temporary(path, "gone");
        let removed = disk.rename(path, &gone).and_then(|()| disk.remove(&gone));
        removed.map_err(|error| Error::file(path, format!("cannot be removed: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use t2f_files::disk::OsDisk;

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
    fn commits_round_trip_and_old_checkpoints_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for step in 1..=5 {
            draft(step).commit(&OsDisk, folder.path(), 2).unwrap();
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

    /// A run that continues from before a damaged checkpoint keeps its own commits.
    #[test]
    fn a_new_commit_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        draft(100).commit(&OsDisk, folder.path(), 2).unwrap();
        let damaged = draft(200).commit(&OsDisk, folder.path(), 2).unwrap();
        fs::write(damaged.join("nets.safetensors"), b"").unwrap();
        let path = draft(150).commit(&OsDisk, folder.path(), 1).unwrap();
        assert_eq!(load_latest(folder.path()).unwrap().path(), path);
    }

    #[test]
    fn a_flipped_bit_or_truncation_of_any_file_is_found_and_the_previous_checkpoint_loaded() {
        let folder = tempfile::tempdir().unwrap();
        draft(1).commit(&OsDisk, folder.path(), 3).unwrap();
        let newest = draft(2).commit(&OsDisk, folder.path(), 3).unwrap();
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
    fn an_interrupted_write_leaves_the_last_intact_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        draft(1).commit(&OsDisk, folder.path(), 3).unwrap();
        let torn = folder.path().join(".tmp-run-step-00000002");
        fs::create_dir(&torn).unwrap();
        fs::write(torn.join(STATE), b"{").unwrap();
        assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 1);
        draft(2).commit(&OsDisk, folder.path(), 3).unwrap();
        assert!(!torn.exists());
    }

    #[test]
    fn no_checkpoint_and_no_intact_checkpoint_are_different_errors() {
        let folder = tempfile::tempdir().unwrap();
        let message = load_latest(folder.path()).unwrap_err().to_string();
        assert!(message.contains("holds no checkpoint"), "{message}");
        let path = draft(7).commit(&OsDisk, folder.path(), 3).unwrap();
        fs::write(path.join("tokenizer.json"), b"[]").unwrap();
        let message = load_latest(folder.path()).unwrap_err().to_string();
        assert!(message.contains("tokenizer.json is damaged"), "{message}");
    }
}

//! The folder of a run, locked by one process and never overwritten.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::{Error, Result};
use t2f_files::disk::{self, Disk, OsDisk};
use t2f_files::json_lines::JsonLines;
use t2f_tensorboard::Writer;

/// A run folder, locked until the value is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    _lock: File,
}

/// The beginning of the last line of `config.toml`, which has the blake3 hash of the lines above.
const SEAL: &str = "# blake3 of the lines above: ";
/// The last line of a `config.toml` with intended edits.
const EDITED: &str = "# edited";

impl RunDir {
    /// Creates `out/<NNNNN>-<data>-<name>` with the next free number, and writes `config.toml` and
    /// `overrides.txt`.
    ///
    /// Creating the folder claims the number, so two processes never get the same one.
    ///
    /// # Errors
    /// If `out` is not writable.
    pub fn claim(out: &Path, config: &Config, data: &str) -> Result<Self> {
        fs::create_dir_all(out).map_err(|error| Error::file(out, error))?;
        let mut number = next_number(out)?;
        let path = loop {
            let path = out.join(format!("{number:05}-{data}-{}", config.name));
            match fs::create_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::file(path, error)),
            }
        };
        let run = Self { disk: Arc::new(OsDisk), _lock: lock(&path)?, path };
        let overrides: String = config.overrides.iter().map(|line| format!("{line}\n")).collect();
        run.write("overrides.txt", overrides.as_bytes())?;
        // Last, since a folder with this file is a run.
        run.write_config(config)?;
        run.disk.sync(out).map_err(|error| Error::file(out, error))?;
        Ok(run)
    }

    /// Opens a run folder and removes temporary files of a killed process.
    ///
    /// # Errors
    /// If the folder is not a run folder, or another process uses it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_on(path, Arc::new(OsDisk))
    }

    /// As [`open`](Self::open), with another implementation of [`Disk`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(path: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        if !path.join("config.toml").is_file() {
            return Err(Error::file(path, "is not a run folder: it has no config.toml"));
        }
        let run = Self { path: path.to_owned(), _lock: lock(path)?, disk };
        disk::clear_temporary(run.disk(), path)?;
        disk::clear_temporary(run.disk(), &run.checkpoints())?;
        Ok(run)
    }

    /// The disk.
    pub fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Writes a file of the folder atomically and returns its path.
    ///
    /// # Errors
    /// If the file cannot be written; an older file of that name is then unchanged.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path.join(name);
        disk::replace(self.disk(), &path, bytes)?;
        Ok(path)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration of the run. An edited one must end in the line `# edited`.
    ///
    /// # Errors
    /// If the file cannot be read, or was edited or damaged without that line.
    pub fn config(&self) -> Result<Config> {
        read_config(&self.path)
    }

    /// Replaces `config.toml`.
    pub(crate) fn write_config(&self, config: &Config) -> Result<PathBuf> {
        self.write("config.toml", sealed(&config.to_toml()?).as_bytes())
    }

    /// Whether `config.toml` has intended edits.
    pub(crate) fn is_edited(&self) -> bool {
        fs::read_to_string(self.path.join("config.toml")).is_ok_and(|text| !is_sealed(&text))
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Opens `stats.jsonl` for appending, truncated after a step.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) fn recorder(&self, step: u64) -> Result<JsonLines> {
        Ok(JsonLines::open(self.disk.clone(), &self.stats(), step)?)
    }

    /// Begins an event file of TensorBoard, which discards the events of earlier files from step `from` on.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn events(&self, from: u64) -> Result<Writer> {
        Ok(Writer::open(self.disk.clone(), &self.path, from)?)
    }

    /// `stats.jsonl`.
    pub fn stats(&self) -> PathBuf {
        self.path.join("stats.jsonl")
    }

    /// `log.txt`.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }

    /// `model.safetensors`.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }
}

/// As [`RunDir::config`], of a folder that another process may use.
pub(crate) fn read_config(run: &Path) -> Result<Config> {
    let path = run.join("config.toml");
    let config = Config::from_file(&path)?;
    let text = fs::read_to_string(&path).map_err(|error| Error::file(&path, error))?;
    if is_sealed(&text) || text.trim_end().ends_with(EDITED) {
        return Ok(config);
    }
    let message = format!(
        "was edited or damaged: the hash in its last line does not match. If the edit is intended, replace the \
        last line by `{EDITED}`"
    );
    Err(Error::file(path, message))
}

fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", blake3::hash(text.as_bytes()).to_hex())
}

fn is_sealed(text: &str) -> bool {
    text.rfind(SEAL).is_some_and(|end| sealed(&text[..end]) == text)
}

fn next_number(out: &Path) -> Result<u32> {
    let entries = fs::read_dir(out).map_err(|error| Error::file(out, error))?;
    let number = |name: &str| name.split_once('-').and_then(|(number, _)| number.parse::<u32>().ok());
    let used = entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(number));
    Ok(used.max().map_or(0, |last| last + 1))
}

/// The longest wait for the lock of a run.
const PATIENCE: Duration = Duration::from_millis(500);

fn lock(run: &Path) -> Result<File> {
    let path = run.join(".lock");
    let file = File::create(&path).map_err(|error| Error::file(&path, error))?;
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A child process briefly has a copy of every open file, also of a lock that this process has
            // just released.
            Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => {
                std::thread::sleep(PATIENCE / 20);
            }
            Err(TryLockError::WouldBlock) => return Err(Error::file(run, "is in use by another process")),
            Err(TryLockError::Error(error)) => return Err(Error::file(&path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_increase_and_a_folder_has_one_user() {
        let out = tempfile::tempdir().unwrap();
        let config = Config::preset("quick").unwrap();
        let first = RunDir::claim(out.path(), &config, "procedural").unwrap();
        let second = RunDir::claim(
            out.path(),
            &Config { overrides: vec!["seed=2".into()], ..config.clone() },
            "procedural",
        )
        .unwrap();
        assert!(first.path().ends_with("00000-procedural-quick"));
        assert!(second.path().ends_with("00001-procedural-quick"));
        assert_eq!(fs::read_to_string(second.path().join("overrides.txt")).unwrap(), "seed=2\n");
        let message = RunDir::open(first.path()).unwrap_err().to_string();
        assert!(message.contains("in use by another process"), "{message}");
        let path = first.path().to_owned();
        drop(first);
        assert_eq!(RunDir::open(&path).unwrap().config().unwrap(), config);
        let message = RunDir::open(out.path()).unwrap_err().to_string();
        assert!(message.contains("not a run folder"), "{message}");
    }

    #[test]
    fn any_damage_to_the_configuration_is_found_and_marked_edits_are_accepted() {
        let out = tempfile::tempdir().unwrap();
        let config = Config::preset("quick").unwrap();
        let run = RunDir::claim(out.path(), &config, "procedural").unwrap();
        let path = run.path().join("config.toml");
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(3) {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            for bad in [flipped, good[..at].to_vec()] {
                fs::write(&path, bad).unwrap();
                let message = run.config().unwrap_err().to_string();
                assert!(message.contains("config.toml"), "{at}: {message}");
            }
        }
        fs::write(&path, config.to_toml().unwrap().replace("seed = 0", "seed = 1") + "# edited\n").unwrap();
        assert_eq!(run.config().unwrap().seed, 1);
    }
}

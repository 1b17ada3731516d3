//! Numbers of real images that are kept in the folder of `--cache`, as JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use t2f_files::disk::{self, OsDisk};

use crate::error::{Error, Result};

/// The place of a result in the folder, `<name>-<hash>.json`, under a hash of everything that it depends
/// on. Without a folder nothing is read or written.
#[derive(Debug)]
pub(crate) struct Entry {
    file: Option<PathBuf>,
    origin: Json,
}

impl Entry {
    /// The place of the result of `origin`.
    ///
    /// # Errors
    /// If `origin` cannot be written as JSON.
    pub(crate) fn new(folder: Option<&Path>, name: &str, origin: &impl Serialize) -> Result<Self> {
        let origin = serde_json::to_value(origin).map_err(|error| Error::State(error.to_string()))?;
        let hash = blake3::hash(origin.to_string().as_bytes()).to_hex();
        let file = folder.map(|folder| folder.join(format!("{name}-{}.json", &hash[..32])));
        Ok(Self { file, origin })
    }

    /// The result; `None` if there is none. A file that cannot be read costs time and a `tracing` event.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let file = self.file.as_deref().filter(|file| file.exists())?;
        let stored = || -> Result<T> {
            let bytes = std::fs::read(file).map_err(|error| Error::file(file, error))?;
            let mut all: Json = serde_json::from_slice(&bytes).map_err(|error| Error::file(file, error))?;
            if all["origin"] != self.origin {
                return Err(Error::file(file, "is the result of something else"));
            }
            serde_json::from_value(all["result"].take()).map_err(|error| Error::file(file, error))
        };
        match stored() {
            Ok(result) => Some(result),
            Err(error) => {
                tracing::warn!("a cached result is computed again: {error}");
                None
            }
        }
    }

    /// Writes the result. A failure is a `tracing` event.
    pub(crate) fn write(&self, result: &impl Serialize) {
        let Some(file) = self.file.as_deref() else { return };
        let write = || -> Result<()> {
            let all = json!({"origin": self.origin, "result": result}).to_string();
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
            }
            Ok(disk::replace(&OsDisk, file, all.as_bytes())?)
        };
        if let Err(error) = write() {
            tracing::warn!("a result is not cached: {error}");
        }
    }
}

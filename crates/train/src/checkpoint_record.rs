//! The records of the checkpoints of a run: the hashes in their manifests, without their tensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, MANIFEST, Manifest};
use crate::error::Result;

/// The record of a checkpoint. Its files are not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The folder.
    pub path: PathBuf,
    /// Steps taken.
    pub step: u64,
    /// The blake3 hash of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// The records of all checkpoints in a folder, the oldest first. A checkpoint whose manifest cannot be read is
/// skipped with a warning; a run that goes on may have removed it.
///
/// # Errors
/// If the folder cannot be read.
pub fn records(folder: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in checkpoint::steps(folder)? {
        let manifest = std::fs::read(path.join(MANIFEST)).map_err(|error| error.to_string());
        let manifest = manifest
            .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).map_err(|error| error.to_string()));
        match manifest {
            Ok(Manifest { step, files, .. }) => records.push(Record { path, step, files }),
            Err(error) => tracing::warn!("{}: the manifest cannot be read: {error}", path.display()),
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use t2f_files::disk::OsDisk;

    use super::*;
    use crate::checkpoint::Draft;

    #[test]
    fn records_have_the_steps_and_hashes_and_damaged_manifests_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(records(&folder.path().join("none")).unwrap(), []);
        for step in [3, 7] {
            let mut draft = Draft::new(step, &step).unwrap();
            draft.text("tokenizer.json", "{}".into());
            draft.commit(&OsDisk, folder.path(), 3).unwrap();
        }
        let found = records(folder.path()).unwrap();
        assert_eq!(found.iter().map(|record| record.step).collect::<Vec<_>>(), [3, 7]);
        let hash = blake3::hash(b"{}").to_hex().to_string();
        assert_eq!(found[1].files["tokenizer.json"], hash);
        std::fs::write(found[1].path.join(MANIFEST), b"{").unwrap();
        assert_eq!(records(folder.path()).unwrap(), found[..1]);
    }
}

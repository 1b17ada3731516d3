//! The places of encoded images: files, and parts of files that hold many.

pub(crate) mod cells;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use self::cells::Column;

/// The longest encoded image that is read, in MiB: 64 megapixels of RGB take 183 without compression.
const MOST_MIB: u64 = 256;

/// The most files that one task reads.
const RUN: usize = 64;

/// Where the bytes of an image are.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// A file of its own.
    File(PathBuf),
    /// A part of a file, such as an entry of a tar.
    Range {
        /// The file.
        file: Arc<Path>,
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        length: u64,
    },
    /// A cell of a Parquet file.
    Cell {
        /// The column.
        column: Arc<Column>,
        /// The row group.
        group: u32,
        /// The row within the group.
        row: u32,
    },
}

/// A hash of place, size and modification time: equal identities mean equal bytes.
pub(crate) type Identity = [u8; 16];

impl Location {
    /// The file that holds the image.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::File(file) => file,
            Self::Range { file, .. } => file,
            Self::Cell { column, .. } => &column.file,
        }
    }

    /// The encoded bytes.
    ///
    /// On failure, the reason, without the path.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let words = |error: std::io::Error| error.to_string();
        let file = self.file();
        let metadata = std::fs::metadata(file).map_err(words)?;
        if !metadata.is_file() {
            // A pipe may never end.
            return Err("not a regular file: expected an image".into());
        }
        match self {
            Self::File(_) => {
                check_length(metadata.len())?;
                std::fs::read(file).map_err(words)
            }
            Self::Cell { column, group, row } => {
                let mut cells = column.read(*group as usize, &[*row as usize]);
                cells.pop().unwrap_or_else(|| Err("no such row".into()))
            }
            &Self::Range { offset, length, .. } => {
                check_length(length)?;
                if offset.saturating_add(length) > metadata.len() {
                    let all = metadata.len();
                    return Err(format!(
                        "the file ends at byte {all}, within bytes {offset} to {}",
                        offset + length
                    ));
                }
                let mut bytes = vec![0; length as usize];
                let mut opened = File::open(file).map_err(words)?;
                opened.seek(SeekFrom::Start(offset)).map_err(words)?;
                opened.read_exact(&mut bytes).map_err(words)?;
                Ok(bytes)
            }
        }
    }

    /// The identity of the image; `None` if its file does not exist.
    pub(crate) fn identity(&self, files: &FileTimes) -> Option<Identity> {
        let (path, size, time) = files.of(self.file())?;
        let mut hash = blake3::Hasher::new();
        hash.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
        hash.update(&size.to_le_bytes()).update(&time.to_le_bytes());
        match self {
            Self::File(_) => {}
            Self::Range { offset, length, .. } => {
                hash.update(&offset.to_le_bytes()).update(&length.to_le_bytes());
            }
            Self::Cell { group, row, .. } => {
                hash.update(b"cell").update(&group.to_le_bytes()).update(&row.to_le_bytes());
            }
        }
        Some(first_half(hash.finalize()))
    }
}

/// The first 16 bytes of a hash.
pub(crate) fn first_half(hash: blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

fn check_length(length: u64) -> Result<(), String> {
    if length <= MOST_MIB << 20 {
        return Ok(());
    }
    Err(format!("{length} bytes: expected at most {MOST_MIB} MiB"))
}

/// The absolute path, size and modification time (nanoseconds) of files; those of containers, which hold
/// many images, are asked for once.
#[derive(Debug, Default)]
pub(crate) struct FileTimes {
    containers: Mutex<HashMap<PathBuf, Option<FileTime>>>,
}

type FileTime = (PathBuf, u64, u128);

impl FileTimes {
    fn of(&self, file: &Path) -> Option<FileTime> {
        if let Some(known) = self.containers.lock().unwrap_or_else(PoisonError::into_inner).get(file) {
            return known.clone();
        }
        file_time(file)
    }

    /// Asks for the files of these containers once.
    pub(crate) fn remember<'p>(&self, containers: impl Iterator<Item = &'p Path>) {
        let mut known = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        for file in containers {
            if !known.contains_key(file) {
                known.insert(file.into(), file_time(file));
            }
        }
    }
}

fn file_time(file: &Path) -> Option<FileTime> {
    let metadata: Metadata = std::fs::metadata(file).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((std::path::absolute(file).ok()?, metadata.len(), changed.as_nanos()))
}

/// The positions of successive locations that one task reads: images of one container belong together,
/// so that it is read from its beginning to its end.
pub(crate) fn runs(locations: &[&Location]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, location) in locations.iter().enumerate() {
        let together = |run: &Range<usize>| {
            run.len() < RUN
                && match (locations[run.start], location) {
                    (Location::File(_), Location::File(_)) => true,
                    (Location::Range { file, .. }, Location::Range { file: here, .. }) => file == here,
                    (Location::Cell { .. }, Location::Cell { .. }) => {
                        same_group(locations[run.start], location)
                    }
                    _ => false,
                }
        };
        match runs.last_mut() {
            Some(run) if together(run) => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// Whether two cells lie in one row group.
fn same_group(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::Cell { column, group, .. }, Location::Cell { column: there, group: other, .. }) => {
            Arc::ptr_eq(column, there) && group == other
        }
        _ => false,
    }
}

/// The bytes of the images of a run, in order. The cells of a row group whose rows ascend are read in one
/// pass.
pub(crate) fn read_run(locations: &[&Location]) -> Vec<Result<Vec<u8>, String>> {
    let row = |location: &Location| match location {
        Location::Cell { row, .. } => *row as usize,
        _ => 0,
    };
    if let [Location::Cell { column, group, .. }, ..] = locations {
        let together =
            locations.windows(2).all(|two| same_group(two[0], two[1]) && row(two[0]) < row(two[1]));
        if together {
            let rows: Vec<usize> = locations.iter().map(|location| row(location)).collect();
            return column.read(*group as usize, &rows);
        }
    }
    locations.iter().map(|location| location.read()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_its_identity_follows_file_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all");
        std::fs::write(&file, b"0123456789").unwrap();
        let range = |offset, length| Location::Range { file: file.as_path().into(), offset, length };
        assert_eq!(range(2, 3).read().unwrap(), b"234");
        assert!(range(8, 3).read().unwrap_err().contains("ends at byte 10"));
        let whole = Location::File(file.clone());
        assert_eq!(whole.read().unwrap(), b"0123456789");
        let identity = |location: &Location| location.identity(&FileTimes::default()).unwrap();
        let all = [identity(&range(2, 3)), identity(&range(3, 3)), identity(&whole)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_eq!(identity(&range(2, 3)), all[0]);
        std::fs::write(&file, b"01234567890").unwrap();
        assert_ne!(identity(&whole), all[2]);
        assert!(Location::File(folder.path().join("none")).identity(&FileTimes::default()).is_none());
    }

    #[test]
    fn runs_cover_every_location_once_and_keep_containers_together() {
        let file = |name: &str| Location::File(name.into());
        let range = |name: &str, offset| Location::Range { file: Path::new(name).into(), offset, length: 1 };
        let mut all: Vec<Location> = (0..100).map(|i| file(&i.to_string())).collect();
        all.extend((0..3).map(|i| range("a", i)));
        all.extend((0..70).map(|i| range("b", i)));
        let runs = runs(&all.iter().collect::<Vec<_>>());
        assert_eq!(runs, [0..64, 64..100, 100..103, 103..167, 167..173]);
    }
}

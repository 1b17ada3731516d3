//! Files in memory maps.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// The bytes of a file, mapped into memory: the system reads them when they are used, and processes
/// that map the same file share them.
///
/// A file that is shortened while it is mapped ends the process at the next use of the lost bytes.
/// Files of this project are replaced by renaming, never shortened.
#[derive(Debug)]
pub struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps a file.
    ///
    /// # Errors
    /// If it cannot be opened or mapped.
    #[allow(unsafe_code)]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: The map is read-only. Files that are mapped are written under a temporary name and
        // renamed when they are whole, and no program of this project writes to them afterwards.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_the_bytes_of_the_file_after_its_name_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, b"mapped").unwrap();
        let map = Mapped::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&map[..], b"mapped");
        assert!(Mapped::open(&path).is_err());
    }
}

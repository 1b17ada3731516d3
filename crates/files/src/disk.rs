//! Every change that a run makes to the disk, one step at a time. A test can replace the disk by one
//! that stops at any step, loses data that was not synced, or is full.
//!
//! Durability has two rules: the content of a file is on the medium after [`Disk::sync`] of the file,
//! and its name after [`Disk::sync`] of its folder.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The prefix of the names of files and folders that are being written or removed. Opening a run folder
/// removes all files and folders with this prefix.
pub const TEMPORARY: &str = ".tmp-";

/// The changes that a run makes to the disk.
pub trait Disk: Send + Sync + Debug {
    /// Creates a folder.
    ///
    /// # Errors
    /// If the folder exists, or its parent does not.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Writes a file and replaces an existing one. Content and name are not durable yet.
    ///
    /// # Errors
    /// If the file cannot be written; a part of it may exist then.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Appends bytes to a file, which is created if it does not exist.
    ///
    /// # Errors
    /// If the bytes cannot be written; a part of them may be in the file then.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Truncates a file to `length` bytes.
    ///
    /// # Errors
    /// If the file does not exist or cannot be changed.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes the content of a file, or the names in a folder, durable.
    ///
    /// # Errors
    /// If the medium refuses.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Renames a file or folder within its file system and replaces a file of the new name.
    ///
    /// # Errors
    /// If it does not exist, or a folder that is not empty has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a folder with its contents.
    ///
    /// # Errors
    /// If it does not exist or cannot be removed; a part of a folder may be removed then.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The free space of a folder's file system, in bytes.
    ///
    /// # Errors
    /// If the file system does not report it.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create(path)?.write_all(bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Replaces a file atomically: write of a temporary sibling, sync, rename over the old file, sync of the
/// folder.
///
/// # Errors
/// If one of these steps fails; the old file is then unchanged.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let temporary = temporary(path, &std::process::id().to_string());
    let attempt = || -> io::Result<()> {
        disk.write(&temporary, bytes)?;
        disk.sync(&temporary)?;
        disk.rename(&temporary, path)?;
        disk.sync(folder)
    };
    attempt().map_err(|error| {
        let error = cannot_write(disk, path, bytes.len() as u64, &error);
        let _ = disk.remove(&temporary);
        error
    })
}

/// Removes the temporary files and folders that a killed process has left.
///
/// # Errors
/// If one of them cannot be removed.
pub fn clear_temporary(disk: &dyn Disk, folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::new(folder, error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| Error::new(folder, error))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY)) {
            disk.remove(&path).map_err(|error| Error::new(&path, error))?;
        }
    }
    Ok(())
}

/// The folder of a path.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The temporary name of `path`, in the same folder; `mark` distinguishes its users.
pub fn temporary(path: &Path, mark: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY}{mark}-{name}"))
}

/// The error of a write, with the required and the free space if the disk is full.
pub fn cannot_write(disk: &dyn Disk, path: &Path, need: u64, error: &io::Error) -> Error {
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    let room = match disk.free(folder_of(path)) {
        Ok(free) if full.contains(&error.kind()) => {
            format!("; it takes {}, and {} are free", bytes(need), bytes(free))
        }
        _ => String::new(),
    };
    Error::new(path, format!("cannot be written: {error}{room}"))
}

/// A number of bytes with a unit.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        replace(&OsDisk, &path, b"first").unwrap();
        replace(&OsDisk, &path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let message = replace(&OsDisk, &folder.path().join("none/b.txt"), b"x").unwrap_err().to_string();
        assert!(message.contains("none/b.txt"), "{message}");
    }

    #[test]
    fn temporary_files_of_a_killed_process_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kept"), b"").unwrap();
        fs::write(folder.path().join(".tmp-1-a"), b"").unwrap();
        fs::create_dir(folder.path().join(".tmp-1-b")).unwrap();
        fs::write(folder.path().join(".tmp-1-b/c"), b"").unwrap();
        clear_temporary(&OsDisk, folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        clear_temporary(&OsDisk, &folder.path().join("none")).unwrap();
    }
}

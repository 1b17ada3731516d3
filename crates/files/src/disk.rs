//! Every change that a run makes to the disk, one step at a time, so that a test can be the disk:
//! one that stops at any step, forgets what was not synced, or is full.
//!
//! What is durable is promised by two rules alone: a file's content is on the medium after
//! [`Disk::sync`] of the file, and its name after [`Disk::sync`] of its folder.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Names of files and folders that are being written, or being removed, begin so. Whatever has
/// such a name is nobody's, and a run folder is rid of it when it is opened.
pub const TEMPORARY: &str = ".tmp-";

/// The changes that a run makes, each of which happens or does not.
pub trait Disk: Send + Sync + Debug {
    /// Makes a folder.
    ///
    /// # Errors
    /// If it is there, or its parent is not.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a file of these bytes, in place of any of that name. Neither is durable yet.
    ///
    /// # Errors
    /// If it cannot be written; a part of it may be there then.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Adds bytes to the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// If they cannot be written; a part of them may be there then.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Shortens a file.
    ///
    /// # Errors
    /// If it is not there or cannot be changed.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Makes the content of a file, or the names in a folder, durable.
    ///
    /// # Errors
    /// If the medium refuses.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file or folder another name in the same file system, in place of any file there.
    ///
    /// # Errors
    /// If it is not there, or a folder that is not empty has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// If it is not there or cannot be removed; a part of a folder may be gone then.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The bytes that may still be written in a folder.
    ///
    /// # Errors
    /// If the file system does not say.
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

/// Puts a file in place whole or not at all: temporary sibling, sync, rename over the old one,
/// sync of the folder.
///
/// # Errors
/// If any of these fails; the old file is as it was then.
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

/// Removes what was being written when a process ended.
///
/// # Errors
/// If something of the kind is there and stays.
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

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name beside `path` under which it is prepared or removed; `mark` tells one user from another.
pub fn temporary(path: &Path, mark: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{TEMPORARY}{mark}-{name}"))
}

/// The error of a write, with what it takes where there was no room.
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

/// A number of bytes in words.
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
    fn what_a_killed_process_was_writing_is_cleared_away() {
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

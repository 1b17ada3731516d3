//! Disks that fail: at a step, permanently, or when they are full.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use t2f_files::disk::{Disk, OsDisk};

/// The kind of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process is killed by SIGKILL.
    Kill,
    /// Every later change is an error.
    Error,
}

/// A disk that ends before its `left`-th change, or within it.
#[derive(Debug)]
pub struct Mortal {
    left: AtomicU64,
    midst: bool,
    end: End,
}

impl Mortal {
    /// A disk that performs `left` changes and, if `midst`, half of another.
    pub fn new(left: u64, midst: bool, end: End) -> Self {
        Self { left: AtomicU64::new(left), midst, end }
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// `Ok` before the end. `half` is performed at the end.
    fn live(&self, half: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if before.is_ok_and(|left| left > 1 || !self.midst) {
            return Ok(());
        }
        if before.is_ok() {
            half()?;
        }
        match self.end {
            End::Kill => kill_self(),
            End::Error => Err(io::Error::other("the disk has failed")),
        }
    }
}

/// Ends this process as `kill -9` does: no destructor runs, nothing is flushed.
fn kill_self() -> io::Result<()> {
    signal_hook::low_level::raise(signal_hook::consts::SIGKILL)?;
    loop {
        std::thread::park();
    }
}

impl Disk for Mortal {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.live(|| Ok(()))?;
        OsDisk.make_folder(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.live(|| OsDisk.write(path, &bytes[..bytes.len() / 2]))?;
        OsDisk.write(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.live(|| OsDisk.append(path, &bytes[..bytes.len() / 2]))?;
        OsDisk.append(path, bytes)
    }
    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        self.live(|| Ok(()))?;
        OsDisk.cut(path, length)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.live(|| Ok(()))?;
        OsDisk.sync(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live(|| Ok(()))?;
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.live(|| match fs::read_dir(path) {
            Ok(mut entries) => entries.next().map_or(Ok(()), |entry| fs::remove_file(entry?.path())),
            Err(_) => Ok(()),
        })?;
        OsDisk.remove(path)
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        OsDisk.free(folder)
    }
}

/// A disk with limited free space. Removals do not free space.
#[derive(Debug)]
pub struct Full {
    left: AtomicU64,
    says: bool,
    kind: ErrorKind,
}

impl Full {
    /// A disk with `left` free bytes. It reports them if `says`; otherwise it reports unlimited space, as with
    /// a quota. A write beyond them is truncated and fails with `kind`.
    pub fn new(left: u64, says: bool, kind: ErrorKind) -> Self {
        Self { left: AtomicU64::new(left), says, kind }
    }

    fn take(&self, bytes: usize) -> (usize, io::Result<()>) {
        let left = self.left.load(Ordering::SeqCst);
        let taken = left.min(bytes as u64);
        self.left.store(left - taken, Ordering::SeqCst);
        let whole = taken == bytes as u64;
        (taken as usize, if whole { Ok(()) } else { Err(io::Error::from(self.kind)) })
    }
}

impl Disk for Full {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        OsDisk.make_folder(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (taken, outcome) = self.take(bytes.len());
        OsDisk.write(path, &bytes[..taken])?;
        outcome
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (taken, outcome) = self.take(bytes.len());
        OsDisk.append(path, &bytes[..taken])?;
        outcome
    }
    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        OsDisk.cut(path, length)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(if self.says { self.left.load(Ordering::SeqCst) } else { u64::MAX })
    }
}

/// A disk that refuses every change, as a folder without write permission does.
#[derive(Debug)]
pub struct Refusing(pub ErrorKind);

impl Disk for Refusing {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Err(self.0.into())
    }
    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(self.0.into())
    }
    fn append(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(self.0.into())
    }
    fn cut(&self, _: &Path, _: u64) -> io::Result<()> {
        Err(self.0.into())
    }
    fn sync(&self, _: &Path) -> io::Result<()> {
        Err(self.0.into())
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(self.0.into())
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(self.0.into())
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        OsDisk.free(folder)
    }
}

//! Power cuts: the possible states of the disk when the medium keeps all, some or none of the changes
//! that were not synced.
//!
//! `kill -9` does not test syncs, since the kernel still writes after the end of the process. Here every
//! change is recorded, and the disk is rebuilt at any moment. The content of a file is durable up to its
//! last sync, and a name after the sync of its folder. Each other change is kept or dropped at random, and
//! unsynced content of a file is kept in whole, in part or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand_core::Rng;
use t2f_files::disk::{Disk, OsDisk};
use t2f_ops::rng::{self, Key};

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Folder(PathBuf),
    Write(PathBuf, Vec<u8>),
    Append(PathBuf, Vec<u8>),
    Cut(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// A promise of durability.
    Promise(u64),
}

/// The disk of the machine with a record of its changes. Paths are relative to a root.
#[derive(Debug)]
pub struct Recorded {
    root: PathBuf,
    keeps_names: bool,
    changes: Mutex<Vec<Change>>,
}

/// The surviving part of the changes that were not synced.
#[derive(Clone, Copy, Debug)]
pub enum Survival {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// A random part, with this seed.
    Drawn(u64),
}

impl Recorded {
    /// Records changes under `root`, which must be empty.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), keeps_names: true, changes: Mutex::default() }
    }

    /// As [`new`](Self::new), on a medium that ignores syncs of folders, to show that they are necessary.
    pub fn without_folder_syncs(root: &Path) -> Self {
        Self { keeps_names: false, ..Self::new(root) }
    }

    /// Records that a later crash must keep at least `what`.
    pub fn promise(&self, what: u64) {
        self.lock().push(Change::Promise(what));
    }

    /// The number of moments of a possible power cut.
    pub fn moments(&self) -> usize {
        self.lock().len() + 1
    }

    /// Builds the disk after a power cut at a moment in an empty folder, and returns the last promise before
    /// it.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn crash(&self, moment: usize, survival: Survival, into: &Path) -> io::Result<Option<u64>> {
        let changes = self.lock();
        let mut medium = Medium::default();
        let mut promise = None;
        for change in &changes[..moment] {
            match change {
                Change::Promise(what) => promise = Some(*what),
                change => medium.apply(change),
            }
        }
        drop(changes);
        medium.write(survival, into)?;
        Ok(promise)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn did(
        &self,
        outcome: io::Result<()>,
        change: impl FnOnce(&dyn Fn(&Path) -> PathBuf) -> Change,
    ) -> io::Result<()> {
        outcome?;
        let relative = |path: &Path| path.strip_prefix(&self.root).unwrap_or(path).to_owned();
        self.lock().push(change(&relative));
        Ok(())
    }
}

impl Disk for Recorded {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.did(OsDisk.make_folder(path), |of| Change::Folder(of(path)))
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.did(OsDisk.write(path, bytes), |of| Change::Write(of(path), bytes.to_vec()))
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.did(OsDisk.append(path, bytes), |of| Change::Append(of(path), bytes.to_vec()))
    }
    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        self.did(OsDisk.cut(path, length), |of| Change::Cut(of(path), length))
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() && !self.keeps_names {
            return OsDisk.sync(path);
        }
        self.did(OsDisk.sync(path), |of| Change::Sync(of(path)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.did(OsDisk.rename(from, to), |of| Change::Rename(of(from), of(to)))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.did(OsDisk.remove(path), |of| Change::Remove(of(path)))
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        OsDisk.free(folder)
    }
}

/// A change of a folder's names.
#[derive(Clone, Debug)]
enum Naming {
    Folder(PathBuf),
    File(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default)]
struct File {
    now: Vec<u8>,
    synced: Vec<u8>,
}

/// Files and the history of their names.
#[derive(Debug, Default)]
struct Medium {
    files: Vec<File>,
    /// Changes of names, and whether each is durable.
    history: Vec<(Naming, bool)>,
    /// The names in a running process; folders have no file.
    names: BTreeMap<PathBuf, Option<usize>>,
}

impl Medium {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Folder(path) => self.name(Naming::Folder(path.clone())),
            Change::Write(path, bytes) => {
                let file = self.file(path);
                self.files[file].now.clone_from(bytes);
            }
            Change::Append(path, bytes) => {
                let file = self.file(path);
                self.files[file].now.extend(bytes);
            }
            Change::Cut(path, length) => {
                let file = self.file(path);
                self.files[file].now.truncate(*length as usize);
            }
            Change::Rename(from, to) => self.name(Naming::Rename(from.clone(), to.clone())),
            Change::Remove(path) => {
                // The deepest first, one name at a time.
                let under: Vec<PathBuf> =
                    self.names.keys().rev().filter(|name| name.starts_with(path)).cloned().collect();
                under.into_iter().for_each(|name| self.name(Naming::Remove(name)));
            }
            Change::Sync(path) => match self.names.get(path) {
                Some(Some(file)) => {
                    let file = &mut self.files[*file];
                    file.synced.clone_from(&file.now);
                }
                _ => self.sync_names(path),
            },
            Change::Promise(_) => {}
        }
    }

    /// The file of a name, created if it does not exist.
    fn file(&mut self, path: &Path) -> usize {
        if let Some(Some(file)) = self.names.get(path) {
            return *file;
        }
        self.files.push(File::default());
        self.name(Naming::File(path.to_owned(), self.files.len() - 1));
        self.files.len() - 1
    }

    fn name(&mut self, naming: Naming) {
        rename(&mut self.names, &naming);
        self.history.push((naming, false));
    }

    fn sync_names(&mut self, folder: &Path) {
        for (naming, durable) in &mut self.history {
            *durable |= match naming {
                Naming::Folder(path) | Naming::File(path, _) | Naming::Remove(path) => is_in(path, folder),
                Naming::Rename(from, to) => is_in(from, folder) && is_in(to, folder),
            };
        }
    }

    fn write(&self, survival: Survival, into: &Path) -> io::Result<()> {
        let mut draw = match survival {
            Survival::Drawn(seed) => Some(Key::new(seed).rng()),
            _ => None,
        };
        let mut survives = |durable: bool| match (&mut draw, survival) {
            (Some(draw), _) => durable || draw.next_u64().is_multiple_of(2),
            (None, Survival::Everything) => true,
            (None, _) => durable,
        };
        let mut names = BTreeMap::new();
        for (naming, durable) in &self.history {
            if survives(*durable) {
                rename(&mut names, naming);
            }
        }
        let mut draw = match survival {
            Survival::Drawn(seed) => Some(Key::new(seed).child("content").rng()),
            _ => None,
        };
        for (path, file) in &names {
            let path = into.join(path);
            // A lost folder loses its names.
            let has_home = path.parent().is_some_and(Path::is_dir);
            match file.filter(|_| has_home).map(|file| &self.files[file]) {
                None if has_home => fs::create_dir(&path)?,
                None => {}
                Some(file) => fs::write(&path, file.content(survival, draw.as_mut()))?,
            }
        }
        Ok(())
    }
}

impl File {
    fn content(&self, survival: Survival, draw: Option<&mut impl Rng>) -> &[u8] {
        match (survival, draw) {
            (Survival::Everything, _) => &self.now,
            (Survival::Drawn(_), Some(draw)) if self.now != self.synced => match rng::below(draw, 3) {
                0 => &self.synced,
                1 => &self.now,
                // An append keeps the synced content; a replacement makes it uncertain.
                _ if self.now.starts_with(&self.synced) => {
                    let added = self.now.len() - self.synced.len();
                    &self.now[..self.synced.len() + rng::below(draw, added + 1)]
                }
                _ => &self.now[..rng::below(draw, self.now.len() + 1)],
            },
            _ => &self.synced,
        }
    }
}

fn is_in(path: &Path, folder: &Path) -> bool {
    path.parent() == Some(folder)
}

/// Applies a change of names; a change that depends on a lost one does nothing.
fn rename(names: &mut BTreeMap<PathBuf, Option<usize>>, naming: &Naming) {
    match naming {
        Naming::Folder(path) => {
            names.insert(path.clone(), None);
        }
        Naming::File(path, file) => {
            names.insert(path.clone(), Some(*file));
        }
        Naming::Remove(path) => {
            names.remove(path);
        }
        Naming::Rename(from, to) => {
            let moved: Vec<PathBuf> = names.keys().filter(|name| name.starts_with(from)).cloned().collect();
            for name in moved {
                let rest = name.strip_prefix(from).unwrap_or(Path::new(""));
                let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                if let Some(file) = names.remove(&name) {
                    names.insert(new, file);
                }
            }
        }
    }
}

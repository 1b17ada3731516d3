//! The folders and tables under the root of a published data set, which people unpack in many ways.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::file_index::nearest;
use crate::error::{Error, Result};

/// The extensions of tables and caption files.
const TABLES: [&str; 4] = ["txt", "csv", "json", "token"];

/// The depth to which folders are searched: `Kaggle/img_align_celeba/img_align_celeba` is 3.
const DEPTH: usize = 3;

/// The folders and tables under a root, the shallow ones first, in the order of their names.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    folders: Vec<PathBuf>,
    tables: Vec<PathBuf>,
}

impl Layout {
    /// Searches a folder and its subfolders without hidden ones, each once.
    ///
    /// # Errors
    /// If there is no such folder.
    pub(crate) fn scan(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::file(root, format!("no such folder; {}", nearest(root))));
        }
        let mut layout = Self { root: root.into(), folders: Vec::new(), tables: Vec::new() };
        let mut seen = HashSet::new();
        let mut level = vec![root.to_path_buf()];
        for _ in 0..=DEPTH {
            let mut below = Vec::new();
            for folder in level {
                let real = folder.canonicalize().map_err(|error| Error::file(&folder, error))?;
                if !seen.insert(real) {
                    continue;
                }
                let entries = std::fs::read_dir(&folder).map_err(|error| Error::file(&folder, error))?;
                let mut paths = Vec::new();
                for entry in entries {
                    let entry = entry.map_err(|error| Error::file(&folder, error))?;
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    let table = name
                        .rsplit_once('.')
                        .is_some_and(|(_, end)| TABLES.iter().any(|known| end.eq_ignore_ascii_case(known)));
                    let kind = entry.file_type().map_err(|error| Error::file(entry.path(), error))?;
                    // Most entries are images, whose kind is known without another call.
                    if !name.starts_with('.') && (table || !kind.is_file()) {
                        paths.push(entry.path());
                    }
                }
                paths.sort();
                let (folders, tables): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
                below.extend(folders);
                layout.tables.extend(tables);
            }
            layout.folders.extend(below.iter().cloned());
            level = below;
        }
        Ok(layout)
    }

    /// The root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The table with the first of these names that exists; case is ignored.
    pub(crate) fn table(&self, names: &[&str]) -> Option<&Path> {
        names
            .iter()
            .find_map(|name| self.tables.iter().find(|path| is_called(path, name)))
            .map(PathBuf::as_path)
    }

    /// As [`table`](Self::table).
    ///
    /// # Errors
    /// If there is none; the message has `source`, the place where the data set comes from.
    pub(crate) fn expect_table(&self, names: &[&str], source: &str) -> Result<&Path> {
        self.table(names).ok_or_else(|| {
            let seen: Vec<String> = self.tables.iter().take(8).map(|path| self.relative(path)).collect();
            let seen = if seen.is_empty() {
                "no table is there".into()
            } else {
                format!("there are {}", seen.join(", "))
            };
            Error::file(
                &self.root,
                format!("no {} in it or its subfolders, {seen}; {source}", names.join(" or ")),
            )
        })
    }

    /// The tables whose names fulfil a condition; they are given in small letters.
    pub(crate) fn tables(&self, is_one: impl Fn(&str) -> bool) -> Vec<&Path> {
        let fits = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| is_one(&name.to_string_lossy().to_lowercase()))
        };
        self.tables.iter().filter(fits).map(PathBuf::as_path).collect()
    }

    /// The folder with the first of these names that exists, or the root; case is ignored.
    pub(crate) fn folder(&self, names: &[&str]) -> &Path {
        let found = names.iter().find_map(|name| self.folders.iter().find(|path| is_called(path, name)));
        found.unwrap_or(&self.root)
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn is_called(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|own| own.to_string_lossy().eq_ignore_ascii_case(name))
}

/// The name of a file without folders and extension, in small letters.
pub(crate) fn stem(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_tables_are_found_by_name_the_shallow_ones_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("Img/img_align_celeba/deep/deeper")).unwrap();
        std::fs::create_dir_all(root.join("Anno")).unwrap();
        for name in ["Anno/List.TXT", "Img/list.txt", "Img/img_align_celeba/1.jpg", "other.csv"] {
            std::fs::write(root.join(name), b"").unwrap();
        }
        let layout = Layout::scan(root).unwrap();
        assert_eq!(layout.table(&["none.txt", "list.txt"]).unwrap(), root.join("Anno/List.TXT"));
        assert_eq!(layout.folder(&["img_align_celeba"]), root.join("Img/img_align_celeba"));
        assert_eq!(layout.folder(&["elsewhere"]), root);
        assert_eq!(layout.tables(|name| name.ends_with(".csv")), [root.join("other.csv")]);
        let reason = layout.expect_table(&["a.txt", "a.csv"], "see example.org").unwrap_err().to_string();
        for part in ["no a.txt or a.csv", "other.csv, ", "see example.org"] {
            assert!(reason.contains(part), "{reason}");
        }
        assert!(Layout::scan(&root.join("none")).unwrap_err().to_string().contains("no such folder"));
    }

    #[test]
    fn a_stem_has_neither_folders_nor_an_extension() {
        assert_eq!(stem("A_B/A_B_0001.JPG"), "a_b_0001");
        assert_eq!(stem("a\\0.png"), "0");
        assert_eq!(stem("plain"), "plain");
    }
}

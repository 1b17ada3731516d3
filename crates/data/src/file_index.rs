//! Finding the files that captions speak of, however they spell them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// What is taken for an image, and what may stand in a caption file instead (Face2Text v0.1 says
/// `.bmp` of files that are `.jpg`).
const READABLE: [&str; 3] = ["jpg", "jpeg", "png"];
const NAMED: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif"];

/// The images under a folder, by name without extension, case folded, composed (NFC).
pub(crate) struct FileIndex {
    root: PathBuf,
    by_path: HashMap<String, Vec<PathBuf>>,
    by_name: HashMap<String, Vec<PathBuf>>,
}

impl FileIndex {
    /// Reads the folder and those within it, hidden ones left out, each once: links that lead back
    /// are not followed.
    pub(crate) fn scan(root: &Path) -> Result<Self> {
        let mut index = Self { root: root.into(), by_path: HashMap::new(), by_name: HashMap::new() };
        let mut folders = vec![root.to_path_buf()];
        let mut seen = HashSet::new();
        while let Some(folder) = folders.pop() {
            let real = folder.canonicalize().map_err(|error| Error::file(&folder, error))?;
            if !seen.insert(real) {
                continue;
            }
            let entries = std::fs::read_dir(&folder).map_err(|error| Error::file(&folder, error))?;
            for entry in entries {
                let path = entry.map_err(|error| Error::file(&folder, error))?.path();
                let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                if hidden {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if has_extension(&path.to_string_lossy(), &READABLE) {
                    index.insert(path);
                }
            }
        }
        Ok(index)
    }

    fn insert(&mut self, path: PathBuf) {
        let relative = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
        let stem = stem(&relative);
        let name = stem.rsplit('/').next().unwrap_or(&stem).to_owned();
        self.by_path.entry(stem).or_default().push(path.clone());
        self.by_name.entry(name).or_default().push(path);
    }

    /// The number of images found.
    pub(crate) fn len(&self) -> usize {
        self.by_path.values().map(Vec::len).sum()
    }

    /// The file that a caption file calls `name`: by its path under the root, or by its file name
    /// alone where that is unique.
    ///
    /// On failure, the reason: no such file, or several.
    pub(crate) fn find(&self, name: &str) -> std::result::Result<&Path, String> {
        let stem = stem(name);
        let last = stem.rsplit('/').next().unwrap_or(&stem);
        let found = self.by_path.get(&stem).or_else(|| self.by_name.get(last));
        match found.map(Vec::as_slice) {
            Some([path]) => Ok(path),
            Some(several) => {
                let exact = self.root.join(name);
                if let Some(path) = several.iter().find(|path| **path == exact) {
                    return Ok(path);
                }
                let mut names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                names.sort();
                Err(format!("ambiguous: it may be any of {}", names.join(", ")))
            }
            None => Err("no such image (extension, case and Unicode form were ignored)".into()),
        }
    }
}

/// The path without the extension of an image, with forward slashes, case folded and composed.
fn stem(path: &str) -> String {
    let path = path.replace('\\', "/");
    let bare = match path.rsplit_once('.') {
        Some((bare, _)) if has_extension(&path, &NAMED) => bare,
        _ => &path,
    };
    bare.trim_start_matches("./").nfc().collect::<String>().to_lowercase()
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, end)| extensions.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// For messages about a path that is not there: the nearest folder that is, and what is in it.
pub(crate) fn nearest(path: &Path) -> String {
    let Some(folder) =
        path.ancestors().skip(1).find(|folder| folder.is_dir() || folder.as_os_str().is_empty())
    else {
        return "no folder above it exists".into();
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names.truncate(8);
    format!("the nearest folder is {}, which holds: {}", folder.display(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_extension_case_and_unicode_form() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("Jo.Anne Doe")).unwrap();
        for name in
            ["Jo.Anne Doe/Jo.Anne Doe_0001.JPG", "Jose\u{301}.png", "twin.jpg", "twin.png", "notes.txt"]
        {
            std::fs::write(root.join(name), b"").unwrap();
        }
        let index = FileIndex::scan(root).unwrap();
        assert_eq!(index.len(), 4);
        let doe = root.join("Jo.Anne Doe/Jo.Anne Doe_0001.JPG");
        assert_eq!(index.find("Jo.Anne Doe/Jo.Anne Doe_0001.bmp").unwrap(), doe);
        assert_eq!(index.find("jo.anne doe_0001.jpg").unwrap(), doe);
        assert_eq!(index.find("JOSÉ.jpg").unwrap(), root.join("Jose\u{301}.png"));
        assert_eq!(index.find("twin.png").unwrap(), root.join("twin.png"));
        assert!(index.find("twin.bmp").unwrap_err().contains("ambiguous"));
        assert!(index.find("nobody.jpg").unwrap_err().contains("no such image"));
    }
}

//! Finding files by the names in caption files, which may spell them differently.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The extensions of images, and those that a caption file may have instead (Face2Text v0.1 calls
/// `.jpg` files `.bmp`).
const READABLE: [&str; 12] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "bmp", "dib", "gif", "tif", "tiff"];
const NAMED: [&str; 17] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "bmp", "dib", "gif", "tif", "tiff", "avif", "heic",
    "heif", "jp2", "jxl",
];

/// The images under a folder, by name without extension, case folded, composed (NFC).
pub(crate) struct FileIndex {
    root: PathBuf,
    by_path: HashMap<String, Vec<PathBuf>>,
    /// By the ends of their paths: `a/b/c` is also `b/c` and `c`.
    by_end: HashMap<String, Vec<PathBuf>>,
}

impl FileIndex {
    /// Reads the folder and its subfolders without hidden ones, each once, so that links that lead back
    /// do no harm.
    pub(crate) fn scan(root: &Path) -> Result<Self> {
        let mut index = Self { root: root.into(), by_path: HashMap::new(), by_end: HashMap::new() };
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
        let stem = stem(&self.relative(&path));
        for (slash, _) in stem.match_indices('/') {
            self.by_end.entry(stem[slash + 1..].to_owned()).or_default().push(path.clone());
        }
        self.by_path.entry(stem).or_default().push(path);
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file under the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// The number of images.
    pub(crate) fn len(&self) -> usize {
        self.by_path.values().map(Vec::len).sum()
    }

    /// The file that a caption file calls `name`: by its path under the root, or by the end of that
    /// path where it is unique. A folder in the name must match: `b/0.png` may be `a/b/0.png` and is
    /// never `0.png`.
    ///
    /// On failure, the reason: no such file, or several.
    pub(crate) fn find(&self, name: &str) -> std::result::Result<&Path, String> {
        let stem = stem(name);
        let found = self.by_path.get(&stem).or_else(|| self.by_end.get(&stem));
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
            None => Err(self.missing(name, &stem)),
        }
    }

    /// The reason why no image has that name.
    fn missing(&self, name: &str, stem: &str) -> String {
        if !has_extension(name, &READABLE) && self.root.join(name).is_file() {
            return "exists, but only JPEG and PNG files are read".into();
        }
        let mut reason = String::from("no such image (extension, case and Unicode form are ignored)");
        let bare = stem.rsplit('/').next().unwrap_or(stem);
        let alike = self.by_path.get(bare).or_else(|| self.by_end.get(bare));
        if let Some(path) = alike.and_then(|alike| alike.first()) {
            reason.push_str(&format!("; in another folder there is {}", path.display()));
        }
        reason
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

/// For messages about a missing path: the nearest existing folder and its files.
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
    format!("the nearest folder is {} with: {}", folder.display(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_a_name_must_match() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let file = folder.path().join("a/b/0.png");
        std::fs::write(&file, b"").unwrap();
        let index = FileIndex::scan(folder.path()).unwrap();
        for name in ["a/b/0.png", "b/0.jpg", "0.png", "./B\\0.png"] {
            assert_eq!(index.find(name).unwrap(), file, "{name}");
        }
        for name in ["a/0.png", "c/0.png", "../b/0.png", "../../../etc/0.png", "/0.png"] {
            let reason = index.find(name).unwrap_err();
            assert!(reason.contains("no such image") && reason.contains("b/0.png"), "{name}: {reason}");
        }
    }

    #[test]
    fn extension_case_and_unicode_form_of_names_are_ignored() {
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
        assert!(
            index.find("notes.txt").unwrap_err().contains("exists, but only JPEG and PNG files are read")
        );
    }
}

//! Finding files by the names in caption files, which may spell them differently.
//!
//! The index is a list of paths sorted by their components from the last to the first: the files whose
//! paths end alike are neighbours, and a search takes logarithmic time. Two million names take as much
//! memory as their paths, twice.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The extensions of images. The content decides how a file is read, and a file of another extension is
/// read where a caption file names it.
const IMAGES: [&str; 14] =
    ["jpg", "jpeg", "png", "jpe", "jfif", "jif", "jfi", "webp", "bmp", "dib", "gif", "tif", "tiff", "pjpeg"];
/// Of two images that differ in the extension alone, one with one of these is preferred.
const USUAL: usize = 3;
/// The bytes that tell the kind of an image.
const BEGIN: u64 = 64;
/// The most files that end alike among which the one with the extension of a name is looked for.
const ALIKE: usize = 64;
/// The most files that a message lists.
const FEW: usize = 4;

/// A file under the root.
struct Entry {
    /// Its name as names are compared, from the last component to the first.
    key: Box<str>,
    path: PathBuf,
    image: bool,
}

/// The files under a folder, by name without the extension of an image, case folded, composed (NFC).
pub(crate) struct FileIndex {
    root: PathBuf,
    /// The root without links.
    real: PathBuf,
    /// Sorted by key, then by path.
    entries: Vec<Entry>,
    images: usize,
}

impl FileIndex {
    /// Reads the folder and its subfolders without hidden ones, each once, so that links that lead back
    /// do no harm.
    pub(crate) fn scan(root: &Path) -> Result<Self> {
        let real = root.canonicalize().map_err(|error| Error::file(root, error))?;
        let mut index = Self { root: root.into(), real, entries: Vec::new(), images: 0 };
        let mut folders = vec![root.to_path_buf()];
        let mut seen = HashSet::new();
        while let Some(folder) = folders.pop() {
            let fault = |error| Error::file(&folder, error);
            if !seen.insert(folder.canonicalize().map_err(fault)?) {
                continue;
            }
            for entry in std::fs::read_dir(&folder).map_err(fault)? {
                let entry = entry.map_err(fault)?;
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                let (kind, path) = (entry.file_type().map_err(fault)?, entry.path());
                if kind.is_dir() || kind.is_symlink() && path.is_dir() {
                    folders.push(path);
                } else {
                    let regular = kind.is_file() || kind.is_symlink() && path.is_file();
                    index.insert(path, regular);
                }
            }
        }
        index.entries.sort_unstable_by(|one, other| (&one.key, &one.path).cmp(&(&other.key, &other.path)));
        Ok(index)
    }

    fn insert(&mut self, path: PathBuf, regular: bool) {
        let relative = self.relative(&path);
        let image = match extension(&relative) {
            Some(_) => is_image(&relative),
            None => regular && begins_as_image(&path),
        };
        self.images += usize::from(image);
        self.entries.push(Entry { key: key(&relative).into(), path, image });
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file under the root, with forward slashes. A file elsewhere has its whole path, without
    /// the leading slash: the path is relative in any case.
    pub(crate) fn relative(&self, path: &Path) -> String {
        if let Ok(path) = path.strip_prefix(&self.root) {
            return path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        }
        let names = path.components().filter(|component| matches!(component, Component::Normal(_)));
        names.map(|name| name.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }

    /// The number of images.
    pub(crate) fn len(&self) -> usize {
        self.images
    }

    /// The images in the order of their paths.
    pub(crate) fn images(&self) -> Vec<&Path> {
        self.sorted(|entry| entry.image)
    }

    /// The files that are no images in the order of their paths.
    pub(crate) fn others(&self) -> Vec<&Path> {
        self.sorted(|entry| !entry.image)
    }

    fn sorted(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<&Path> {
        let entries = self.entries.iter().filter(|entry| wanted(entry));
        let mut paths: Vec<&Path> = entries.map(|entry| entry.path.as_path()).collect();
        paths.sort_unstable();
        paths
    }

    /// The image in the folder of a file that is called like the file, without the endings of both.
    pub(crate) fn image_beside(&self, file: &Path) -> Option<&Path> {
        let relative = Path::new(&self.relative(file)).with_extension("").to_string_lossy().into_owned();
        let key = key(&relative);
        let found = self.ending(&key).iter().take_while(|entry| *entry.key == *key).find(|entry| entry.image);
        found.map(|entry| entry.path.as_path())
    }

    /// The file that a caption file calls `name`: by its path under the root, or by the end of that
    /// path where it is unique. A folder in the name must match: `b/0.png` may be `a/b/0.png` and is
    /// never `0.png`.
    ///
    /// On failure, the reason: no such file, or several.
    #[cfg(test)]
    pub(crate) fn find(&self, name: &str) -> std::result::Result<Cow<'_, Path>, String> {
        self.find_from(&self.root, name)
    }

    /// As [`find`](Self::find), for a caption file in `folder`. The name is, in this order, a path from
    /// the folder, a path from the root, a path from a folder above that contains the folder (`train/a.png`
    /// in `train/`), the end of a path under the folder, and the end of a path under the root. A percent
    /// sign may encode a letter. An absolute path may lead to a file outside of the root; where it leads
    /// nowhere, as on another machine, its end may be a path from the folder or from the root.
    pub(crate) fn find_from(&self, folder: &Path, name: &str) -> std::result::Result<Cow<'_, Path>, String> {
        let found = self.find_spelled(folder, name);
        if found.is_ok() || !name.contains('%') {
            return found;
        }
        let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        self.find_spelled(folder, &decoded).or(found)
    }

    fn find_spelled(&self, folder: &Path, name: &str) -> std::result::Result<Cow<'_, Path>, String> {
        let name = name.trim();
        let slashes = name.strip_prefix("file://").unwrap_or(name).replace('\\', "/");
        let drive = matches!(slashes.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
        if slashes.starts_with('/') || drive {
            return self.find_absolute(folder, Path::new(&slashes), name);
        }
        let folder = folder.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let (named, from_folder) = (clean(Path::new(&slashes)), clean(&folder.join(&slashes)));
        for relative in [&from_folder, &named] {
            if let Some(entry) = self.at(relative, name)? {
                return Ok(Cow::Borrowed(&entry.path));
            }
        }
        if from_folder.starts_with("..") {
            let outside = self.root.join(&from_folder);
            return if outside.is_file() { Ok(self.known(outside)) } else { Err(self.missing(name)) };
        }
        let full = self.real.join(folder);
        for above in full.ancestors().skip(1) {
            let path = above.join(&named);
            if let Ok(rest) = path.strip_prefix(&full)
                && let Some(entry) = self.at(&folder.join(rest), name)?
            {
                return Ok(Cow::Borrowed(&entry.path));
            }
        }
        let ends = self.ending(&key(&named.to_string_lossy()));
        let folder = self.root.join(folder);
        let within = ends.iter().filter(|entry| entry.image && entry.path.starts_with(&folder));
        let mut found: Vec<&Entry> = within.take(ALIKE).collect();
        if found.is_empty() {
            found = ends.iter().filter(|entry| entry.image).take(ALIKE).collect();
        }
        match found.as_slice() {
            [] => Err(self.missing(name)),
            several if several.len() == ALIKE => Err(ambiguous(several)),
            several => Self::one(several, name).map(|entry| Cow::Borrowed(entry.path.as_path())),
        }
    }

    /// The file at an absolute path, or the one at the longest end of it that is a path from the folder or
    /// from the root.
    fn find_absolute(
        &self,
        folder: &Path,
        path: &Path,
        name: &str,
    ) -> std::result::Result<Cow<'_, Path>, String> {
        if path.is_file() {
            return Ok(self.known(path.into()));
        }
        let path = clean(path);
        for root in [&self.root, &self.real] {
            if let Ok(relative) = path.strip_prefix(root)
                && let Some(entry) = self.at(relative, name)?
            {
                return Ok(Cow::Borrowed(&entry.path));
            }
        }
        let folder = folder.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let mut rest = path.components();
        while rest.next().is_some() {
            for base in [folder, Path::new("")] {
                if let Some(entry) = self.at(&base.join(rest.as_path()), name)? {
                    return Ok(Cow::Borrowed(&entry.path));
                }
            }
        }
        Err(self.missing(name))
    }

    /// An existing file, by its path under the root if it is there.
    fn known(&self, path: PathBuf) -> Cow<'_, Path> {
        // The folder without links and `..`, and the name of the file as it is.
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let real = match (folder, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path.clone(),
        };
        let relative = path.strip_prefix(&self.root).or_else(|_| real.strip_prefix(&self.real));
        match relative.map(|relative| self.at(&clean(relative), "")) {
            Ok(Ok(Some(entry))) => Cow::Borrowed(&entry.path),
            _ => Cow::Owned(real),
        }
    }

    /// The file at a path from the root, if there is one.
    ///
    /// On failure, the reason: there are several.
    fn at(&self, relative: &Path, name: &str) -> std::result::Result<Option<&Entry>, String> {
        let key = key(&relative.to_string_lossy());
        let whole = self.ending(&key).iter().take_while(|entry| *entry.key == *key);
        let (images, others): (Vec<&Entry>, Vec<&Entry>) = whole.partition(|entry| entry.image);
        let path = self.root.join(relative);
        if let Some(exact) = images.iter().chain(&others).find(|entry| entry.path == path) {
            return Ok(Some(exact));
        }
        let found = if images.is_empty() { others } else { images };
        if found.is_empty() { Ok(None) } else { Self::one(&found, name).map(Some) }
    }

    /// The only file of several that a name can mean: the only one, or the only one with the extension of
    /// the name, or the only one with a usual extension.
    fn one<'e>(several: &[&'e Entry], name: &str) -> std::result::Result<&'e Entry, String> {
        let only = |wanted: &dyn Fn(&str) -> bool| {
            let mut found =
                several.iter().filter(|entry| extension(&entry.path.to_string_lossy()).is_some_and(wanted));
            found.next().filter(|_| found.next().is_none()).copied()
        };
        if let [entry] = several {
            return Ok(entry);
        }
        let same = extension(name).and_then(|end| only(&|other| other.eq_ignore_ascii_case(end)));
        let usual = || only(&|other| IMAGES[..USUAL].iter().any(|known| known.eq_ignore_ascii_case(other)));
        same.or_else(usual).ok_or_else(|| ambiguous(several))
    }

    /// The files whose keys begin with `key`, those that equal it first.
    fn ending(&self, key: &str) -> &[Entry] {
        let start = self.entries.partition_point(|entry| *entry.key < *key);
        let rest = &self.entries[start..];
        let within = |entry: &Entry| match entry.key.strip_prefix(key) {
            Some(more) => more.is_empty() || more.starts_with(BETWEEN),
            None => false,
        };
        &rest[..rest.partition_point(within)]
    }

    /// The reason why no image has that name.
    fn missing(&self, name: &str) -> String {
        if name.contains("://") && !name.starts_with("file:") {
            return "an address on the web: expected the name of a file".into();
        }
        let mut reason = String::from("no such image (extension, case and Unicode form are ignored)");
        let bare = key(name.rsplit('/').next().unwrap_or(name));
        if let Some(entry) = self.ending(&bare).iter().find(|entry| entry.image) {
            reason.push_str(&format!("; in another folder there is {}", entry.path.display()));
        }
        reason
    }
}

/// The reason why a name is none of several files.
fn ambiguous(several: &[&Entry]) -> String {
    let mut names: Vec<String> = several.iter().map(|entry| entry.path.display().to_string()).collect();
    names.sort();
    let more = names.len().saturating_sub(FEW);
    names.truncate(FEW);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("ambiguous: it may be any of {}{more}", names.join(", "))
}

/// The separator of the components of a key, before every letter in order.
const BETWEEN: char = '\0';

/// A name as names are compared: without the extension of an image, case folded, composed, from the last
/// component to the first.
fn key(path: &str) -> String {
    let path = path.replace('\\', "/");
    let bare = if is_image(&path) { path.rsplit_once('.').map_or(&*path, |(bare, _)| bare) } else { &path };
    let folded = if bare.is_ascii() {
        bare.to_ascii_lowercase()
    } else {
        bare.nfc().collect::<String>().to_lowercase()
    };
    let mut key = String::with_capacity(folded.len());
    for component in folded.rsplit('/').filter(|component| !component.is_empty()) {
        if !key.is_empty() {
            key.push(BETWEEN);
        }
        key.push_str(component);
    }
    key
}

/// The path without `.`, and without `..` where a component precedes it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            // Above a root there is nothing.
            Component::ParentDir if clean.has_root() && clean.parent().is_none() => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// What follows the last point of the last component.
fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map(|(_, end)| end)
}

/// Whether a path has the extension of an image.
pub(crate) fn is_image(path: &str) -> bool {
    extension(path).is_some_and(|end| IMAGES.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// Whether a file begins as an image of a known kind.
fn begins_as_image(path: &Path) -> bool {
    let mut begin = Vec::with_capacity(BEGIN as usize);
    let read = File::open(path).and_then(|file| file.take(BEGIN).read_to_end(&mut begin));
    read.is_ok() && image::guess_format(&begin).is_ok()
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

    fn index(names: &[&str]) -> (FileIndex, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        for name in names {
            let file = home.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(
                file,
                if name.ends_with("photo") { &b"\xff\xd8\xff\xe0\0\x10JFIF"[..] } else { b"" },
            )
            .unwrap();
        }
        (FileIndex::scan(home.path()).unwrap(), home)
    }

    #[test]
    fn a_folder_in_a_name_must_match() {
        let (index, home) = index(&["a/b/0.png"]);
        let file = home.path().join("a/b/0.png");
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
        let (index, home) = index(&[
            "Jo.Anne Doe/Jo.Anne Doe_0001.JPG",
            "Jose\u{301}.png",
            "twin.jpg",
            "twin.png",
            "notes.txt",
        ]);
        let root = home.path();
        assert_eq!(index.len(), 4);
        let doe = root.join("Jo.Anne Doe/Jo.Anne Doe_0001.JPG");
        for name in ["Jo.Anne Doe/Jo.Anne Doe_0001.bmp", "jo.anne doe_0001.jpg", "Jo.Anne Doe_0001"] {
            assert_eq!(index.find(name).unwrap(), doe);
        }
        assert_eq!(index.find("JOSÉ.jpg").unwrap(), root.join("Jose\u{301}.png"));
        assert_eq!(index.find("twin.png").unwrap(), root.join("twin.png"));
        assert_eq!(index.find("TWIN.PNG").unwrap(), root.join("twin.png"));
        assert!(index.find("twin.bmp").unwrap_err().contains("ambiguous"));
        assert!(index.find("nobody.jpg").unwrap_err().contains("no such image"));
    }

    #[test]
    fn paths_are_found_however_they_are_spelled() {
        let (index, home) =
            index(&["im/x.png", "im/50% grey.png", "train/a b.jpg", "test/a b.jpg", "x.png", "1:2.png"]);
        let root = home.path();
        let absolute = |name: &str| root.join(name).to_string_lossy().into_owned();
        for (name, file) in [
            ("im//x.png", "im/x.png"),
            (".//im/../im/./x.png", "im/x.png"),
            ("im\\x", "im/x.png"),
            (" im/x.png ", "im/x.png"),
            (&absolute("im/x.png"), "im/x.png"),
            (&absolute("im/../im//x.PNG"), "im/x.png"),
            (&format!("file://{}", absolute("im/x.png")), "im/x.png"),
            ("/data/of/another/machine/im/x.png", "im/x.png"),
            ("C:\\faces\\im\\x.png", "im/x.png"),
            ("/data/of/another/machine/x.png", "x.png"),
            ("1:2.png", "1:2.png"),
            ("im/50% grey.png", "im/50% grey.png"),
            ("im/50%25%20grey.png", "im/50% grey.png"),
            ("train/a%20b.jpg", "train/a b.jpg"),
        ] {
            assert_eq!(index.find(name).unwrap(), root.join(file), "{name}");
        }
        assert!(index.find("a b.jpg").unwrap_err().contains("ambiguous"));
        assert!(index.find("https://a.org/x.png").unwrap_err().contains("an address on the web"));
    }

    #[test]
    fn a_name_is_relative_to_its_caption_file_and_then_to_the_root() {
        let (index, home) = index(&["train/a.png", "test/a.png", "train/deep/b.png", "a.png", "outside.txt"]);
        let root = home.path();
        let from = |folder: &str, name: &str| {
            index.find_from(&root.join(folder), name).unwrap().strip_prefix(root).unwrap().to_owned()
        };
        assert_eq!(from("train", "a.png"), Path::new("train/a.png"));
        assert_eq!(from("train", "train/a.png"), Path::new("train/a.png"));
        assert_eq!(from("train", "test/a.png"), Path::new("test/a.png"));
        assert_eq!(from("train", "../a.png"), Path::new("a.png"));
        assert_eq!(from("train", "b.png"), Path::new("train/deep/b.png"));
        let inner = FileIndex::scan(&root.join("train")).unwrap();
        assert_eq!(inner.find("train/a.png").unwrap(), root.join("train/a.png"));
        let outer = inner.find("../test/a.png").unwrap();
        assert_eq!(outer, root.canonicalize().unwrap().join("test/a.png"));
        assert!(inner.relative(&outer).ends_with("test/a.png") && !inner.relative(&outer).starts_with('/'));
        assert_eq!(index.find("outside.txt").unwrap(), root.join("outside.txt"));
    }

    #[test]
    fn images_and_other_files_are_counted_and_listed_in_order() {
        let (index, home) =
            index(&["b.jfif", "c.JPE", "a/d.webp", "e.Tiff", "f", "g.txt", ".hidden.png", "photo"]);
        assert_eq!(index.len(), 5);
        let names = |paths: Vec<&Path>| paths.iter().map(|path| index.relative(path)).collect::<Vec<_>>();
        assert_eq!(names(index.images()), ["a/d.webp", "b.jfif", "c.JPE", "e.Tiff", "photo"]);
        assert_eq!(names(index.others()), ["f", "g.txt"]);
        // A file without an extension is an image if a caption file names it.
        assert_eq!(index.find("f").unwrap(), home.path().join("f"));
        assert_eq!(index.find("f.jpg").unwrap(), home.path().join("f"));
    }
}

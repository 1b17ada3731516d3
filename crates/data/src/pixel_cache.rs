//! Decoded pixels on disk, for later runs on the same files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};
use crate::image::Image;

/// Every change of decoding or fitting that alters pixels increases it.
const VERSION: u32 = 1;

/// A folder of decoded squares. Entries are written to a temporary file and renamed, and checked
/// against their hash when read. The name of an entry is a hash of path, size and modification time of
/// the file and of the settings, so that a stale entry is never read.
#[derive(Clone, Debug)]
pub(crate) struct PixelCache {
    folder: PathBuf,
    side: usize,
    /// The settings that the pixels depend on.
    recipe: String,
}

impl PixelCache {
    /// A cache in `folder`, which is created if it does not exist.
    pub(crate) fn open(folder: &Path, side: usize, recipe: String) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        Ok(Self { folder: folder.into(), side, recipe })
    }

    fn entry(&self, path: &Path) -> Option<PathBuf> {
        let metadata = std::fs::metadata(path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let path = std::path::absolute(path).ok()?;
        let (side, recipe) = (self.side, &self.recipe);
        let name = format!(
            "{VERSION}\0{}\0{}\0{}\0{side}\0{recipe}",
            path.display(),
            metadata.len(),
            changed.as_nanos()
        );
        Some(self.folder.join(format!("{}.rgb", &blake3::hash(name.as_bytes()).to_hex()[..40])))
    }

    /// The square of a file, if its entry exists and is intact.
    pub(crate) fn load(&self, path: &Path) -> Option<Image> {
        let bytes = std::fs::read(self.entry(path)?).ok()?;
        let (hash, pixels) = bytes.split_at_checked(blake3::OUT_LEN)?;
        if pixels.len() != 3 * self.side * self.side || blake3::hash(pixels).as_bytes() != hash {
            return None;
        }
        Some(Image { width: self.side, height: self.side, pixels: pixels.to_vec() })
    }

    /// Stores the square of a file. A failure, such as a full disk, is a warning.
    pub(crate) fn store(&self, path: &Path, image: &Image) {
        let Some(entry) = self.entry(path) else { return };
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(blake3::hash(&image.pixels).as_bytes())?;
            file.write_all(&image.pixels)?;
            file.persist(entry)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(folder = %self.folder.display(), %error, "pixels were not cached");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_until_the_file_the_recipe_or_a_byte_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("face.jpg");
        std::fs::write(&file, b"one").unwrap();
        let open = |recipe: &str| PixelCache::open(&folder.path().join("cache"), 4, recipe.into()).unwrap();
        let (cache, image) = (open("crop"), Image::filled(4, 4, [1, 2, 3]));
        assert!(cache.load(&file).is_none());
        cache.store(&file, &image);
        assert_eq!(cache.load(&file), Some(image.clone()));
        assert!(open("pad").load(&file).is_none());
        let entry = cache.entry(&file).unwrap();
        let mut bytes = std::fs::read(&entry).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&entry, bytes).unwrap();
        assert!(cache.load(&file).is_none(), "a flipped bit");
        cache.store(&file, &image);
        std::fs::write(&file, b"another").unwrap();
        assert!(cache.load(&file).is_none(), "a changed file");
    }
}

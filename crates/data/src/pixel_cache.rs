//! Squares on disk, for later runs on the same images.
//!
//! The cache is a folder of packs. A pack holds the squares of one data set at one resolution and with
//! one set of settings, and the result of the check of every image. Its name is a hash of the settings
//! and of the place, size and modification time of every image. A pack that is built takes over the
//! squares of images that another pack of the same settings has, by place or by content.
//!
//! A pack, little-endian: squares of `3 * side * side` bytes; one [`Entry`] for each image; the remarks
//! as JSON; then [`Trailer`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use t2f_files::mapped::Mapped;

use crate::image::Image;
use crate::location::{Identity, first_half};
use crate::squares::Square;

const MAGIC: [u8; 8] = *b"t2fpack1";
const EXTENSION: &str = "t2fpack";
/// The age at which the unfinished pack of a killed process is removed.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// The runs of images that are decoded before their squares are written.
const WINDOW: usize = 32;

/// The result of reading one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    identity: Identity,
    /// A hash of the encoded bytes.
    content: [u8; 16],
    /// The hash of the square's pixels; `None` if the image cannot be used.
    pub(crate) pixels: Option<blake3::Hash>,
    /// The position of the square in its pack.
    slot: u32,
    /// Whether the square has no colour.
    pub(crate) gray: bool,
    /// Whether the image was enlarged.
    pub(crate) enlarged: bool,
}

const ENTRY_LEN: usize = 16 + 16 + 32 + 4 + 1;
const TRAILER_LEN: usize = 8 * 5 + 32;

/// Remarks about images, by their position: the reason why an image cannot be used, or warnings.
pub(crate) type Remarks = HashMap<usize, Vec<String>>;

/// The images of a data set, which a cache or a check reads.
pub(crate) trait Images: Sync {
    /// The positions that one task reads.
    fn runs(&self) -> Vec<Range<usize>>;
    /// The encoded bytes of the images of a run, or the reason of a failure.
    fn read(&self, run: Range<usize>) -> Vec<Result<Vec<u8>, String>>;
    /// The square of an encoded image, or the reason of a failure.
    fn square(&self, bytes: &[u8]) -> Result<Square, String>;
}

/// Reads an image: its entry, its square and the remarks about it.
pub(crate) fn examine(
    images: &dyn Images,
    bytes: Result<Vec<u8>, String>,
) -> (Entry, Option<Image>, Vec<String>) {
    let content = first_half(blake3::hash(bytes.as_deref().unwrap_or_default()));
    let blank =
        Entry { identity: [0; 16], content, pixels: None, slot: u32::MAX, gray: false, enlarged: false };
    match bytes.and_then(|bytes| images.square(&bytes)) {
        Ok(Square { image, enlarged, warnings }) => {
            let pixels = Some(blake3::hash(&image.pixels));
            let entry = Entry { pixels, gray: is_gray(&image), enlarged, ..blank };
            (entry, Some(image), warnings)
        }
        Err(reason) => (blank, None, vec![reason]),
    }
}

fn is_gray(image: &Image) -> bool {
    image.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}

/// A folder of packs.
#[derive(Clone, Debug)]
pub(crate) struct PixelCache {
    folder: PathBuf,
    /// The most bytes of all packs.
    limit: u64,
    side: usize,
    /// The settings that the pixels depend on.
    recipe: String,
}

impl PixelCache {
    /// A cache in `folder`, which is created when the first pack is written.
    pub(crate) fn new(folder: PathBuf, limit: u64, side: usize, recipe: String) -> Self {
        Self { folder, limit, side, recipe }
    }

    /// Whether so many squares fit the limit.
    pub(crate) fn fits(&self, images: usize) -> bool {
        images as u64 * (3 * self.side * self.side) as u64 <= self.limit
    }

    /// The pack of these images: the stored one, or a new one.
    ///
    /// # Errors
    /// If the pack cannot be written.
    pub(crate) fn pack(&self, identities: &[Identity], images: &dyn Images) -> io::Result<Pack> {
        let path = self.path(identities);
        if let Some(pack) = Pack::open(&path, self.side, identities) {
            // The time of the last use, for `evict`.
            let _ = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(pack);
        }
        self.build(&path, identities, images)?;
        self.evict(&path);
        Pack::open(&path, self.side, identities)
            .ok_or_else(|| io::Error::other("the pack that was written is not readable"))
    }

    fn prefix(&self) -> String {
        blake3::hash(self.recipe.as_bytes()).to_hex()[..16].to_owned()
    }

    fn path(&self, identities: &[Identity]) -> PathBuf {
        let mut hash = blake3::Hasher::new();
        identities.iter().for_each(|identity| {
            hash.update(identity);
        });
        let set = hash.finalize().to_hex();
        self.folder.join(format!("{}-{}.{EXTENSION}", self.prefix(), &set[..24]))
    }

    /// Writes the pack of these images.
    fn build(&self, path: &Path, identities: &[Identity], images: &dyn Images) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let known = Known::of(self);
        let mut file = BufWriter::with_capacity(
            1 << 20,
            tempfile::NamedTempFile::with_prefix_in(".tmp-", &self.folder)?,
        );
        let (mut entries, mut remarks) = (Vec::with_capacity(identities.len()), Remarks::new());
        let mut slots = 0u32;
        for window in images.runs().chunks(WINDOW) {
            let read: Vec<Vec<_>> = window
                .par_iter()
                .map(|run| known.run(run.clone(), &identities[run.clone()], images))
                .collect();
            for (mut entry, pixels, words) in read.into_iter().flatten() {
                if let Some(pixels) = pixels {
                    file.write_all(pixels.as_slice())?;
                    entry.slot = slots;
                    slots += 1;
                }
                if !words.is_empty() {
                    remarks.insert(entries.len(), words);
                }
                entries.push(entry);
            }
        }
        let mut table: Vec<u8> = entries.iter().flat_map(Entry::to_bytes).collect();
        let remarks = serde_json::to_vec(&remarks)?;
        let trailer = Trailer {
            side: self.side as u64,
            slots: slots.into(),
            entries: entries.len() as u64,
            remarks: remarks.len() as u64,
        };
        table.extend(&remarks);
        file.write_all(&table)?;
        file.write_all(&trailer.to_bytes(&table))?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes the packs that were used longest ago until all others and `kept` fit the limit.
    fn evict(&self, kept: &Path) {
        let mut packs = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                packs.push((used, metadata.len(), path));
            } else if entry.file_name().to_string_lossy().starts_with(".tmp-")
                && used.elapsed().is_ok_and(|age| age > STALE)
            {
                let _ = std::fs::remove_file(path);
            }
        }
        packs.sort();
        let mut bytes: u64 = packs.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in packs {
            if bytes <= self.limit {
                return;
            }
            if path != kept && std::fs::remove_file(&path).is_ok() {
                bytes -= size;
            }
        }
    }
}

/// The squares of the other packs of the same settings.
#[derive(Default)]
struct Known {
    packs: Vec<Pack>,
    by_identity: HashMap<Identity, (usize, usize)>,
    by_content: HashMap<[u8; 16], (usize, usize)>,
}

impl Known {
    fn of(cache: &PixelCache) -> Self {
        let mut known = Self::default();
        let prefix = cache.prefix();
        for entry in std::fs::read_dir(&cache.folder).into_iter().flatten().flatten() {
            if !entry.file_name().to_string_lossy().starts_with(&prefix) {
                continue;
            }
            let Some(pack) = Pack::read(&entry.path(), cache.side) else { continue };
            let place = known.packs.len();
            for (at, entry) in pack.entries.iter().enumerate().filter(|(_, entry)| entry.pixels.is_some()) {
                known.by_identity.insert(entry.identity, (place, at));
                known.by_content.insert(entry.content, (place, at));
            }
            known.packs.push(pack);
        }
        known
    }

    /// The entry, square and remarks of an image that another pack has.
    fn taken(&self, place: Option<&(usize, usize)>) -> Option<(Entry, Option<Image>, Vec<String>)> {
        let &(pack, at) = place?;
        let pack = &self.packs[pack];
        let image = pack.image(at)?;
        let words = pack.remarks.get(&at).cloned().unwrap_or_default();
        Some((pack.entries[at].clone(), Some(image), words))
    }

    /// The entries, pixels and remarks of a run.
    fn run(
        &self,
        run: Range<usize>,
        identities: &[Identity],
        images: &dyn Images,
    ) -> Vec<(Entry, Option<Vec<u8>>, Vec<String>)> {
        let known: Vec<_> =
            identities.iter().map(|identity| self.taken(self.by_identity.get(identity))).collect();
        let examined: Vec<_> = if known.iter().all(Option::is_some) {
            known.into_iter().flatten().collect()
        } else {
            let read = images.read(run);
            let new = |(known, bytes): (Option<_>, Result<Vec<u8>, String>)| {
                known.unwrap_or_else(|| {
                    let content = bytes.as_ref().ok().map(|bytes| first_half(blake3::hash(bytes)));
                    let same = content.and_then(|content| self.taken(self.by_content.get(&content)));
                    same.unwrap_or_else(|| examine(images, bytes))
                })
            };
            known.into_iter().zip(read).map(new).collect()
        };
        let named = |((entry, image, words), identity): ((Entry, Option<Image>, _), &Identity)| {
            (Entry { identity: *identity, ..entry }, image.map(|image| image.pixels), words)
        };
        examined.into_iter().zip(identities).map(named).collect()
    }
}

/// The squares of a data set in a mapped file.
#[derive(Debug)]
pub(crate) struct Pack {
    map: Mapped,
    side: usize,
    pub(crate) entries: Vec<Entry>,
    pub(crate) remarks: Remarks,
}

impl Pack {
    /// The pack in a file, if it is whole and holds these images.
    fn open(path: &Path, side: usize, identities: &[Identity]) -> Option<Self> {
        let pack = Self::read(path, side)?;
        let same = pack.entries.len() == identities.len()
            && pack.entries.iter().zip(identities).all(|(entry, identity)| entry.identity == *identity);
        same.then_some(pack)
    }

    /// The pack in a file, if it is whole.
    fn read(path: &Path, side: usize) -> Option<Self> {
        let map = Mapped::open(path).ok()?;
        let body = map.len().checked_sub(TRAILER_LEN)?;
        let (trailer, hash) = Trailer::from_bytes(&map[body..])?;
        let pixels = usize::try_from(trailer.slots).ok()?.checked_mul(3 * side * side)?;
        let entries_len = usize::try_from(trailer.entries).ok()?.checked_mul(ENTRY_LEN)?;
        let table = map.get(pixels..body)?;
        if trailer.side != side as u64
            || table.len() as u64 != entries_len as u64 + trailer.remarks
            || blake3::hash(table) != hash
        {
            return None;
        }
        let (entries, remarks) = table.split_at(entries_len);
        let entries: Vec<Entry> = entries.chunks_exact(ENTRY_LEN).map(Entry::from_bytes).collect();
        let remarks = serde_json::from_slice(remarks).ok()?;
        Some(Self { map, side, entries, remarks })
    }

    /// The square of an image; `None` if the image cannot be used or its pixels are damaged.
    pub(crate) fn image(&self, at: usize) -> Option<Image> {
        let (entry, size) = (self.entries.get(at)?, 3 * self.side * self.side);
        let start = entry.slot as usize * size;
        let pixels = self.map.get(start..start + size)?;
        let intact = entry.pixels? == blake3::hash(pixels);
        intact.then(|| Image { width: self.side, height: self.side, pixels: pixels.to_vec() })
    }
}

/// The end of a pack.
struct Trailer {
    side: u64,
    slots: u64,
    entries: u64,
    remarks: u64,
}

impl Trailer {
    /// The trailer and the hash of entries and remarks.
    fn to_bytes(&self, table: &[u8]) -> Vec<u8> {
        let numbers = [self.side, self.slots, self.entries, self.remarks].map(u64::to_le_bytes).concat();
        [MAGIC.as_slice(), &numbers, blake3::hash(table).as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<(Self, blake3::Hash)> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (numbers, hash) = rest.split_first_chunk::<32>()?;
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
        let mut next = || numbers.next();
        let trailer = Self { side: next()?, slots: next()?, entries: next()?, remarks: next()? };
        (*magic == MAGIC).then_some((trailer, blake3::Hash::from_slice(hash).ok()?))
    }
}

impl Entry {
    fn to_bytes(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..16].copy_from_slice(&self.identity);
        bytes[16..32].copy_from_slice(&self.content);
        if let Some(pixels) = &self.pixels {
            bytes[32..64].copy_from_slice(pixels.as_bytes());
        }
        bytes[64..68].copy_from_slice(&self.slot.to_le_bytes());
        bytes[68] = u8::from(self.pixels.is_some()) | u8::from(self.gray) << 1 | u8::from(self.enlarged) << 2;
        bytes
    }

    /// The entry in [`ENTRY_LEN`] bytes.
    fn from_bytes(bytes: &[u8]) -> Self {
        let half = |from: usize| std::array::from_fn(|at| bytes[from + at]);
        let slot: [u8; 4] = std::array::from_fn(|at| bytes[64 + at]);
        let flag = |bit: u8| bytes[68] >> bit & 1 == 1;
        let pixels = || blake3::Hash::from_bytes(std::array::from_fn(|at| bytes[32 + at]));
        Self {
            identity: half(0),
            content: half(16),
            pixels: flag(0).then(pixels),
            slot: u32::from_le_bytes(slot),
            gray: flag(1),
            enlarged: flag(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Encoded images of one byte, which is the colour of the square; 0 is no image, 9 has a warning.
    struct Bytes {
        bytes: Vec<u8>,
        decoded: AtomicUsize,
    }

    impl Images for Bytes {
        fn runs(&self) -> Vec<Range<usize>> {
            (0..self.bytes.len()).step_by(3).map(|at| at..(at + 3).min(self.bytes.len())).collect()
        }
        fn read(&self, run: Range<usize>) -> Vec<Result<Vec<u8>, String>> {
            self.bytes[run].iter().map(|byte| Ok(vec![*byte])).collect()
        }
        fn square(&self, bytes: &[u8]) -> Result<Square, String> {
            self.decoded.fetch_add(1, Ordering::Relaxed);
            let colour = bytes[0];
            if colour == 0 {
                return Err("no image".into());
            }
            let warnings = if colour == 9 { vec!["odd".to_owned()] } else { Vec::new() };
            Ok(Square { image: Image::filled(4, 4, [colour, 0, 0]), enlarged: colour > 5, warnings })
        }
    }

    fn images(bytes: &[u8]) -> Bytes {
        Bytes { bytes: bytes.to_vec(), decoded: AtomicUsize::new(0) }
    }

    fn identities(numbers: &[u8]) -> Vec<Identity> {
        numbers.iter().map(|number| [*number; 16]).collect()
    }

    fn cache(folder: &Path, limit: u64, recipe: &str) -> PixelCache {
        PixelCache::new(folder.join("cache"), limit, 4, recipe.into())
    }

    #[test]
    fn a_pack_has_every_square_and_remark_and_is_read_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 1 << 20, "a");
        let (source, names) = (images(&[1, 0, 3, 9, 5, 6, 7]), identities(&[1, 2, 3, 4, 5, 6, 7]));
        for round in 0..2 {
            let pack = cache.pack(&names, &source).unwrap();
            for (at, byte) in source.bytes.iter().enumerate() {
                let expected = (*byte > 0).then(|| Image::filled(4, 4, [*byte, 0, 0]));
                assert_eq!(pack.image(at), expected, "round {round}");
                assert_eq!(pack.entries[at].enlarged, *byte > 5);
            }
            let remarks = HashMap::from([(1, vec!["no image".to_owned()]), (3, vec!["odd".to_owned()])]);
            assert_eq!(pack.remarks, remarks);
        }
        assert_eq!(source.decoded.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_new_pack_takes_over_known_images_by_place_and_by_content() {
        let folder = tempfile::tempdir().unwrap();
        cache(folder.path(), 1 << 20, "a").pack(&identities(&[1, 2, 9]), &images(&[1, 2, 9])).unwrap();
        // The first is known by its place, the next two by their content, the last is new.
        let more = images(&[1, 2, 9, 4]);
        let pack = cache(folder.path(), 1 << 20, "a").pack(&identities(&[1, 12, 19, 4]), &more).unwrap();
        assert_eq!(more.decoded.load(Ordering::Relaxed), 1);
        assert_eq!(pack.image(1), Some(Image::filled(4, 4, [2, 0, 0])));
        assert_eq!(pack.remarks, HashMap::from([(2, vec!["odd".to_owned()])]));
        // Other settings have packs of their own.
        let other = images(&[1]);
        cache(folder.path(), 1 << 20, "b").pack(&identities(&[1]), &other).unwrap();
        assert_eq!(other.decoded.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_damaged_pack_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 1 << 20, "a");
        let names = identities(&[1, 2]);
        cache.pack(&names, &images(&[1, 2])).unwrap();
        let path = cache.path(&names);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            let read = Pack::open(&path, 4, &names);
            let intact = |pack: &Pack| pack.image(0).is_some() && pack.image(1).is_some();
            assert!(!read.as_ref().is_some_and(intact), "byte {at}");
        }
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(Pack::open(&path, 4, &names).is_none(), "{end} bytes");
        }
        assert!(cache.pack(&names, &images(&[1, 2])).unwrap().image(1).is_some());
    }

    #[test]
    fn the_packs_used_longest_ago_leave_first() {
        let folder = tempfile::tempdir().unwrap();
        let size = {
            let all = cache(folder.path(), 1 << 20, "a");
            all.pack(&identities(&[1]), &images(&[1])).unwrap();
            std::fs::metadata(all.path(&identities(&[1]))).unwrap().len()
        };
        let two = cache(folder.path(), 2 * size + 1, "a");
        let aged = |number: u8, seconds: u64| {
            let file = File::options().append(true).open(two.path(&identities(&[number]))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        two.pack(&identities(&[2]), &images(&[2])).unwrap();
        aged(1, 100);
        aged(2, 200);
        two.pack(&identities(&[2]), &images(&[2])).unwrap();
        two.pack(&identities(&[3]), &images(&[3])).unwrap();
        let there = |number| two.path(&identities(&[number])).exists();
        assert_eq!([there(1), there(2), there(3)], [false, true, true]);
        assert!(two.fits(4) && !cache(folder.path(), 10, "a").fits(1));
    }
}

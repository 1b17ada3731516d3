//! Embeddings of captions in memory and, on request, in a file.
//!
//! The file has records of one size, the first 16 bytes of the caption's blake3 hash and the embedding in 32-bit
//! floating point, little-endian. Records are appended whole; a truncated last one, as after a kill, is cut off.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The maximum number of embeddings; those of further captions are computed each time.
const MOST: usize = 100_000;
/// The bytes of a key.
const KEY: usize = 16;

/// The embeddings of one encoder.
#[derive(Debug)]
pub(crate) struct SentenceCache {
    size: usize,
    known: HashMap<[u8; KEY], Vec<f32>>,
    file: Option<File>,
}

impl SentenceCache {
    /// An empty cache in memory, of embeddings of `size` numbers.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, known: HashMap::new(), file: None }
    }

    /// A cache in a file, which is created if it does not exist.
    pub(crate) fn open(size: usize, path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = fs::read(path)?;
        let record = KEY + 4 * size;
        file.set_len((bytes.len() / record * record) as u64)?;
        let of = |record: &[u8]| {
            let (key, numbers) = record.split_first_chunk::<KEY>()?;
            let numbers = numbers.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            Some((*key, numbers.collect()))
        };
        let known = bytes.chunks_exact(record).take(MOST).filter_map(of).collect();
        Ok(Self { size, known, file: Some(file) })
    }

    /// The embedding of a caption.
    pub(crate) fn get(&self, caption: &str) -> Option<&[f32]> {
        self.known.get(&key(caption)).map(Vec::as_slice)
    }

    /// Keeps the embedding of a caption, if there is room.
    pub(crate) fn insert(&mut self, caption: &str, embedding: Vec<f32>) -> io::Result<()> {
        if self.known.len() >= MOST || embedding.len() != self.size {
            return Ok(());
        }
        let key = key(caption);
        if let Some(file) = &mut self.file {
            let numbers = embedding.iter().flat_map(|number| number.to_le_bytes());
            file.write_all(&key.into_iter().chain(numbers).collect::<Vec<u8>>())?;
        }
        self.known.insert(key, embedding);
        Ok(())
    }
}

fn key(caption: &str) -> [u8; KEY] {
    let mut key = [0; KEY];
    key.copy_from_slice(&blake3::hash(caption.as_bytes()).as_bytes()[..KEY]);
    key
}

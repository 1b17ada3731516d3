//! Statistics, a line of JSON each.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The statistics of one moment: names such as `Loss/D/total` and `Progress/kimg`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(BTreeMap<String, f64>);

impl Row {
    /// A row of a step.
    pub fn new(step: u64) -> Self {
        Self(BTreeMap::from([("step".to_owned(), step as f64)]))
    }

    /// Sets one value.
    pub fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    /// The values by name.
    pub fn values(&self) -> &BTreeMap<String, f64> {
        &self.0
    }
}

/// Where statistics go.
pub trait Recorder {
    /// Takes one row.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn record(&mut self, row: &Row) -> Result<()>;
}

/// `stats.jsonl`: one object a line, flushed line by line.
pub struct JsonLines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl JsonLines {
    /// Opens the file, cut to its first `length` bytes: what lies beyond was written after the
    /// checkpoint that is being resumed, and will be written again.
    ///
    /// # Errors
    /// If it cannot be opened, or is shorter than `length`.
    pub fn open(path: &Path, length: u64) -> Result<Self> {
        let attempt = || -> std::io::Result<(File, u64)> {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
            let found = file.metadata()?.len();
            file.set_len(length.min(found))?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, found))
        };
        let (file, found) = attempt().map_err(|error| Error::file(path, error))?;
        if found < length {
            let message = format!("has {found} bytes, and the checkpoint was written when it had {length}");
            return Err(Error::file(path, message));
        }
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Makes the lines durable.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| Error::file(&self.path, error))
    }
}

impl Recorder for JsonLines {
    fn record(&mut self, row: &Row) -> Result<()> {
        let mut line = serde_json::to_string(&row.0).map_err(|error| Error::file(&self.path, error))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|error| Error::file(&self.path, error))?;
        self.length += line.len() as u64;
        Ok(())
    }
}

/// The rows of a statistics file, and what is wrong with the lines that are none.
///
/// A torn last line, as a kill leaves it, is a fault like any other: the rows before it are good.
///
/// # Errors
/// If the file cannot be read.
pub fn read(path: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<BTreeMap<String, f64>>(line) {
            Ok(values) => rows.push(Row(values)),
            Err(error) => faults.push(format!("line {}: {error}", number + 1)),
        }
    }
    Ok((rows, faults))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        let mut row = Row::new(step);
        row.set("Loss/D/total", 0.1 + step as f64);
        row
    }

    #[test]
    fn reopening_at_a_length_drops_what_came_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        let mut stats = JsonLines::open(&path, 0).unwrap();
        stats.record(&row(1)).unwrap();
        let length = stats.len();
        stats.record(&row(2)).unwrap();
        let mut stats = JsonLines::open(&path, length).unwrap();
        stats.record(&row(3)).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![row(1), row(3)], vec![]));
        assert!(JsonLines::open(&path, 10_000).is_err());
    }

    #[test]
    fn torn_and_foreign_lines_are_named_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        std::fs::write(&path, b"{\"step\":1.0}\n\xff\xfe\n\n{\"step\":2.0}\n{\"ste").unwrap();
        let (rows, faults) = read(&path).unwrap();
        assert_eq!(rows, [Row::new(1), Row::new(2)]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("line 2") && faults[1].starts_with("line 5"), "{faults:?}");
    }
}

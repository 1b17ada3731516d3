//! Statistics, a line of JSON each.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
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
}

impl JsonLines {
    /// Opens the file, cut before the first line that is torn or whose `step` is above `step`: what
    /// follows was written after the checkpoint that is being resumed, and will be written again.
    ///
    /// A length in the checkpoint would do too, were it not that the pace is in the lines: runs
    /// that compute the same would have checkpoints that differ.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let attempt = || -> std::io::Result<File> {
            let mut file =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            file.set_len(length_until(&bytes, step) as u64)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = attempt().map_err(|error| Error::file(path, error))?;
        Ok(Self { path: path.to_owned(), file })
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
        self.file.write_all(line.as_bytes()).map_err(|error| Error::file(&self.path, error))
    }
}

/// The bytes of the leading whole lines whose `step` is at most `step`.
fn length_until(bytes: &[u8], step: u64) -> usize {
    let early = |line: &&[u8]| {
        let values =
            line.ends_with(b"\n").then(|| serde_json::from_slice::<BTreeMap<String, f64>>(line).ok());
        values.flatten().and_then(|values| values.get("step").copied()).is_some_and(|of| of <= step as f64)
    };
    bytes.split_inclusive(|&byte| byte == b'\n').take_while(early).map(<[u8]>::len).sum()
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
    fn reopening_at_a_step_drops_what_came_after_and_what_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        let mut stats = JsonLines::open(&path, 0).unwrap();
        (1..=3).for_each(|step| stats.record(&row(step)).unwrap());
        let mut stats = JsonLines::open(&path, 1).unwrap();
        stats.record(&row(4)).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![row(1), row(4)], vec![]));
        stats.file.write_all(b"{\"step\":5.0}").unwrap();
        let mut stats = JsonLines::open(&path, 9).unwrap();
        stats.record(&row(6)).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![row(1), row(4), row(6)], vec![]));
        JsonLines::open(&path, 0).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![], vec![]));
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

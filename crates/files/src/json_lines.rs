//! Statistics as JSON lines with checksums.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{Error, Result};

/// One row of statistics: values by names such as `Loss/D/total` and `Progress/kimg`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(BTreeMap<String, f64>);

impl Row {
    /// A row of the given step.
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

/// The key of a line's checksum: the first 52 bits of the blake3 hash of the line without this key.
const CHECK: &str = "check";

/// A file of JSON lines such as `stats.jsonl`, opened for appending.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl JsonLines {
    /// Opens the file and truncates it after the last intact line whose `step` is at most `step`: later
    /// lines were written after the checkpoint of that step, and the resumed run writes them again.
    ///
    /// The length is not stored in the checkpoint, since lines contain the measured speed: equal runs would
    /// have different checkpoints. Damaged lines before the last intact one are kept.
    ///
    /// # Errors
    /// If the file cannot be read or truncated.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, step: u64) -> Result<Self> {
        let failed = |error| Error::new(path, error);
        match std::fs::read(path) {
            Ok(bytes) => {
                let kept = length_until(&bytes, step);
                if kept < bytes.len() {
                    disk.cut(path, kept as u64).map_err(failed)?;
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                disk.append(path, b"").map_err(failed)?;
                disk.sync(crate::disk::folder_of(path)).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { path: path.to_owned(), disk })
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If the row cannot be written.
    pub fn record(&mut self, row: &Row) -> Result<()> {
        let line = line(row.0.clone()).map_err(|error| Error::new(&self.path, error))?;
        let written = self.disk.append(&self.path, line.as_bytes());
        written.map_err(|error| {
            crate::disk::cannot_write(self.disk.as_ref(), &self.path, line.len() as u64, &error)
        })
    }

    /// Makes the lines durable.
    ///
    /// # Errors
    /// If the sync fails.
    pub fn sync(&self) -> Result<()> {
        self.disk.sync(&self.path).map_err(|error| Error::new(&self.path, error))
    }
}

/// The line of a row, with its checksum.
fn line(mut values: BTreeMap<String, f64>) -> serde_json::Result<String> {
    values.remove(CHECK);
    let hash = blake3::hash(serde_json::to_string(&values)?.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    values.insert(CHECK.to_owned(), (u64::from_le_bytes(first) >> 12) as f64);
    Ok(serde_json::to_string(&values)? + "\n")
}

/// A row from its line, or the fault of the line. A line without a checksum is accepted.
fn parse(bytes: &[u8]) -> std::result::Result<Row, String> {
    let mut values: BTreeMap<String, f64> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if values.contains_key(CHECK) {
        let whole = line(values.clone()).map_err(|error| error.to_string())?;
        if whole.trim_end().as_bytes() != bytes.trim_ascii_end() {
            return Err("damaged: its checksum does not match".into());
        }
        values.remove(CHECK);
    }
    Ok(Row(values))
}

/// The length up to the last intact line whose `step` is at most `step`, in bytes.
fn length_until(bytes: &[u8], step: u64) -> usize {
    let (mut kept, mut at) = (0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        let row = if line.ends_with(b"\n") { parse(line).ok() } else { None };
        match row.and_then(|row| row.0.get("step").copied()) {
            Some(of) if of <= step as f64 => kept = at,
            Some(_) => break,
            None => {}
        }
    }
    kept
}

/// The rows of a statistics file, and the faults of its damaged lines.
///
/// A truncated last line, as after a kill, is a fault; the rows before it are returned. If one line has
/// a checksum, a line without one is a fault.
///
/// # Errors
/// If the file cannot be read.
pub fn read(path: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let bytes = std::fs::read(path).map_err(|error| Error::new(path, error))?;
    Ok(rows(&bytes))
}

/// As [`read`], from the bytes of the file.
pub fn rows(bytes: &[u8]) -> (Vec<Row>, Vec<String>) {
    let mark = format!("\"{CHECK}\":");
    let has_mark = |line: &[u8]| line.windows(mark.len()).any(|window| window == mark.as_bytes());
    let checked = has_mark(bytes);
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(_) if checked && !has_mark(line) => {
                faults.push(format!("line {}: damaged: its checksum is missing", number + 1));
            }
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(format!("line {}: {fault}", number + 1)),
        }
    }
    (rows, faults)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::disk::OsDisk;

    fn open(path: &Path, step: u64) -> JsonLines {
        JsonLines::open(Arc::new(OsDisk), path, step).unwrap()
    }

    fn row(step: u64) -> Row {
        let mut row = Row::new(step);
        row.set("Loss/D/total", 0.1 + step as f64);
        row
    }

    #[test]
    fn reopening_at_a_step_drops_later_and_truncated_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        let mut stats = open(&path, 0);
        (1..=3).for_each(|step| stats.record(&row(step)).unwrap());
        let mut stats = open(&path, 1);
        stats.record(&row(4)).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![row(1), row(4)], vec![]));
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"step\":5.0}").unwrap();
        let mut stats = open(&path, 9);
        stats.record(&row(6)).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![row(1), row(4), row(6)], vec![]));
        open(&path, 0);
        assert_eq!(read(&path).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn truncated_and_invalid_lines_are_named_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        std::fs::write(&path, b"{\"step\":1.0}\n\xff\xfe\n\n{\"step\":2.0}\n{\"ste").unwrap();
        let (rows, faults) = read(&path).unwrap();
        assert_eq!(rows, [Row::new(1), Row::new(2)]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("line 2") && faults[1].starts_with("line 5"), "{faults:?}");
    }

    #[test]
    fn every_flipped_bit_is_found_and_affects_its_line_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        let mut stats = open(&path, 0);
        (1..=4).for_each(|step| stats.record(&row(step)).unwrap());
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let (rows, faults) = rows(&bad);
                assert!(!faults.is_empty(), "bit {bit} of byte {at}");
                assert!(rows.len() >= 2 && rows.iter().all(|row| (1..=4).any(|i| *row == self::row(i))));
            }
        }
        // The lines after a damaged one are kept.
        let mut bad = good.clone();
        bad[good.len() / 2 - 3] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        open(&path, 4);
        assert_eq!(std::fs::read(&path).unwrap(), bad);
    }
}

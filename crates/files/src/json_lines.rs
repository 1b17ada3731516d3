//! Statistics, a line of JSON each.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
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

/// Checksum of the rest of a line, under which a row is proven: the first 52 bits of the blake3
/// hash of the line without it.
const CHECK: &str = "check";

/// `stats.jsonl`: one object a line, written line by line.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl JsonLines {
    /// Opens the file, cut after the last good line whose `step` is at most `step`: what follows
    /// was written after the checkpoint that is being resumed, and will be written again.
    ///
    /// A length in the checkpoint would do too, were it not that the pace is in the lines: runs
    /// that compute the same would have checkpoints that differ. Damaged lines in between stay, for
    /// what is lost of them is not brought back by losing more.
    ///
    /// # Errors
    /// If it cannot be read or cut.
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

    /// Takes one row.
    ///
    /// # Errors
    /// If it cannot be written.
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
    /// If the disk refuses.
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

/// A row from its line, or what is wrong with it. A line without a checksum is believed.
fn parse(bytes: &[u8]) -> std::result::Result<Row, String> {
    let mut values: BTreeMap<String, f64> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if values.contains_key(CHECK) {
        let whole = line(values.clone()).map_err(|error| error.to_string())?;
        if whole.trim_end().as_bytes() != bytes.trim_ascii_end() {
            return Err("damaged: its checksum does not fit".into());
        }
        values.remove(CHECK);
    }
    Ok(Row(values))
}

/// The bytes up to the last good whole line whose `step` is at most `step`.
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

/// The rows of a statistics file, and what is wrong with the lines that are none.
///
/// A torn last line, as a kill leaves it, is a fault like any other: the rows before it are good.
/// So is a line that is not what was written. Where one line has a checksum, all must.
///
/// # Errors
/// If the file cannot be read.
pub fn read(path: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let bytes = std::fs::read(path).map_err(|error| Error::new(path, error))?;
    Ok(rows(&bytes))
}

/// As [`read`], of the bytes of such a file.
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
                faults.push(format!("line {}: damaged: its checksum is gone", number + 1));
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
    fn reopening_at_a_step_drops_what_came_after_and_what_is_torn() {
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
    fn torn_and_foreign_lines_are_named_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.jsonl");
        std::fs::write(&path, b"{\"step\":1.0}\n\xff\xfe\n\n{\"step\":2.0}\n{\"ste").unwrap();
        let (rows, faults) = read(&path).unwrap();
        assert_eq!(rows, [Row::new(1), Row::new(2)]);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("line 2") && faults[1].starts_with("line 5"), "{faults:?}");
    }

    #[test]
    fn every_flipped_bit_is_found_and_costs_no_line_but_its_own() {
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
        // A damaged line in the middle does not take those after it along.
        let mut bad = good.clone();
        bad[good.len() / 2 - 3] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        open(&path, 4);
        assert_eq!(std::fs::read(&path).unwrap(), bad);
    }
}

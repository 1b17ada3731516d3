//! The event files of a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use t2f_files::disk::{self, Disk};
use t2f_files::{Error, Result};

use crate::message::Message;
use crate::record::record;
use crate::summary::Summary;

/// The beginning of the names of event files.
const PREFIX: &str = "events.out.tfevents.";
/// The status `START` of a session.
const START: u64 = 1;

/// Writes events to a new file of a folder.
///
/// Each writer has its own file, numbered in the order of their openings, so that a record which a kill has torn
/// is the last one of its file. The file begins with the step from which it continues: TensorBoard discards the
/// events of earlier files from that step on.
#[derive(Debug)]
pub struct Writer {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Writer {
    /// Creates the next event file of a folder, which discards the events of earlier files from step `from` on.
    ///
    /// # Errors
    /// If the folder cannot be read, or the file cannot be written.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, from: u64) -> Result<Self> {
        let path = folder.join(format!("{PREFIX}{:010}.t2f", next_number(folder)?));
        let writer = Self { disk, path };
        let version = Message::default().double(1, now()).data(3, b"brain.Event:2");
        let session = Message::default().number(1, START);
        let start = Message::default().double(1, now()).number(2, from).message(7, &session);
        writer.append(&[record(version.bytes()), record(start.bytes())].concat())?;
        writer.disk.sync(disk::folder_of(&writer.path)).map_err(|error| Error::new(&writer.path, error))?;
        Ok(writer)
    }

    /// Appends the values of a step.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, step: u64, summary: &Summary) -> Result<()> {
        let event = Message::default().double(1, now()).number(2, step).message(5, summary.message());
        self.append(&record(event.bytes()))
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        let written = self.disk.append(&self.path, bytes);
        written
            .map_err(|error| disk::cannot_write(self.disk.as_ref(), &self.path, bytes.len() as u64, &error))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn next_number(folder: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::new(folder, error))?;
    let number = |name: &str| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok();
    let used = entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(number));
    Ok(used.max().map_or(0, |last| last + 1))
}

#[cfg(test)]
mod tests {
    use t2f_files::disk::OsDisk;

    use super::*;

    /// The data of the records of a file.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            found.push(bytes[12..12 + length].to_vec());
            bytes = &bytes[16 + length..];
        }
        found
    }

    #[test]
    fn each_writer_has_a_file_that_begins_with_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let open = |from| Writer::open(Arc::new(OsDisk), folder.path(), from).unwrap();
        let first = open(0);
        first.write(7, &Summary::new().scalar("a", 0.5)).unwrap();
        let second = open(8);
        assert!(first.path() < second.path());
        let of = |writer: &Writer| records(&std::fs::read(writer.path()).unwrap());
        let contains = |data: &[u8], part: &[u8]| data.windows(part.len()).any(|window| window == part);
        assert!(contains(&of(&first)[0], b"brain.Event:2"));
        let start = Message::default().number(2, 8).message(7, &Message::default().number(1, START));
        assert!(of(&second)[1].ends_with(start.bytes()));
        let event = &of(&first)[2];
        assert!(
            contains(event, Message::default().number(2, 7).bytes())
                && contains(event, &0.5f32.to_le_bytes())
        );
    }
}

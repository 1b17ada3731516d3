//! One tar of a WebDataset: its samples, from the headers and the small entries, without the images.
//!
//! Consecutive entries that share their path up to the first dot of the file name are one sample, such as
//! `000.jpg`, `000.txt` and `000.json`. Archives of every program are read: ustar, GNU and PAX names, and
//! sizes of PAX headers. Directories, links, hidden files and resource forks are left out.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

/// The endings of images.
const IMAGES: [&str; 14] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];
/// The endings of texts.
const TEXTS: [&str; 3] = ["txt", "text", "caption"];
/// The longest text or JSON that is read, in bytes.
const LONGEST: u64 = 16 << 20;
/// The size of a header, to which contents are padded.
const BLOCK: u64 = 512;

/// A sample of a shard.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Raw {
    /// The path of its entries up to the first dot of the file name.
    pub(crate) key: String,
    /// The image: its ending, its first byte in the archive, its length.
    pub(crate) image: Option<(String, u64, u64)>,
    /// The text.
    pub(crate) text: Option<String>,
    /// The JSON.
    pub(crate) json: Option<String>,
    /// The label.
    pub(crate) class: Option<String>,
    /// The number of images after the first.
    pub(crate) further: usize,
}

/// The content of a shard.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// Its samples, in order.
    pub(crate) samples: Vec<Raw>,
    /// The reason why the rest of the archive cannot be read.
    pub(crate) fault: Option<String>,
    /// Whether the archive ends without the mark of its end: it may be cut between two entries.
    pub(crate) unmarked: bool,
    /// Entries that cannot be used, and the reasons.
    pub(crate) bad: Vec<(String, String)>,
}

/// Reads a shard.
///
/// On failure, the reason, without the path: the file is no tar.
pub(crate) fn read(file: &Path) -> Result<Shard, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut opened = File::open(file).map_err(words)?;
    let length = opened.metadata().map_err(words)?.len();
    check_magic(&mut opened, file, length)?;
    let mut archive = Archive::new(opened);
    let mut shard = Shard::default();
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(words)? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) if end == 0 => return Err(format!("no tar archive: {error}")),
            Err(error) => {
                shard.fault = Some(format!("no whole header at byte {end} of {length}: {error}"));
                // The rest of the last sample may be missing.
                shard.samples.pop();
                break;
            }
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let (start, size) = (entry.raw_file_position(), entry.size());
        if start.saturating_add(size) > length {
            let last = start.saturating_add(size);
            let reason =
                format!("the archive ends at byte {length}, within `{name}` (bytes {start} to {last})");
            shard.fault = Some(reason);
            let key = parts(&name).map(|(key, _)| key);
            shard.samples.pop_if(|sample| Some(sample.key.as_str()) == key);
            break;
        }
        end = (start + size).next_multiple_of(BLOCK);
        if let Some(reason) = shard.add(&name, &mut entry) {
            shard.bad.push((name, reason));
        }
    }
    shard.unmarked = shard.fault.is_none() && end >= length;
    Ok(shard)
}

/// Tells compressed archives from others.
fn check_magic(file: &mut File, path: &Path, length: u64) -> Result<(), String> {
    if length == 0 {
        return Err("an empty file, expected a tar archive".into());
    }
    let mut magic = [0; 4];
    let read = file.read(&mut magic).and_then(|read| file.seek(SeekFrom::Start(0)).map(|_| read));
    let read = read.map_err(|error| error.to_string())?;
    let unpack = match &magic[..read] {
        [0x1f, 0x8b, ..] => "gunzip --keep",
        [0x28, 0xb5, 0x2f, 0xfd] => "unzstd --keep",
        [b'B', b'Z', b'h', _] => "bunzip2 --keep",
        [0xfd, b'7', b'z', b'X'] => "unxz --keep",
        _ => return Ok(()),
    };
    Err(format!(
        "compressed, and images in it cannot be read one by one: `{unpack} {}` unpacks it to a tar",
        path.display()
    ))
}

impl Shard {
    /// Adds an entry. The result is the reason why it cannot be used.
    fn add<R: Read>(&mut self, path: &str, entry: &mut Entry<'_, R>) -> Option<String> {
        let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
        let kind = entry.header().entry_type();
        let (key, ending) = parts(path)?;
        if path.split('/').any(hidden)
            || matches!(kind, EntryType::Directory | EntryType::Symlink | EntryType::Link)
        {
            return None;
        }
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            return Some("not a plain file of the archive (it is sparse or special)".into());
        }
        if self.samples.last().is_none_or(|sample| sample.key != key) {
            self.samples.push(Raw { key: key.into(), ..Raw::default() });
        }
        let sample = self.samples.last_mut()?;
        let ending = ending.rsplit('.').next().unwrap_or(ending).to_lowercase();
        if IMAGES.contains(&ending.as_str()) {
            match sample.image {
                Some(_) => sample.further += 1,
                None => sample.image = Some((ending, entry.raw_file_position(), entry.size())),
            }
            return None;
        }
        let place = match ending.as_str() {
            "json" => &mut sample.json,
            "cls" => &mut sample.class,
            text if TEXTS.contains(&text) => &mut sample.text,
            _ => return None,
        };
        match text_of(entry) {
            Ok(text) => *place = Some(text),
            Err(reason) => return Some(reason),
        }
        None
    }
}

/// The key of an entry, its path up to the first dot of the file name, and the rest.
fn parts(path: &str) -> Option<(&str, &str)> {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name + path[name..].find('.')?;
    Some((&path[..dot], &path[dot + 1..]))
}

/// The text of a small entry.
fn text_of<R: Read>(entry: &mut Entry<'_, R>) -> Result<String, String> {
    let size = entry.size();
    if size > LONGEST {
        return Err(format!("{size} bytes of text: expected at most {} MiB", LONGEST >> 20));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    crate::text_file::decoded(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar of these entries, as `format` makes its headers.
    fn tar_of(entries: &[(&str, &[u8])], format: fn() -> tar::Header) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in entries {
            let mut header = format();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Shard, String> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.tar");
        std::fs::write(&file, bytes).unwrap();
        read(&file)
    }

    #[test]
    fn entries_of_one_key_are_a_sample_in_every_kind_of_tar() {
        let long = format!("{}/0.jpg", "folder".repeat(30));
        let entries: [(&str, &[u8]); 9] = [
            ("a/0.jpg", b"JPEG"),
            ("a/0.txt", b"one\ntwo"),
            ("a/0.json", b"{}"),
            ("a/._0.jpg", b"fork"),
            (".hidden/0.jpg", b"hidden"),
            ("b/0.PNG", b"PNG!!"),
            ("b/0.cls", b"3"),
            ("b/0.depth.png", b"second"),
            (&long, b"x"),
        ];
        for format in [tar::Header::new_gnu, tar::Header::new_ustar] {
            // ustar has no long names.
            let count = if format().as_gnu().is_some() { 9 } else { 8 };
            let bytes = tar_of(&entries[..count], format);
            let shard = read_bytes(&bytes).unwrap();
            assert!(shard.fault.is_none() && shard.bad.is_empty());
            assert_eq!(shard.samples.len(), count - 6);
            let (first, second) = (&shard.samples[0], &shard.samples[1]);
            assert_eq!((first.key.as_str(), first.text.as_deref()), ("a/0", Some("one\ntwo")));
            let (ending, start, size) = first.image.clone().unwrap();
            assert_eq!(
                (ending.as_str(), &bytes[start as usize..(start + size) as usize]),
                ("jpg", &b"JPEG"[..])
            );
            assert_eq!((second.class.as_deref(), second.further), (Some("3"), 1));
            if count == 9 {
                assert_eq!(shard.samples[2].key, long.trim_end_matches(".jpg"));
            }
        }
    }

    #[test]
    fn names_in_pax_headers_are_read() {
        let name = format!("{}/7.jpg", "π".repeat(200));
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("path", name.as_bytes())]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        builder.append_data(&mut header, "short.jpg", &b"abc"[..]).unwrap();
        let shard = read_bytes(&builder.into_inner().unwrap()).unwrap();
        assert_eq!(shard.samples[0].key, name.trim_end_matches(".jpg"));
    }

    #[test]
    fn a_cut_archive_keeps_its_whole_samples_and_names_the_byte() {
        let whole =
            tar_of(&[("0.jpg", &[1; 600]), ("0.txt", b"a"), ("1.jpg", &[2; 600])], tar::Header::new_gnu);
        let all = read_bytes(&whole).unwrap();
        assert!(all.samples.len() == 2 && !all.unmarked && all.fault.is_none());
        for end in 1..whole.len() {
            let shard = match read_bytes(&whole[..end]) {
                Ok(shard) => shard,
                Err(reason) => {
                    assert!(end < 512 && reason.contains("no tar"), "{end}: {reason}");
                    continue;
                }
            };
            // The contents end at 1112, 2049 and 3672; the second sample has its header at 2560.
            let padding = [1112..=1536, 2049..=2560, 3672..=4096];
            let (marked, between) = (end > 4096, padding.iter().any(|range| range.contains(&end)));
            match &shard.fault {
                None => assert!(marked || between && shard.unmarked, "{end}"),
                Some(reason) => {
                    assert!(reason.contains(&end.to_string()), "{end}: {reason}");
                    assert_eq!(shard.samples, all.samples[..usize::from(end >= 3072)], "{end}");
                }
            }
        }
    }

    #[test]
    fn other_files_are_refused_with_the_next_step() {
        assert!(read_bytes(b"\x1f\x8b\x08\x00").unwrap_err().contains("gunzip --keep"));
        assert!(read_bytes(&[b'x'; 2048]).unwrap_err().contains("no tar archive"));
        assert!(read_bytes(b"").unwrap_err().contains("empty"));
    }
}

//! Data sets of image files: checked once before training, and split by person.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use t2f_ops::rng::Key;

use crate::attributes::{Attributes, Observation, Schema};
use crate::cached::Cached;
use crate::dataset::{Caption, CaptionEdit, Dataset, captions_with_equal_claims, check_index};
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::image::Image;
use crate::listing::{Listing, Part, Reading, Record};
use crate::location::{self, FileTimes, Identity, Location};
use crate::notes::Notes;
use crate::pixel_cache::{Entry, Images, Pack, PixelCache, Remarks, examine};
use crate::preflight::{BadFile, PreflightReport};
use crate::procedural::{self, CaptionStyle, Face};
use crate::split_config::SplitConfig;
use crate::splits::{Splits, Subset};
use crate::squares::{Square, Squares};

/// The share of unusable files beyond which a data set is refused.
const MOST_BAD: f64 = 0.05;

/// The fewest images that the default cache stores: fewer are decoded in a moment.
const FEWEST_CACHED: usize = 256;

/// Image files as a data set; every call reads the file or its pack.
struct ImageFiles {
    name: &'static str,
    schema: Schema,
    records: Vec<Record>,
    captionless: bool,
    squares: Squares,
    pack: Option<Pack>,
}

impl ImageFiles {
    fn new(listing: Listing, resolution: usize, reading: &Reading<'_>) -> Result<(Self, PreflightReport)> {
        let squares = Squares::new(resolution, reading.crop, reading.files)?;
        let Listing { name, schema, records, report } = listing;
        let captionless = records.iter().all(|record| record.captions.is_empty());
        Ok((Self { name, schema, records, captionless, squares, pack: None }, report))
    }

    fn locations(&self) -> Vec<&Location> {
        self.records.iter().map(|record| &record.location).collect()
    }

    /// The place, size and time of every image; `None` if a file does not exist.
    fn identities(&self) -> Option<Vec<Identity>> {
        let times = FileTimes::default();
        let container = |record: &Record| match &record.location {
            Location::File(_) => None,
            other => Some(other.file().to_path_buf()),
        };
        let containers: HashSet<_> = self.records.iter().filter_map(container).collect();
        times.remember(containers.iter().map(|path| path.as_path()));
        self.records.par_iter().map(|record| record.location.identity(&times)).collect()
    }

    /// The pack of all images in the cache of the configuration, if it has one.
    fn cached_pack(&self, files: &FilesConfig) -> Option<Pack> {
        let folder = files.cache.folder(self.records.len() >= FEWEST_CACHED)?;
        let limit = u64::from(files.cache_gib) << 30;
        let cache = PixelCache::new(folder.clone(), limit, self.squares.side(), self.squares.recipe());
        if !cache.fits(self.records.len()) {
            tracing::warn!(
                "{} images of {} pixels a side exceed `data.files.cache_gib` = {}: they are decoded again when \
                 memory does not hold them",
                self.records.len(),
                self.squares.side(),
                files.cache_gib
            );
            return None;
        }
        let pack = cache.pack(&self.identities()?, self);
        pack.inspect_err(|error| {
            tracing::warn!(folder = %folder.display(), %error, "the pixels are not cached; `data.files.cache` \
                names another folder");
        })
        .ok()
    }

    /// The factors of an image of exported procedural faces; `None` for images of any other schema.
    fn face(&self, index: usize) -> Result<Option<Face>> {
        check_index(self, index)?;
        let procedural = self.schema == *procedural::schema();
        let attributes = self.records[index].attributes.as_ref().filter(|_| procedural);
        Ok(attributes.and_then(|attributes| Face::try_from(attributes).ok()))
    }
}

impl Images for ImageFiles {
    fn runs(&self) -> Vec<Range<usize>> {
        location::runs(&self.locations())
    }
    fn read(&self, run: Range<usize>) -> Vec<std::result::Result<Vec<u8>, String>> {
        let locations: Vec<&Location> = self.records[run].iter().map(|record| &record.location).collect();
        location::read_run(&locations)
    }
    fn square(&self, bytes: &[u8]) -> std::result::Result<Square, String> {
        self.squares.square(bytes)
    }
}

impl Dataset for ImageFiles {
    fn name(&self) -> &str {
        self.name
    }
    fn len(&self) -> usize {
        self.records.len()
    }
    fn resolution(&self) -> usize {
        self.squares.side()
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        if let Some(image) = self.pack.as_ref().and_then(|pack| pack.image(index)) {
            return Ok(image);
        }
        let location = &self.records[index].location;
        let square = location.read().and_then(|bytes| self.squares.square(&bytes));
        let square = square.map_err(|reason| Error::file(location.file(), reason))?;
        Ok(square.image)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        check_index(self, index)?;
        if self.captionless {
            return Ok(vec![Caption::unlabelled("")]);
        }
        Ok(self.records[index].captions.clone())
    }
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn has_captions(&self) -> bool {
        !self.captionless
    }
    fn file_name(&self, index: usize) -> Option<&str> {
        Some(&self.records.get(index)?.name)
    }
    fn file(&self, index: usize) -> Option<&Path> {
        match &self.records.get(index)?.location {
            Location::File(path) => Some(path),
            _ => None,
        }
    }
    fn encoded(&self, indices: &[usize]) -> Result<Option<Vec<Vec<u8>>>> {
        indices.iter().try_for_each(|index| check_index(self, *index))?;
        let locations: Vec<&Location> = indices.iter().map(|index| &self.records[*index].location).collect();
        let read = location::runs(&locations).into_iter().flat_map(|run| location::read_run(&locations[run]));
        let named = |(index, bytes): (&usize, std::result::Result<Vec<u8>, String>)| {
            bytes.map_err(|reason| Error::file(path_of(&self.records[*index]), reason))
        };
        Ok(Some(indices.iter().zip(read).map(named).collect::<Result<_>>()?))
    }
    fn group(&self, index: usize) -> Option<&str> {
        self.records.get(index)?.group.as_deref()
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.records.get(index)?.attributes.clone()
    }
    fn edit(&self, index: usize, attribute: usize, value: usize, key: Key) -> Result<Option<CaptionEdit>> {
        match self.face(index)? {
            Some(face) => procedural::edit(&face, CaptionStyle::default(), attribute, value, key),
            None => Ok(None),
        }
    }
    fn paraphrase(&self, index: usize, key: Key) -> Result<Option<[Caption; 2]>> {
        match self.face(index)? {
            Some(face) => Ok(Some(procedural::paraphrase(&face, CaptionStyle::default(), key))),
            None => captions_with_equal_claims(&self.records[index].captions, key),
        }
    }
    fn render(&self, attributes: &Attributes, key: Key) -> Result<Option<Image>> {
        if self.schema != *procedural::schema() {
            return Ok(None);
        }
        Ok(Some(procedural::render(&Face::try_from(attributes)?, self.squares.side(), key)))
    }
    fn dependents(&self, attribute: usize) -> Vec<usize> {
        if self.schema == *procedural::schema() { procedural::dependents(attribute) } else { Vec::new() }
    }
    fn held_out_pairs(&self) -> Vec<[(usize, usize); 2]> {
        if self.schema == *procedural::schema() { procedural::held_out_pairs() } else { Vec::new() }
    }
    fn fingerprint(&self) -> String {
        format!("{}-{}", self.name, self.records.len())
    }
}

/// The part of a person: drawn from the seed and the name alone, so that nobody changes parts when
/// others are added or removed.
fn part_of(person: &str, split: &SplitConfig) -> Part {
    let draw = t2f_ops::rng::unit(&mut Key::new(split.seed).child("split").child(person).rng());
    if draw < split.test_fraction {
        Part::Test
    } else if draw < split.test_fraction + split.validation_fraction {
        Part::Val
    } else {
        Part::Train
    }
}

/// The part of every record: the published one, or the one of its group or its name.
fn parts(records: &[Record], split: &SplitConfig) -> Vec<Part> {
    let drawn = |record: &Record| match &record.group {
        Some(group) => part_of(group, split),
        None => part_of(&record.name.to_lowercase(), split),
    };
    records.iter().map(|record| record.part.unwrap_or_else(|| drawn(record))).collect()
}

/// A note about groups whose images lie in several parts.
fn shared_groups(records: &[Record], parts: &[Part]) -> Option<String> {
    let mut first = HashMap::new();
    let mut shared = HashSet::new();
    for (record, part) in records.iter().zip(parts) {
        let Some(group) = record.group.as_deref() else { continue };
        if *first.entry(group).or_insert(*part) != *part {
            shared.insert(group);
        }
    }
    let example = shared.iter().min()?;
    let count = shared.len();
    Some(format!("{count} groups have images in several parts, such as `{example}`: results may be too good"))
}

/// The parts of a listing without reading an image; unusable images are found when they are read.
pub(crate) fn open_unread(listing: Listing, resolution: usize, reading: &Reading<'_>) -> Result<Splits> {
    let (files, report) = ImageFiles::new(listing, resolution, reading)?;
    let parts = parts(&files.records, reading.split);
    let name = files.name;
    let files: Arc<dyn Dataset> = Arc::new(files);
    let part = |wanted: Part| -> Result<Arc<dyn Dataset>> {
        let indices = (0..parts.len()).filter(|index| parts[*index] == wanted).collect();
        Ok(Arc::new(Subset::named(files.clone(), indices, format!("{name}-unread"), None)?))
    };
    assemble([part(Part::Train)?, part(Part::Val)?, part(Part::Test)?, part(Part::TestComb)?], report)
}

/// Reads every image once, leaves out the unusable ones, and makes the parts of the others.
///
/// The report of the listing has the files that are known to be unusable; too many in all are an error.
pub(crate) fn open(listing: Listing, resolution: usize, reading: &Reading<'_>) -> Result<Splits> {
    let (mut files, mut report) = ImageFiles::new(listing, resolution, reading)?;
    let total = files.records.len() + report.bad.len();
    files.pack = files.cached_pack(reading.files);
    let (files, cached) = {
        let files = Arc::new(files);
        let limit = if files.pack.is_some() { 0 } else { reading.files.memory_mib };
        (files.clone(), Arc::new(Cached::with_mib(files, limit)))
    };
    let read;
    let (entries, remarks) = match &files.pack {
        Some(pack) => (&pack.entries, &pack.remarks),
        None => {
            read = read_all(&files, &cached);
            (&read.0, &read.1)
        }
    };
    let parts = parts(&files.records, reading.split);
    let mut notes = Notes::default();
    let mut contents: [(Vec<usize>, Content); 4] = Default::default();
    for (index, (record, entry)) in files.records.iter().zip(entries).enumerate() {
        let words = remarks.get(&index).map(Vec::as_slice).unwrap_or_default();
        let Some(pixels) = &entry.pixels else {
            let (path, reason) = (path_of(record), words.join("; "));
            report.bad.push(BadFile { path, reason });
            continue;
        };
        words.iter().for_each(|warning| notes.add(warning.clone(), record.name.clone()));
        report.images += 1;
        report.captions += record.captions.len();
        report.gray += usize::from(entry.gray);
        report.enlarged += usize::from(entry.enlarged);
        let (indices, content) = &mut contents[parts[index] as usize];
        indices.push(index);
        content.add(&files.schema, record, pixels)?;
    }
    report.notes.extend(notes.lines());
    report.notes.extend(shared_groups(&files.records, &parts));
    if report.enlarged > 0 {
        let (enlarged, side) = (report.enlarged, files.squares.side());
        report.notes.push(format!(
            "{enlarged} images have fewer than {side}x{side} pixels in use and were enlarged; a smaller resolution \
             loses nothing"
        ));
    }
    let report = refuse_bad(files.name, report, total, reading.files.allow_bad)?;
    let part = |(indices, content): (Vec<usize>, Content)| -> Result<Arc<dyn Dataset>> {
        let (fingerprint, earlier) = content.fingerprints(files.name, &files.schema);
        Ok(Arc::new(Subset::named(cached.clone(), indices, fingerprint, earlier)?))
    };
    let [train, val, test, comb] = contents.map(part);
    assemble([train?, val?, test?, comb?], report)
}

/// The parts as splits; an empty fourth part is none.
fn assemble([train, val, test, comb]: [Arc<dyn Dataset>; 4], report: PreflightReport) -> Result<Splits> {
    let mut splits = Splits::new(train, val, test)?;
    if !comb.is_empty() {
        splits = splits.with_test_comb(comb)?;
    }
    Ok(Splits { report, ..splits })
}

/// Reads every image; `cached` keeps the squares that its memory holds.
fn read_all(files: &ImageFiles, cached: &Cached) -> (Vec<Entry>, Remarks) {
    let read = |run: Range<usize>| -> Vec<(Entry, Vec<String>)> {
        let bytes = files.read(run.clone());
        let examined = run.zip(bytes).map(|(index, bytes)| {
            let (entry, image, words) = examine(files, bytes);
            image.iter().for_each(|image| cached.keep(index, image));
            (entry, words)
        });
        examined.collect()
    };
    let all: Vec<(Entry, Vec<String>)> = files.runs().into_par_iter().flat_map_iter(read).collect();
    let (entries, words): (Vec<Entry>, Vec<Vec<String>>) = all.into_iter().unzip();
    (entries, words.into_iter().enumerate().filter(|(_, words)| !words.is_empty()).collect())
}

/// The path of an image for messages: its file, and its name where the file holds many.
fn path_of(record: &Record) -> std::path::PathBuf {
    match &record.location {
        Location::File(path) => path.clone(),
        other => Path::new(other.file()).join(&record.name),
    }
}

/// The content of a part: hashes of pixels, captions, labels and groups.
#[derive(Default)]
struct Content {
    all: blake3::Hasher,
    /// Without labels and groups, as version 0.1 had it.
    earlier: blake3::Hasher,
    grouped: bool,
}

impl Content {
    fn add(&mut self, schema: &Schema, record: &Record, pixels: &blake3::Hash) -> Result<()> {
        for hash in [&mut self.all, &mut self.earlier] {
            hash.update(pixels.as_bytes());
            record.captions.iter().for_each(|caption| {
                hash.update(caption.text.as_bytes()).update(b"\0");
            });
        }
        if !schema.is_empty() {
            hash_labels(&mut self.all, schema, record)?;
        }
        if let Some(group) = &record.group {
            self.grouped = true;
            self.all.update(b"\0group\0").update(group.as_bytes());
        }
        Ok(())
    }

    /// The fingerprint, and that of version 0.1 if it differs.
    fn fingerprints(mut self, name: &str, schema: &Schema) -> (String, Option<String>) {
        let named = |hash: &blake3::Hasher| format!("{name}-{}", &hash.finalize().to_hex()[..16]);
        let earlier = (!schema.is_empty() || self.grouped).then(|| named(&self.earlier));
        if !schema.is_empty() {
            self.all.update(serde_json::json!(schema).to_string().as_bytes());
        }
        (named(&self.all), earlier)
    }
}

/// Adds the attributes and claims of an image to the hash of its part. A part without a schema has
/// none, so that its fingerprint is that of older versions.
fn hash_labels(hash: &mut blake3::Hasher, schema: &Schema, record: &Record) -> Result<()> {
    for observation in record.attributes.iter().flat_map(Attributes::iter) {
        match observation {
            Observation::Unknown => hash.update(b"?"),
            Observation::Hidden => hash.update(b"-"),
            Observation::Value(value) => hash.update(&[b'=', value]),
        };
    }
    for caption in &record.captions {
        hash.update(caption.claims.to_json(schema)?.to_string().as_bytes());
    }
    Ok(())
}

/// The report, unless no file is usable, or more than 5 % are not and that is not allowed.
fn refuse_bad(name: &str, report: PreflightReport, total: usize, allow_bad: bool) -> Result<PreflightReport> {
    let bad = report.bad.len();
    if report.images > 0 && (allow_bad || bad as f64 <= MOST_BAD * total as f64) {
        return Ok(report);
    }
    let reason = if total == 0 {
        format!(
            "no row has both a caption and an image; {} images have no caption, {} captions were dropped",
            report.uncaptioned, report.dropped_captions
        )
    } else {
        let examples: Vec<String> =
            report.bad.iter().take(3).map(|bad| format!("{}: {}", bad.path.display(), bad.reason)).collect();
        let go_on = match report.images {
            0 => "",
            _ => ", `--set data.files.allow_bad=true` continues without them",
        };
        format!(
            "{bad} of {total} captioned images cannot be used, more than 5 %: {}; `t2f data check` lists them{go_on}",
            examples.join("; ")
        )
    };
    Err(Error::Refused { dataset: name.into(), reason, report: Box::new(report) })
}

//! Image files with captions: read, checked once before training, and split by person.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use t2f_ops::rng::Key;

use crate::cached::Cached;
use crate::config::bytes;
use crate::dataset::{Caption, Dataset, Splits, Subset, check_index};
use crate::decode::decode;
use crate::error::{Error, Result};
use crate::fit::{Fit, fit};
use crate::image::Image;
use crate::pixel_cache::PixelCache;
use crate::preflight::{BadFile, PreflightReport};
use crate::procedural::Attributes;

/// The share of bad files beyond which a dataset is taken for the wrong one.
const MOST_BAD: f64 = 0.05;

/// The longest file that is read, in MiB: 64 megapixels of RGB take 183 without compression.
const MOST_MIB: u64 = 256;

/// How files become squares.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) resolution: usize,
    pub(crate) fit: Fit,
    pub(crate) crop: f64,
    pub(crate) background: [u8; 3],
    pub(crate) max_megapixels: u32,
    pub(crate) allow_bad: bool,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) memory_mib: usize,
}

impl Reading {
    fn check(&self) -> Result<()> {
        if self.crop > 0.0 && self.crop <= 1.0 {
            return Ok(());
        }
        let expected = "above 0 and at most 1".into();
        Err(Error::Setting { field: "data.crop", value: self.crop.to_string(), expected })
    }
}

/// A captioned file.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) path: PathBuf,
    /// Where it belongs; pictures of one person belong together.
    pub(crate) part: Part,
    pub(crate) captions: Vec<Caption>,
    pub(crate) attributes: Option<Attributes>,
}

/// Which part a picture belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Val,
    Test,
    TestComb,
}

/// The part of a person: drawn from the seed and the name alone, so that nobody changes sides when
/// others come or go.
pub(crate) fn part_of(person: &str, seed: u64, validation: f64, test: f64) -> Part {
    let draw = t2f_ops::rng::unit(&mut Key::new(seed).child("split").child(person).rng());
    if draw < test {
        Part::Test
    } else if draw < test + validation {
        Part::Val
    } else {
        Part::Train
    }
}

/// Checks the two fractions of a split.
pub(crate) fn check_fractions(validation: f64, test: f64) -> Result<()> {
    let fraction = |value: f64| (0.0..1.0).contains(&value);
    if fraction(validation) && fraction(test) && validation + test < 1.0 {
        return Ok(());
    }
    Err(Error::Setting {
        field: "data.validation_fraction + data.test_fraction",
        value: format!("{validation} + {test}"),
        expected: "two fractions from 0 that leave some images for training".into(),
    })
}

/// Checks that a path was set.
pub(crate) fn check_set(field: &'static str, path: &Path, expected: &str) -> Result<()> {
    if !path.as_os_str().is_empty() {
        return Ok(());
    }
    Err(Error::Setting { field, value: "not set".into(), expected: expected.into() })
}

/// Image files as a dataset; every call reads the file.
struct Pictures {
    name: String,
    pictures: Vec<Picture>,
    reading: Reading,
    cache: Option<PixelCache>,
}

impl Dataset for Pictures {
    fn name(&self) -> &str {
        &self.name
    }
    fn len(&self) -> usize {
        self.pictures.len()
    }
    fn resolution(&self) -> usize {
        self.reading.resolution
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        let path = &self.pictures[index].path;
        if let Some(image) = self.cache.as_ref().and_then(|cache| cache.load(path)) {
            return Ok(image);
        }
        let bytes = read(path)?;
        let Reading { resolution, crop, background, max_megapixels, .. } = self.reading;
        let image = decode(&bytes, u64::from(max_megapixels) * 1_000_000, background)
            .and_then(|image| fit(&image, resolution, self.reading.fit, crop, background))
            .map_err(|reason| Error::file(path, reason))?;
        if let Some(cache) = &self.cache {
            cache.store(path, &image);
        }
        Ok(image)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        check_index(self, index)?;
        Ok(self.pictures[index].captions.clone())
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.pictures.get(index)?.attributes
    }
    fn fingerprint(&self) -> String {
        format!("{}-{}", self.name, self.pictures.len())
    }
}

/// The bytes of a file, once it is known to be one, and of a sane length: a pipe never ends.
fn read(path: &Path) -> Result<Vec<u8>> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::file(path, error))?;
    if !metadata.is_file() {
        return Err(Error::file(path, "not a regular file: expected JPEG or PNG"));
    }
    let length = metadata.len();
    if length > MOST_MIB << 20 {
        return Err(Error::file(path, format!("{length} bytes: expected at most {MOST_MIB} MiB")));
    }
    std::fs::read(path).map_err(|error| Error::file(path, error))
}

/// Reads every picture once, leaves out the bad ones, and puts the rest in their parts.
///
/// `report` brings what was found bad before; too much of it in all is an error.
pub(crate) fn open(
    name: &str,
    pictures: Vec<Picture>,
    reading: Reading,
    mut report: PreflightReport,
) -> Result<Splits> {
    reading.check()?;
    let recipe =
        format!("{:?} {} {:?} {}", reading.fit, reading.crop, reading.background, reading.max_megapixels);
    let cache = reading.cache.as_deref().map(|folder| PixelCache::open(folder, reading.resolution, recipe));
    let (allow_bad, memory) = (reading.allow_bad, bytes(reading.memory_mib));
    let total = pictures.len() + report.bad.len();
    let inner = Arc::new(Pictures { name: name.into(), pictures, reading, cache: cache.transpose()? });
    let cached = Arc::new(Cached::new(inner.clone(), memory));
    let outcomes: Vec<Result<(bool, blake3::Hash)>> = (0..cached.len())
        .into_par_iter()
        .map(|index| cached.image(index).map(|image| (is_gray(&image), blake3::hash(&image.pixels))))
        .collect();
    let mut parts: [(Vec<usize>, blake3::Hasher); 4] = Default::default();
    for (index, (picture, outcome)) in inner.pictures.iter().zip(outcomes).enumerate() {
        match outcome {
            Ok((gray, pixels)) => {
                report.images += 1;
                report.captions += picture.captions.len();
                report.gray += usize::from(gray);
                let (indices, hash) = &mut parts[picture.part as usize];
                indices.push(index);
                hash.update(pixels.as_bytes());
                picture.captions.iter().for_each(|caption| {
                    hash.update(caption.text.as_bytes()).update(b"\0");
                });
            }
            Err(error) => {
                let reason = match error {
                    Error::File { reason, .. } => reason,
                    other => other.to_string(),
                };
                report.bad.push(BadFile { path: picture.path.clone(), reason });
            }
        }
    }
    let report = refuse_bad(name, report, total, allow_bad)?;
    let [train, val, test, comb] = parts.map(|(indices, hash)| -> Result<Arc<dyn Dataset>> {
        let fingerprint = format!("{name}-{}", &hash.finalize().to_hex()[..16]);
        Ok(Arc::new(Subset::named(cached.clone(), indices, fingerprint)?))
    });
    let test_comb = Some(comb?).filter(|comb| !comb.is_empty());
    Ok(Splits { train: train?, val: val?, test: test?, test_comb, report })
}

/// The report, unless more than one file in twenty is bad and that is not allowed, or none is good.
fn refuse_bad(name: &str, report: PreflightReport, total: usize, allow_bad: bool) -> Result<PreflightReport> {
    let bad = report.bad.len();
    if report.images > 0 && (allow_bad || bad as f64 <= MOST_BAD * total as f64) {
        return Ok(report);
    }
    let reason = if total == 0 {
        format!(
            "no row has both a caption and an image; {} images have no caption, {} captions were left out",
            report.uncaptioned, report.dropped_captions
        )
    } else {
        let examples: Vec<String> =
            report.bad.iter().take(3).map(|bad| format!("{}: {}", bad.path.display(), bad.reason)).collect();
        let go_on = match report.images {
            0 => "",
            _ => ", `--set data.allow_bad=true` goes on without them",
        };
        format!(
            "{bad} of {total} captioned images cannot be used, more than 5 %: {}; `t2f data check` lists them{go_on}",
            examples.join("; ")
        )
    };
    Err(Error::Refused { dataset: name.into(), reason, report: Box::new(report) })
}

fn is_gray(image: &Image) -> bool {
    image.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}

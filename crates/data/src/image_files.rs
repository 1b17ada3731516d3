//! Image files with captions: checked once before training, and split by person.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use t2f_ops::rng::Key;
use t2f_ops::setting::SettingError;

use crate::attributes::{Attributes, Observation, Schema};
use crate::cached::Cached;
use crate::dataset::{Caption, CaptionEdit, Dataset, captions_with_equal_claims, check_index};
use crate::decode::{Decoding, decode};
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::fit::fit;
use crate::image::Image;
use crate::pixel_cache::PixelCache;
use crate::preflight::{BadFile, PreflightReport};
use crate::procedural::{self, Face};
use crate::split_config::SplitConfig;
use crate::splits::{Splits, Subset};

/// The share of unusable files beyond which a data set is refused.
const MOST_BAD: f64 = 0.05;

/// The longest file that is read, in MiB: 64 megapixels of RGB take 183 without compression.
const MOST_MIB: u64 = 256;

/// A captioned file.
#[derive(Clone, Debug)]
pub(crate) struct ImageFile {
    pub(crate) path: PathBuf,
    /// Its part; images of one person belong together.
    pub(crate) part: Part,
    pub(crate) captions: Vec<Caption>,
    pub(crate) attributes: Option<Attributes>,
}

/// The part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Val,
    Test,
    TestComb,
}

/// The part of a person: drawn from the seed and the name alone, so that nobody changes parts when
/// others are added or removed.
pub(crate) fn part_of(person: &str, split: &SplitConfig) -> Part {
    let draw = t2f_ops::rng::unit(&mut Key::new(split.seed).child("split").child(person).rng());
    if draw < split.test_fraction {
        Part::Test
    } else if draw < split.test_fraction + split.validation_fraction {
        Part::Val
    } else {
        Part::Train
    }
}

/// Checks that a path is set.
pub(crate) fn check_set(key: &str, path: &Path, expected: &str) -> Result<()> {
    if !path.as_os_str().is_empty() {
        return Ok(());
    }
    Err(SettingError::new(key, "not set", expected).into())
}

/// Image files as a data set; every call reads the file.
struct ImageFiles {
    name: String,
    images: Vec<ImageFile>,
    schema: Schema,
    resolution: usize,
    crop: f64,
    files: FilesConfig,
    cache: Option<PixelCache>,
}

impl ImageFiles {
    /// The factors of an image of exported procedural faces; `None` for images of any other schema.
    fn face(&self, index: usize) -> Result<Option<Face>> {
        check_index(self, index)?;
        let procedural = self.schema == *procedural::schema();
        let attributes = self.images[index].attributes.as_ref().filter(|_| procedural);
        Ok(attributes.and_then(|attributes| Face::try_from(attributes).ok()))
    }
}

impl Dataset for ImageFiles {
    fn name(&self) -> &str {
        &self.name
    }
    fn len(&self) -> usize {
        self.images.len()
    }
    fn resolution(&self) -> usize {
        self.resolution
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        let path = &self.images[index].path;
        if let Some(image) = self.cache.as_ref().and_then(|cache| cache.load(path)) {
            return Ok(image);
        }
        let bytes = read(path)?;
        let FilesConfig { background, max_megapixels, .. } = self.files;
        let decoding = Decoding { max_pixels: u64::from(max_megapixels) * 1_000_000, background };
        let image = decode(&bytes, &decoding)
            .and_then(|decoded| fit(&decoded.image, self.resolution, self.files.fit, self.crop, background))
            .map_err(|reason| Error::file(path, reason))?;
        if let Some(cache) = &self.cache {
            cache.store(path, &image);
        }
        Ok(image)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        check_index(self, index)?;
        Ok(self.images[index].captions.clone())
    }
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.images.get(index)?.attributes.clone()
    }
    fn edit(&self, index: usize, attribute: usize, value: usize, key: Key) -> Result<Option<CaptionEdit>> {
        match self.face(index)? {
            Some(face) => procedural::edit(&face, attribute, value, key),
            None => Ok(None),
        }
    }
    fn paraphrase(&self, index: usize, key: Key) -> Result<Option<[Caption; 2]>> {
        match self.face(index)? {
            Some(face) => Ok(Some(procedural::paraphrase(&face, key))),
            None => captions_with_equal_claims(&self.images[index].captions, key),
        }
    }
    fn render(&self, attributes: &Attributes, key: Key) -> Result<Option<Image>> {
        if self.schema != *procedural::schema() {
            return Ok(None);
        }
        Ok(Some(procedural::render(&Face::try_from(attributes)?, self.resolution, key)))
    }
    fn dependents(&self, attribute: usize) -> Vec<usize> {
        if self.schema == *procedural::schema() { procedural::dependents(attribute) } else { Vec::new() }
    }
    fn held_out_pairs(&self) -> Vec<[(usize, usize); 2]> {
        if self.schema == *procedural::schema() { procedural::held_out_pairs() } else { Vec::new() }
    }
    fn fingerprint(&self) -> String {
        format!("{}-{}", self.name, self.images.len())
    }
}

/// The bytes of a regular file of at most [`MOST_MIB`]; a pipe may never end.
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

/// Reads every image once, leaves out the unusable ones, and makes the parts of the others.
///
/// The given report lists the files that are known to be unusable; too many in all are an error.
pub(crate) fn open(
    name: &str,
    (images, schema, mut report): (Vec<ImageFile>, Schema, PreflightReport),
    resolution: usize,
    crop: f64,
    files: &FilesConfig,
) -> Result<Splits> {
    if !(crop > 0.0 && crop <= 1.0) {
        return Err(SettingError::new("data.crop", crop, "above 0 and at most 1").into());
    }
    let recipe = format!("{:?} {crop} {:?} {}", files.fit, files.background, files.max_megapixels);
    let cache =
        files.cache.as_deref().map(|folder| PixelCache::open(folder, resolution, recipe)).transpose()?;
    let total = images.len() + report.bad.len();
    let (name, files) = (name.to_owned(), files.clone());
    let (allow_bad, memory_mib) = (files.allow_bad, files.memory_mib);
    let inner = Arc::new(ImageFiles { name, images, schema, resolution, crop, files, cache });
    let (name, schema) = (inner.name.as_str(), &inner.schema);
    let cached = Arc::new(Cached::with_mib(inner.clone(), memory_mib));
    let outcomes: Vec<Result<(bool, blake3::Hash)>> = (0..cached.len())
        .into_par_iter()
        .map(|index| cached.image(index).map(|image| (is_gray(&image), blake3::hash(&image.pixels))))
        .collect();
    // The second hash is without labels, as version 0.1 had it.
    let mut parts: [(Vec<usize>, blake3::Hasher, blake3::Hasher); 4] = Default::default();
    for (index, (file, outcome)) in inner.images.iter().zip(outcomes).enumerate() {
        match outcome {
            Ok((gray, pixels)) => {
                report.images += 1;
                report.captions += file.captions.len();
                report.gray += usize::from(gray);
                let (indices, hash, earlier) = &mut parts[file.part as usize];
                indices.push(index);
                for hash in [&mut *hash, earlier] {
                    hash.update(pixels.as_bytes());
                    file.captions.iter().for_each(|caption| {
                        hash.update(caption.text.as_bytes()).update(b"\0");
                    });
                }
                if !schema.is_empty() {
                    hash_labels(hash, schema, file)?;
                }
            }
            Err(error) => {
                let reason = match error {
                    Error::File { source, .. } => source.to_string(),
                    other => other.to_string(),
                };
                report.bad.push(BadFile { path: file.path.clone(), reason });
            }
        }
    }
    let report = refuse_bad(name, report, total, allow_bad)?;
    let [train, val, test, comb] = parts.map(|(indices, hash, earlier)| -> Result<Arc<dyn Dataset>> {
        let mut hash = hash;
        let named = |hash: &blake3::Hasher| format!("{name}-{}", &hash.finalize().to_hex()[..16]);
        let earlier = (!schema.is_empty()).then(|| named(&earlier));
        if !schema.is_empty() {
            hash.update(serde_json::json!(schema).to_string().as_bytes());
        }
        Ok(Arc::new(Subset::named(cached.clone(), indices, named(&hash), earlier)?))
    });
    let mut splits = Splits::new(train?, val?, test?)?;
    let comb = comb?;
    if !comb.is_empty() {
        splits = splits.with_test_comb(comb)?;
    }
    Ok(Splits { report, ..splits })
}

/// Adds the attributes and claims of an image to the hash of its part. A part without a schema has
/// none, so that its fingerprint is that of older versions.
fn hash_labels(hash: &mut blake3::Hasher, schema: &Schema, file: &ImageFile) -> Result<()> {
    for observation in file.attributes.iter().flat_map(Attributes::iter) {
        match observation {
            Observation::Unknown => hash.update(b"?"),
            Observation::Hidden => hash.update(b"-"),
            Observation::Value(value) => hash.update(&[b'=', value]),
        };
    }
    for caption in &file.captions {
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

fn is_gray(image: &Image) -> bool {
    image.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}

//! WebDataset: tars whose consecutive entries `NAME.jpg`, `NAME.txt`, `NAME.json` and `NAME.cls` are a sample.
//!
//! The captions are in the JSON, in the columns that a metadata file may have, or the lines of the text.
//! Attributes, claims, group and part are in the JSON; the label of `.cls` is the attribute `label`. The
//! archives are read once, without the images, one archive to one thread; afterwards images are read at
//! their places in the archives.

mod shard;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::shard::{Raw, Shard};
use super::columns::{Columns, Named};
use super::containers::{self, Container};
use super::labels::RawLabels;
use super::rows::{Cells, folded_cells};
use super::samples::{self, Sample, Samples};
use crate::attributes::Schema;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::location::Location;
use crate::notes::Notes;
use crate::preflight::BadFile;
use crate::split_config::SplitConfig;

/// The attribute of the label in `.cls`.
const LABEL: &str = "label";

/// Images in the tars of a WebDataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebdatasetConfig {
    /// A tar, a folder of tars, or a pattern such as `shard-{00000..00012}.tar`. No default.
    pub path: PathBuf,
    /// The key of the captions in the JSON of a sample, `txt` for its text, or empty for none. Default:
    /// the first known one that is not empty.
    pub caption_column: Option<String>,
    /// The key of the person, whose images belong to one part; empty for none. Default: the first known
    /// one.
    pub group_column: Option<String>,
    /// Whether attributes and claims are read. Default true.
    pub attributes: bool,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts of images without a published part.
    pub split: SplitConfig,
}

impl Default for WebdatasetConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            caption_column: None,
            group_column: None,
            attributes: true,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for WebdatasetConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "a tar, a folder of tars or a pattern")?;
        let shards = containers::find(&self.path, "tar")?;
        let read: Vec<_> = shards.par_iter().map(|shard| shard::read(&shard.path)).collect();
        let named = Named {
            image: None,
            caption: self.caption_column.as_deref(),
            group: self.group_column.as_deref(),
            attributes: self.attributes,
        };
        let mut gathered =
            Gathered { columns: Columns::new(named), named, all: Samples::default(), texts: 0 };
        for (container, shard) in shards.iter().zip(read) {
            let shard = shard.map_err(|reason| Error::file(&container.path, reason))?;
            gathered.add(container, shard)?;
        }
        let folders = shards.iter().filter_map(|shard| shard.path.parent());
        let schema = samples::schema_in(std::iter::once(self.path.as_path()).chain(folders))?;
        Ok(samples::listing("webdataset", gathered.finish(schema)?, self.files.filter))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The samples of the shards so far.
struct Gathered<'c> {
    columns: Columns<'c>,
    named: Named<'c>,
    all: Samples,
    /// The samples whose captions are those of the text.
    texts: usize,
}

impl Gathered<'_> {
    fn add(&mut self, container: &Container, shard: Shard) -> Result<()> {
        let file: Arc<Path> = container.path.as_path().into();
        for (entry, reason) in shard.bad {
            self.all.bad.push(BadFile { path: file.join(entry), reason });
        }
        if shard.unmarked {
            let remark = "an archive has no mark of its end: it may be cut off";
            self.all.notes.add(remark.into(), file.display().to_string());
        }
        if let Some(reason) = shard.fault {
            self.all.bad.push(BadFile { path: file.to_path_buf(), reason });
        }
        let part = container.part();
        for raw in shard.samples {
            self.sample(&file, part, raw)?;
        }
        Ok(())
    }

    fn sample(&mut self, file: &Arc<Path>, part: Option<Part>, raw: Raw) -> Result<()> {
        let notes = &mut self.all.notes;
        let Some((ending, offset, length)) = raw.image.clone() else {
            notes.add(
                "a sample without an image is ignored".into(),
                file.join(&raw.key).display().to_string(),
            );
            return Ok(());
        };
        let entry = file.join(format!("{}.{}", raw.key, if raw.json.is_some() { "json" } else { &ending }));
        if raw.further > 0 {
            notes.add(
                "a sample has several images, and the first is used".into(),
                entry.display().to_string(),
            );
        }
        let mut cells = cells(raw.json.as_deref(), &entry, notes);
        if cells.get("status").and_then(Value::as_str).is_some_and(|status| status != "success") {
            notes.add("an image that img2dataset did not get is ignored".into(), entry.display().to_string());
            return Ok(());
        }
        let name = match cells.get("file_name").and_then(Value::as_str) {
            Some(name) if !name.trim().is_empty() => name.to_owned(),
            _ => format!("{}.{ending}", raw.key),
        };
        self.texts += usize::from(add_text(&mut cells, raw.text.as_deref(), self.named));
        let class = raw.class.as_deref().map(str::trim).filter(|class| !class.is_empty());
        if let Some(class) = class {
            cells.entry(LABEL).or_insert_with(|| Value::from(class));
        }
        let row = self.columns.described(&entry, 1, &cells, false, notes);
        let mut row = row.map_err(|reason| Error::file(&entry, reason))?;
        if let Some(class) = class.filter(|_| self.named.attributes) {
            label(&mut row.labels, class);
        }
        row.file = Some(entry);
        let location = Location::Range { file: file.clone(), offset, length };
        self.all.samples.push(Sample { location, name, part, row });
        Ok(())
    }

    fn finish(mut self, schema: Option<Schema>) -> Result<Samples> {
        let all = &mut self.all;
        all.schema = schema;
        let untold = all.samples.iter().all(|sample| sample.row.texts.iter().all(String::is_empty));
        all.captionless = untold && self.columns.captionless()?;
        if self.texts > 0 {
            all.notes.add(format!("captions: the .txt of {} samples", self.texts), String::new());
        }
        if self.texts < all.samples.len() {
            self.columns.remark(&mut all.notes);
        }
        // Where some samples name a part, those of an unknown one must not be drawn into any.
        if self.columns.has_parts() {
            all.samples.retain(|sample| !sample.row.unknown_part);
        }
        samples::tell_apart(&mut all.samples);
        Ok(self.all)
    }
}

/// The cells of the JSON of a sample; none, with a note, where it is no object.
fn cells(json: Option<&str>, entry: &Path, notes: &mut Notes) -> Cells {
    match json.map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Value::Object(cells))) => folded_cells(cells),
        Some(Ok(_)) => {
            notes.add(
                "the JSON of a sample is ignored: expected an object".into(),
                entry.display().to_string(),
            );
            Map::new()
        }
        Some(Err(error)) => {
            notes.add(
                "the JSON of a sample is ignored: it cannot be read".into(),
                format!("{}: {error}", entry.display()),
            );
            Map::new()
        }
    }
}

/// Adds the lines of the text as captions where the JSON has none. The result tells whether they are used.
fn add_text(cells: &mut Cells, text: Option<&str>, named: Named<'_>) -> bool {
    let Some(text) = text else { return false };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(Value::from).collect();
    let has = |name: &str| cells.get(name).is_some_and(|cell| !cell.is_null() && cell.as_str() != Some(""));
    let column = match named.caption {
        None if has("captions") || has("caption") => return false,
        None => "captions",
        Some("txt") => "txt",
        Some(_) => return false,
    };
    let used = !lines.is_empty();
    cells.insert(column.into(), Value::Array(lines));
    used
}

/// Adds the label of `.cls` to the attributes, unless they have one.
fn label(labels: &mut RawLabels, class: &str) {
    let attributes = labels.attributes.get_or_insert_with(Map::new);
    attributes.entry(LABEL).or_insert_with(|| Value::from(class));
}

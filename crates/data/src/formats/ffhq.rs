//! FFHQ: 70,000 photographs of faces without captions.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Layout, stem};
use super::parts::keep_or_draw;
use crate::attributes::Schema;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, Record, check_set};
use crate::location::Location;
use crate::notes::Notes;
use crate::preflight::PreflightReport;
use crate::split_config::SplitConfig;

const SOURCE: &str = "FFHQ is given under CC BY-NC-SA 4.0 at github.com/NVlabs/ffhq-dataset";

/// The first images are for training.
const TRAINING: u64 = 60_000;

/// The images of FFHQ, which have no captions.
///
/// Images below number 60000 are the training part and the others the validation part, unless
/// `ffhq-dataset-v2.json` says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FfhqConfig {
    /// The folder that holds `images1024x1024` or `thumbnails128x128`, or one of them. No default.
    pub path: PathBuf,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, if all images are in one published part.
    pub split: SplitConfig,
}

impl Default for FfhqConfig {
    fn default() -> Self {
        Self { path: PathBuf::new(), crop: 1.0, files: FilesConfig::default(), split: SplitConfig::default() }
    }
}

/// What is used of an entry of `ffhq-dataset-v2.json`.
#[derive(Deserialize)]
struct Entry {
    category: String,
}

impl Format for FfhqConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "the folder of FFHQ")?;
        let layout = Layout::scan(&self.path)?;
        let root = layout.folder(&["images1024x1024", "thumbnails128x128"]);
        let categories = match layout.table(&["ffhq-dataset-v2.json", "ffhq-dataset-v1.json"]) {
            Some(file) => categories(file)?,
            None => HashMap::new(),
        };
        let mut images = Vec::new();
        gather(root, &mut images)?;
        images.sort();
        if images.is_empty() {
            let reason = format!("no numbered image such as 00000/00000.png in it; {SOURCE}");
            return Err(Error::file(root, reason));
        }
        let record = |(number, path): (u64, PathBuf)| {
            let known = categories.get(&number).copied();
            let part = known.unwrap_or(if number < TRAINING { Part::Train } else { Part::Val });
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let location = Location::File(path);
            Record { location, name, part: Some(part), group: None, captions: Vec::new(), attributes: None }
        };
        let mut records: Vec<Record> = images.into_iter().map(record).collect();
        let mut notes = Notes::default();
        keep_or_draw(&mut records, &mut notes);
        let report = PreflightReport { notes: notes.lines(), ..PreflightReport::default() };
        Ok(Listing { name: "ffhq", schema: Schema::default(), records, report })
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The images under a folder and its subfolders whose names are numbers.
fn gather(folder: &Path, images: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))? {
        let entry = entry.map_err(|error| Error::file(folder, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let image = name.rsplit_once('.').is_some_and(|(_, end)| {
            ["png", "jpg", "jpeg", "webp"].iter().any(|known| end.eq_ignore_ascii_case(known))
        });
        match stem(&name).parse() {
            Ok(number) if image => images.push((number, entry.path())),
            Ok(_) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => gather(&entry.path(), images)?,
            _ => {}
        }
    }
    Ok(())
}

/// The published part of each image by its number. The file has 255 MB: nothing else of it is kept.
fn categories(file: &Path) -> Result<HashMap<u64, Part>> {
    let opened = std::fs::File::open(file).map_err(|error| Error::file(file, error))?;
    let entries: HashMap<String, Entry> =
        serde_json::from_reader(BufReader::new(opened)).map_err(|error| Error::file(file, error))?;
    let part = |(number, entry): (String, Entry)| match (number.parse(), entry.category.as_str()) {
        (Ok(number), "training") => Ok((number, Part::Train)),
        (Ok(number), "validation") => Ok((number, Part::Val)),
        (_, category) => {
            let reason = format!("`{number}` has the category `{category}`, expected training or validation");
            Err(Error::file(file, reason))
        }
    };
    entries.into_iter().map(part).collect()
}

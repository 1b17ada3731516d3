//! CelebA-Dialog: captions of CelebA or CelebA-HQ and five attributes in six grades.
//!
//! `captions_hq.json` (of CelebA-HQ) or `captions.json` (of CelebA) is an object of images:
//! `{"0.jpg": {"overall_caption": "…", "attribute_wise_captions": {"Bangs": "…", …}}}`. The table
//! `combined_annotation_hq.txt` or `combined_annotation.txt` has the columns Bangs, Eyeglasses, No_Beard,
//! Smiling and Young with grades from 0 to 5. An overall caption has no known claims; a caption about one
//! attribute claims its grade.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::celeba::{IMAGES, People, spelled};
use super::collection::Collection;
use super::file_index::FileIndex;
use super::grid::Grid;
use super::layout::{Layout, stem};
use super::parts::listing_of;
use crate::attributes::{Attribute, Attributes, Claims, Observation, Schema};
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Part, Reading, check_set};
use crate::notes::Notes;
use crate::split_config::SplitConfig;
use crate::text_file;

const SOURCE: &str = "CelebA-Dialog is given for research that is not commercial at \
                      github.com/ziqihuangg/CelebA-Dialog and may not be passed on";

/// The graded attributes, in the order of the published table.
const NAMES: [&str; 5] = ["Bangs", "Eyeglasses", "No_Beard", "Smiling", "Young"];

/// The largest grade.
const MOST: u8 = 5;

/// CelebA-Dialog: images of CelebA-HQ or CelebA with captions and graded attributes.
///
/// The parts are those of `train_attr_list.txt`, `val_attr_list.txt` and `test_attr_list.txt`, or else of
/// CelebA's partition; without them they are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CelebaDialogConfig {
    /// The folder that holds, in it or its subfolders, `captions_hq.json` or `captions.json`, and where it
    /// is there `combined_annotation_hq.txt` or `combined_annotation.txt`. No default.
    pub path: PathBuf,
    /// The folder of the images. Default: `image` or `img_align_celeba` in `path`.
    pub images: Option<PathBuf>,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where there are no published ones.
    pub split: SplitConfig,
}

impl Default for CelebaDialogConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            images: None,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for CelebaDialogConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "the folder of CelebA-Dialog")?;
        let layout = Layout::scan(&self.path)?;
        let file = layout.expect_table(&["captions_hq.json", "captions.json"], SOURCE)?;
        let schema = schema()?;
        let mut notes = Notes::default();
        let grades = grades(&layout, &schema)?;
        if grades.is_empty() {
            notes.add("no combined_annotation.txt: attributes and claims are unknown".into(), String::new());
        }
        let parts = parts(&layout)?;
        let people = People::read(&layout)?;
        let root = match &self.images {
            Some(images) => images,
            None => layout.folder(&["image", "images", IMAGES[0], IMAGES[1], IMAGES[2]]),
        };
        let index = FileIndex::scan(Layout::scan(root)?.root())?;
        let mut collection = Collection::new(self.files.filter, schema.clone(), true);
        collection.expect(&index);
        for (name, entry) in read(file)? {
            let known = grades.get(&stem(&name));
            let (captions, empty) = captions(&entry, &schema, known.map(|(_, grades)| grades))
                .map_err(|reason| Error::file(file, format!("{name}: {reason}")))?;
            collection.dropped(empty);
            let place = |_: &str| {
                let (published, person) = people.of(&name);
                (parts.get(&stem(&name)).copied().or(published), person)
            };
            let added = collection.add(&index, &name, captions, known.cloned(), place);
            added.map_err(|reason| Error::file(file, reason))?;
        }
        Ok(listing_of(collection, "celeba-dialog", notes, |records, notes| people.remark(records, notes)))
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

fn schema() -> Result<Schema> {
    let grades = || (0..=MOST).map(|grade| grade.to_string());
    Schema::new(NAMES.iter().map(|name| Attribute::new(spelled(name), grades())).collect())
}

/// The entries of a caption file by the names of images, in the order of their numbers.
fn read(file: &Path) -> Result<Vec<(String, Value)>> {
    let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
    let entries: BTreeMap<String, Value> =
        serde_json::from_str(&text).map_err(|error| Error::file(file, error))?;
    let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
    entries.sort_by_cached_key(|(name, _)| (stem(name).parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    Ok(entries)
}

/// The captions of an entry, and the number of those that are null or empty.
///
/// On failure, the reason.
fn captions(
    entry: &Value,
    schema: &Schema,
    grades: Option<&Attributes>,
) -> std::result::Result<(Vec<Caption>, usize), String> {
    let (mut captions, mut empty) = (Vec::new(), 0);
    let mut add = |name: Option<&str>, text: &Value| match text {
        Value::String(text) if !text.trim().is_empty() => {
            let mut claims = Claims::default();
            let attribute = name.and_then(|name| schema.index(&spelled(name)));
            if let Some((attribute, grade)) =
                attribute.and_then(|attribute| Some((attribute, grades?.value(attribute)?)))
            {
                claims.add(attribute, &[grade]);
            }
            captions.push(Caption::new(text.trim(), claims));
            Ok(())
        }
        Value::String(_) | Value::Null => {
            empty += 1;
            Ok(())
        }
        other => Err(format!("a caption is {other}, expected text")),
    };
    match entry {
        Value::Null => empty += 1,
        Value::String(_) => add(None, entry)?,
        Value::Object(entry) => {
            add(None, entry.get("overall_caption").unwrap_or(&Value::Null))?;
            match entry.get("attribute_wise_captions") {
                None | Some(Value::Null) => {}
                Some(Value::Object(all)) => {
                    for (name, text) in all {
                        add(Some(name), text)?;
                    }
                }
                Some(other) => {
                    return Err(format!("`attribute_wise_captions` is {other}, expected an object"));
                }
            }
        }
        other => return Err(format!("{other}, expected an object with `overall_caption`")),
    }
    Ok((captions, empty))
}

/// The lines and grades of images by the stems of their names.
fn grades(layout: &Layout, schema: &Schema) -> Result<HashMap<String, (usize, Attributes)>> {
    let Some(file) = layout.table(&["combined_annotation_hq.txt", "combined_annotation.txt"]) else {
        return Ok(HashMap::new());
    };
    let grid = Grid::read(file)?;
    let numbered = grid.columns.iter().enumerate().all(|(at, name)| *name == (at + 1).to_string());
    let places: Vec<Option<usize>> = match numbered && grid.columns.len() == NAMES.len() {
        true => (0..NAMES.len()).map(Some).collect(),
        false => grid.columns.iter().map(|name| schema.index(&spelled(name))).collect(),
    };
    if places.iter().all(Option::is_none) {
        let reason = format!("the columns are [{}], expected {}", grid.columns.join(", "), NAMES.join(", "));
        return Err(Error::file(file, reason));
    }
    let mut found = HashMap::new();
    for row in grid.rows {
        let mut observations = vec![Observation::Unknown; NAMES.len()];
        for ((cell, place), column) in row.cells.iter().zip(&places).zip(&grid.columns) {
            let Some(place) = *place else { continue };
            observations[place] = match u8::try_from(*cell) {
                Ok(grade) if grade <= MOST => Observation::Value(grade),
                // Images without a label.
                Err(_) => Observation::Unknown,
                Ok(_) => {
                    let line = row.line;
                    let reason =
                        format!("line {line}, column {column}: {cell}, expected a grade from 0 to {MOST}");
                    return Err(Error::file(file, reason));
                }
            };
        }
        found.insert(stem(&row.name), (row.line, Attributes::new(observations)));
    }
    Ok(found)
}

/// The published parts by the stems of the names of images: the first field of each line of three lists.
fn parts(layout: &Layout) -> Result<HashMap<String, Part>> {
    let mut parts = HashMap::new();
    for (name, part) in [
        ("train_attr_list.txt", Part::Train),
        ("val_attr_list.txt", Part::Val),
        ("test_attr_list.txt", Part::Test),
    ] {
        let Some(file) = layout.table(&[name]) else { continue };
        let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
        let names = text.lines().filter_map(|line| line.split_whitespace().next());
        parts.extend(names.map(|name| (stem(name), part)));
    }
    Ok(parts)
}

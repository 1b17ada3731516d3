//! CelebA: 202,599 aligned photographs of celebrities with forty attributes.
//!
//! The attributes of the data set are the published ones in this project's spelling: `Wavy_Hair` is
//! `wavy-hair`, `5_o_Clock_Shadow` is `5-o-clock-shadow`. Captions are generated from them.

mod captions;
mod facts;
mod tables;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

pub(crate) use self::facts::{schema, spelled};
use self::tables::{ATTRIBUTES, Labelled, SOURCE};
pub(crate) use self::tables::{IMAGES, People};
use super::file_index::FileIndex;
use super::layout::{Layout, stem};
use super::parts::keep_or_draw;
use crate::attributes::{Attributes, Schema};
use crate::error::{Error, Result};
use crate::files_config::FilesConfig;
use crate::listing::{Format, Listing, Reading, Record, check_set};
use crate::location::Location;
use crate::notes::Notes;
use crate::preflight::PreflightReport;
use crate::split_config::SplitConfig;

/// The most captions of an image.
const MOST_CAPTIONS: usize = 1000;

/// CelebA with captions generated from its attributes.
///
/// A caption states a few attributes in a list, a sentence or several, one in four a denial or a correction,
/// with the claims of its words. The parts are those of `list_eval_partition`; without it they are drawn by
/// person where `identity_CelebA.txt` is there, by image otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CelebaConfig {
    /// The folder that holds, in it or its subfolders, `img_align_celeba` and `list_attr_celeba.txt` or
    /// `.csv`, and where they are there `list_eval_partition` and `identity_CelebA`. No default.
    pub path: PathBuf,
    /// Captions for each image, 0 to 1000; with 0 the data set has attributes alone. Default 5.
    pub captions_per_image: usize,
    /// The seed of the captions; equal seeds give equal captions. Default 0.
    pub seed: u64,
    /// The central part of each image that is used. Default 1, above 0 and at most 1.
    pub crop: f64,
    /// How image files are read.
    pub files: FilesConfig,
    /// The parts, where there is no published partition.
    pub split: SplitConfig,
}

impl Default for CelebaConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            captions_per_image: 5,
            seed: 0,
            crop: 1.0,
            files: FilesConfig::default(),
            split: SplitConfig::default(),
        }
    }
}

impl Format for CelebaConfig {
    fn list(&self) -> Result<Listing> {
        check_set("data.path", &self.path, "the folder of CelebA")?;
        if self.captions_per_image > MOST_CAPTIONS {
            let expected = format!("at most {MOST_CAPTIONS}");
            return Err(
                SettingError::new("data.captions_per_image", self.captions_per_image, expected).into()
            );
        }
        let layout = Layout::scan(&self.path)?;
        let table = layout.expect_table(&ATTRIBUTES, SOURCE)?;
        let mut notes = Notes::default();
        let labelled = tables::attributes(table, &mut notes)?;
        let people = People::read(&layout)?;
        let index = FileIndex::scan(layout.folder(&IMAGES))?;
        let rows = labelled.len();
        let mut seen = HashSet::new();
        let mut missing = None;
        let mut found = Vec::new();
        for Labelled { name, attributes } in labelled {
            match index.find_from(index.root(), &name) {
                Ok(path) if seen.insert(path.clone()) => found.push((name, path, attributes)),
                Ok(_) => notes.add("a further row of one image is ignored".into(), name),
                Err(reason) => missing = missing.or(Some((name, reason))),
            }
        }
        if let (true, Some((name, reason))) = (found.is_empty(), &missing) {
            let reason =
                format!("none of the {rows} images of {}: {name}: {reason}; {SOURCE}", table.display());
            return Err(Error::file(index.root(), reason));
        }
        if let Some((name, _)) = missing {
            let count = rows - seen.len();
            notes.add(format!("{count} of {rows} images with attributes are not there"), name);
        }
        let outcome = |(name, path, attributes): (String, Cow<'_, Path>, _)| {
            let (part, group) = people.of(&name);
            let captions = (0..self.captions_per_image)
                .filter_map(|number| captions::caption(&attributes, self.seed, &name, number))
                .collect();
            let (location, name) = (Location::File(path.to_path_buf()), index.relative(&path));
            Record { location, name, part, group, captions, attributes: Some(attributes) }
        };
        let mut records: Vec<Record> = found.into_par_iter().map(outcome).collect();
        keep_or_draw(&mut records, &mut notes);
        people.remark(&records, &mut notes);
        let mut report = PreflightReport::default();
        for record in &mut records {
            let all = record.captions.len();
            record.captions.retain(|caption| self.files.filter.passes(&caption.text));
            report.dropped_captions += all - record.captions.len();
        }
        if self.captions_per_image > 0 {
            records.retain(|record| !record.captions.is_empty());
            report.uncaptioned = index.len() - records.len();
        }
        report.notes = notes.lines();
        Ok(Listing { name: "celeba", schema: facts::schema().clone(), records, report })
    }

    fn reading(&self) -> Reading<'_> {
        Reading { crop: self.crop, files: &self.files, split: &self.split }
    }
}

/// The schema of CelebA, and the attributes of its images by the stems of their names, if the table of
/// attributes is under a folder.
///
/// # Errors
/// If the table has another form.
pub(crate) fn labels(
    layout: &Layout,
    notes: &mut Notes,
) -> Result<Option<(Schema, HashMap<String, Attributes>)>> {
    let Some(table) = layout.table(&ATTRIBUTES) else { return Ok(None) };
    let labelled = tables::attributes(table, notes)?.into_iter();
    let by_stem = labelled.map(|image| (stem(&image.name), image.attributes)).collect();
    Ok(Some((facts::schema().clone(), by_stem)))
}

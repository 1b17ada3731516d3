//! The tables of CelebA: attributes, partition, identities.

use std::collections::HashMap;
use std::path::Path;

use super::facts::{NAMES, schema, spelled};
use crate::attributes::{Attributes, Observation};
use crate::error::{Error, Result};
use crate::formats::grid::{Grid, GridRow};
use crate::formats::layout::{Layout, stem};
use crate::listing::{Part, Record};
use crate::notes::Notes;

/// Where CelebA comes from.
pub(super) const SOURCE: &str = "CelebA is given for research that is not commercial at \
                                 mmlab.ie.cuhk.edu.hk/projects/CelebA.html and may not be passed on";

/// The names of the table of attributes: of CelebA, of its copy at Kaggle, of CelebAMask-HQ.
pub(super) const ATTRIBUTES: [&str; 3] =
    ["list_attr_celeba.txt", "list_attr_celeba.csv", "CelebAMask-HQ-attribute-anno.txt"];

/// The names of the folder of the images.
pub(crate) const IMAGES: [&str; 4] =
    ["img_align_celeba", "img_align_celeba_png", "CelebA-HQ-img", "img_celeba"];

/// The attributes of an image.
#[derive(Debug)]
pub(super) struct Labelled {
    /// Its published name, such as `000001.jpg`.
    pub(super) name: String,
    pub(super) attributes: Attributes,
}

/// Reads the table of attributes.
///
/// # Errors
/// If it has another form, or none of its columns is an attribute of CelebA.
pub(super) fn attributes(file: &Path, notes: &mut Notes) -> Result<Vec<Labelled>> {
    let grid = Grid::read(file)?;
    let places: Vec<Option<usize>> = grid.columns.iter().map(|name| schema().index(&spelled(name))).collect();
    if places.iter().all(Option::is_none) {
        let reason = format!(
            "the columns are [{}], expected the attributes of CelebA ({}, …)",
            grid.columns.join(", "),
            NAMES[0]
        );
        return Err(Error::file(file, reason));
    }
    for (name, place) in grid.columns.iter().zip(&places) {
        if place.is_none() {
            notes.add(
                format!("column `{name}` is no attribute of CelebA and ignored"),
                file.display().to_string(),
            );
        }
    }
    let labelled = |row: GridRow| {
        let mut observations = vec![Observation::Unknown; schema().len()];
        for ((cell, place), column) in row.cells.iter().zip(&places).zip(&grid.columns) {
            let Some(place) = *place else { continue };
            observations[place] = match cell {
                -1 | 0 => Observation::Value(0),
                1 => Observation::Value(1),
                other => {
                    let line = row.line;
                    let reason = format!("line {line}, column {column}: {other}, expected -1, 0 or 1");
                    return Err(Error::file(file, reason));
                }
            };
        }
        Ok(Labelled { name: row.name, attributes: Attributes::new(observations) })
    };
    grid.rows.into_iter().map(labelled).collect()
}

/// The published part and the person of each image, by the stem of its name.
#[derive(Debug, Default)]
pub(crate) struct People {
    parts: Option<HashMap<String, Part>>,
    people: Option<HashMap<String, String>>,
}

impl People {
    /// Reads the partition and the identities, where they are there.
    ///
    /// # Errors
    /// If one of them has another form.
    pub(crate) fn read(layout: &Layout) -> Result<Self> {
        let mut found = Self::default();
        if let Some(file) = layout.table(&["list_eval_partition.txt", "list_eval_partition.csv"]) {
            let mut parts = HashMap::new();
            for row in Grid::read(file)?.rows {
                let part = match row.cells[..] {
                    [0] => Part::Train,
                    [1] => Part::Val,
                    [2] => Part::Test,
                    _ => {
                        let reason =
                            format!("line {}: expected the name of an image and 0, 1 or 2", row.line);
                        return Err(Error::file(file, reason));
                    }
                };
                parts.insert(stem(&row.name), part);
            }
            found.parts = Some(parts);
        }
        if let Some(file) = layout.table(&["identity_CelebA.txt", "identity_CelebA.csv"]) {
            let mut people = HashMap::new();
            for row in Grid::read(file)?.rows {
                let [person] = row.cells[..] else {
                    let reason = format!(
                        "line {}: expected the name of an image and the number of a person",
                        row.line
                    );
                    return Err(Error::file(file, reason));
                };
                people.insert(stem(&row.name), person.to_string());
            }
            found.people = Some(people);
        }
        Ok(found)
    }

    /// The published part and the person of an image.
    pub(crate) fn of(&self, name: &str) -> (Option<Part>, Option<String>) {
        let stem = stem(name);
        let part = self.parts.as_ref().and_then(|parts| parts.get(&stem).copied());
        (part, self.people.as_ref().and_then(|people| people.get(&stem).cloned()))
    }

    /// A remark about images that are in no published part, if others are.
    pub(crate) fn remark(&self, records: &[Record], notes: &mut Notes) {
        let without = records.iter().filter(|record| record.part.is_none()).count();
        if self.parts.is_some() && without > 0 && without < records.len() {
            notes.add(format!("{without} images are in no published part: theirs is drawn"), String::new());
        }
    }
}

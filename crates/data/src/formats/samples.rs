//! Samples of shards and tables become a listing: images, the rows about them, and the schema of their labels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::columns::Row;
use super::labels::Vocabulary;
use super::sources::SCHEMA_FILE;
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::listing::{Listing, Part, Record};
use crate::location::Location;
use crate::notes::Notes;
use crate::preflight::{BadFile, PreflightReport};
use crate::text_file;
use crate::visual::CaptionFilter;

/// An image and the row about it.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Where its bytes are.
    pub(crate) location: Location,
    /// Its path.
    pub(crate) name: String,
    /// The part of its file, which the row overrules.
    pub(crate) part: Option<Part>,
    /// Captions, labels, group and part.
    pub(crate) row: Row,
}

/// All samples of a data set.
#[derive(Default)]
pub(crate) struct Samples {
    /// The samples, in order.
    pub(crate) samples: Vec<Sample>,
    /// The declared schema.
    pub(crate) schema: Option<Schema>,
    /// Remarks about them.
    pub(crate) notes: Notes,
    /// Files and samples that cannot be used.
    pub(crate) bad: Vec<BadFile>,
    /// Whether samples without captions are used: there are no captions at all.
    pub(crate) captionless: bool,
}

/// The listing of samples.
pub(crate) fn listing(name: &'static str, read: Samples, filter: CaptionFilter) -> Listing {
    let Samples { samples, schema, mut notes, bad, captionless } = read;
    let vocabulary = match schema {
        Some(schema) => Vocabulary::declared(schema),
        None => Vocabulary::infer(samples.iter().map(|sample| &sample.row.labels), &mut notes),
    };
    let mut report = PreflightReport { bad, ..PreflightReport::default() };
    // Without a part for training, files called `test` or alike are no parts.
    let parts = samples.iter().any(|sample| sample.part == Some(Part::Train));
    let mut records = Vec::with_capacity(samples.len());
    for Sample { location, name, part, row } in samples {
        let at = match &row.file {
            Some(file) => file.display().to_string(),
            None => name.clone(),
        };
        let attributes = vocabulary.attributes(&row.labels, &at, &mut notes);
        let all = row.texts.len();
        let mut captions: Vec<Caption> = Vec::with_capacity(all);
        for (number, text) in row.texts.into_iter().enumerate() {
            if filter.passes(&text) {
                let claims = vocabulary.claims(&row.labels, number, &at, &mut notes);
                captions.push(Caption { text, claims });
            }
        }
        report.dropped_captions += all - captions.len();
        if captions.is_empty() && !captionless {
            report.uncaptioned += 1;
            continue;
        }
        let part = row.part.or(part.filter(|_| parts));
        records.push(Record { location, name, part, group: row.group, captions, attributes });
    }
    report.notes = notes.lines();
    let drawn = records.iter().filter(|record| record.part.is_none()).count();
    if drawn > 0 && drawn < records.len() {
        report.notes.push(format!("{drawn} images have no published part: it is drawn"));
    }
    Listing { name, schema: vocabulary.schema, records, report }
}

/// The schema in `schema.json` in the first of these folders that has it.
///
/// # Errors
/// If the file has another form.
pub(crate) fn schema_in<'p>(folders: impl IntoIterator<Item = &'p Path>) -> Result<Option<Schema>> {
    let files = folders.into_iter().map(|folder| folder.join(SCHEMA_FILE));
    let Some(file) = files.into_iter().find(|file: &PathBuf| file.is_file()) else { return Ok(None) };
    let text = text_file::read(&file).map_err(|error| Error::file(&file, error))?;
    Ok(Some(serde_json::from_str(&text).map_err(|error| Error::file(&file, error))?))
}

/// Puts the name of its file before a name that several samples of a part have.
pub(crate) fn tell_apart(samples: &mut [Sample]) {
    let mut counts = HashMap::<(Option<Part>, String), usize>::with_capacity(samples.len());
    let key = |sample: &Sample| (sample.row.part.or(sample.part), sample.name.clone());
    samples.iter().for_each(|sample| *counts.entry(key(sample)).or_default() += 1);
    for sample in samples {
        if counts[&key(sample)] > 1 {
            let file = sample.location.file().file_stem().unwrap_or_default().to_string_lossy();
            sample.name = format!("{file}/{}", sample.name);
        }
    }
}

//! Rows become a listing: the schema of their labels, the parts of their images, and the images themselves.

use std::path::PathBuf;

use super::collection::Collection;
use super::columns::{Source, place};
use super::file_index::FileIndex;
use super::labels::Vocabulary;
use super::split_names::{part_in_name, part_of_path};
use crate::attributes::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::listing::{Listing, Part, Record};
use crate::notes::Notes;
use crate::preflight::BadFile;
use crate::text_file;
use crate::visual::CaptionFilter;

/// The file of the schema, beside the metadata.
pub(crate) const SCHEMA_FILE: &str = "schema.json";

/// The rows of a folder.
pub(crate) struct Sources {
    /// The files of the folder.
    pub(crate) index: FileIndex,
    /// Its rows.
    pub(crate) sources: Vec<Source>,
    /// Remarks about them.
    pub(crate) notes: Notes,
    /// Files that cannot be used.
    pub(crate) bad: Vec<BadFile>,
    /// Whether images without captions are used: there are no captions at all.
    pub(crate) captionless: bool,
}

/// The images that rows name.
///
/// # Errors
/// If `schema.json` is wrong, or rows contradict one another in an attribute that it declares.
pub(crate) fn listing(name: &'static str, read: Sources, filter: CaptionFilter) -> Result<Listing> {
    let Sources { index, sources, mut notes, bad, captionless } = read;
    let vocabulary = match declared_schema(&index, &sources)? {
        Some(schema) => Vocabulary::declared(schema),
        None => {
            let rows = sources.iter().flat_map(|source| &source.rows);
            Vocabulary::infer(rows.map(|row| &row.labels), &mut notes)
        }
    };
    let mut collection = Collection::new(filter, vocabulary.schema.clone(), vocabulary.declared);
    collection.notes.append(notes);
    collection.expect(&index);
    collection.bad(bad);
    let empty = sources.iter().all(|source| source.rows.is_empty());
    if captionless && !empty {
        collection.keep_captionless();
    }
    // Without a folder for training, folders called `test` or alike are no parts.
    let training = |part: Option<Part>| part == Some(Part::Train);
    let folders = sources.iter().any(|source| training(source.part))
        || index.images().iter().any(|path| training(part_of_path(&index.relative(path))));
    for source in sources {
        add(source, &index, folders, &vocabulary, &mut collection)?;
    }
    let mut listing = collection.finish(name);
    listing.records.iter_mut().for_each(strip_part);
    let drawn = listing.records.iter().filter(|record| record.part.is_none()).count();
    if drawn > 0 && drawn < listing.records.len() {
        listing.report.notes.push(format!("{drawn} images have no published part: it is drawn"));
    }
    Ok(listing)
}

/// Adds the images of rows.
fn add(
    source: Source,
    index: &FileIndex,
    folders: bool,
    vocabulary: &Vocabulary,
    collection: &mut Collection,
) -> Result<()> {
    let Source { folder, file, part, rows } = source;
    for row in rows {
        let line = row.line;
        let at = match &row.file {
            Some(file) => file.display().to_string(),
            None => place(&file, line),
        };
        let notes = &mut collection.notes;
        let attributes = vocabulary.attributes(&row.labels, &at, notes).map(|attributes| (line, attributes));
        let mut caption =
            |(number, text)| Caption { text, claims: vocabulary.claims(&row.labels, number, &at, notes) };
        let captions: Vec<Caption> = row.texts.into_iter().enumerate().map(&mut caption).collect();
        for image in &row.images {
            let place = |found: &str| {
                let by_folder = || part.or_else(|| part_of_path(found)).filter(|_| folders);
                (row.part.or_else(by_folder), row.group.clone())
            };
            let added =
                collection.add_from(index, &folder, image, captions.clone(), attributes.clone(), place);
            added.map_err(|reason| Error::file(&file, format!("line {line}: {reason}")))?;
        }
    }
    Ok(())
}

/// Leaves the folder of its part out of the name of an image: an export writes it into a folder of the part.
fn strip_part(record: &mut Record) {
    if let Some((first, rest)) = record.name.split_once('/')
        && record.part.is_some()
        && part_in_name(first) == record.part
    {
        record.name = rest.to_owned();
    }
}

/// The schema in `schema.json`, of the whole folder or of the folders of metadata.
fn declared_schema(index: &FileIndex, sources: &[Source]) -> Result<Option<Schema>> {
    let mut folders = vec![index.root()];
    folders.extend(sources.iter().map(|source| source.folder.as_path()));
    folders.dedup();
    let mut found: Option<(PathBuf, Schema)> = None;
    for file in folders.into_iter().map(|folder| folder.join(SCHEMA_FILE)).filter(|file| file.exists()) {
        let text = text_file::read(&file).map_err(|error| Error::file(&file, error))?;
        let schema: Schema = serde_json::from_str(&text).map_err(|error| Error::file(&file, error))?;
        match &found {
            Some((first, known)) if *known != schema => {
                let reason =
                    format!("another schema than {}, expected the same in every part", first.display());
                return Err(Error::file(file, reason));
            }
            Some(_) => {}
            None => found = Some((file, schema)),
        }
    }
    Ok(found.map(|(_, schema)| schema))
}

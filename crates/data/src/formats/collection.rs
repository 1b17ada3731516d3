//! Rows of captions become images: the rows that name one file are one image.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::file_index::FileIndex;
use crate::attributes::{Attributes, NOT_VISIBLE, Observation, Schema};
use crate::dataset::Caption;
use crate::listing::{Listing, Part, Record};
use crate::location::Location;
use crate::notes::Notes;
use crate::preflight::{BadFile, PreflightReport};
use crate::visual::CaptionFilter;

/// The attributes that a row gives, with its line in the file.
pub(crate) type RowAttributes = (usize, Attributes);

/// The images that rows name, in the order in which their files are first named.
pub(crate) struct Collection {
    filter: CaptionFilter,
    schema: Schema,
    /// Whether rows that contradict one another are an error, or leave the attribute unknown.
    strict: bool,
    report: PreflightReport,
    pub(crate) notes: Notes,
    files: usize,
    records: Vec<Record>,
    places: HashMap<PathBuf, usize>,
    /// The first line that gives attributes of an image.
    lines: HashMap<usize, usize>,
    /// The lines of attributes, by image and attribute, that the first line left unknown.
    later: HashMap<(usize, usize), usize>,
    /// The attributes, by image, that rows contradict one another in.
    disputed: HashSet<(usize, usize)>,
    missing: HashSet<PathBuf>,
    /// Whether images without captions stay.
    captionless: bool,
}

impl Collection {
    /// An empty collection of captions that pass `filter` and attributes of `schema`.
    pub(crate) fn new(filter: CaptionFilter, schema: Schema, strict: bool) -> Self {
        Self {
            filter,
            schema,
            strict,
            report: PreflightReport::default(),
            notes: Notes::default(),
            files: 0,
            records: Vec::new(),
            places: HashMap::new(),
            lines: HashMap::new(),
            later: HashMap::new(),
            disputed: HashSet::new(),
            missing: HashSet::new(),
            captionless: false,
        }
    }

    /// Counts the files of a folder before its rows are added.
    pub(crate) fn expect(&mut self, index: &FileIndex) {
        self.files += index.len();
    }

    /// Keeps images without captions: the data set has none.
    pub(crate) fn keep_captionless(&mut self) {
        self.captionless = true;
    }

    /// Adds files that cannot be used.
    pub(crate) fn bad(&mut self, files: Vec<BadFile>) {
        self.report.bad.extend(files);
    }

    /// Counts captions that were dropped before.
    pub(crate) fn dropped(&mut self, captions: usize) {
        self.report.dropped_captions += captions;
    }

    /// Adds the captions and attributes of a row about the file `name`. `place` gives the published part
    /// and the group of a file from its path under the folder of the index; it is called once for each
    /// file.
    ///
    /// On failure, the reason: another row of the file contradicts this one.
    pub(crate) fn add(
        &mut self,
        index: &FileIndex,
        name: &str,
        captions: Vec<Caption>,
        attributes: Option<RowAttributes>,
        place: impl FnOnce(&str) -> (Option<Part>, Option<String>),
    ) -> Result<(), String> {
        self.add_from(index, index.root(), name, captions, attributes, place)
    }

    /// As [`add`](Self::add), for a row of a caption file in `folder`.
    pub(crate) fn add_from(
        &mut self,
        index: &FileIndex,
        folder: &Path,
        name: &str,
        mut captions: Vec<Caption>,
        attributes: Option<RowAttributes>,
        place: impl FnOnce(&str) -> (Option<Part>, Option<String>),
    ) -> Result<(), String> {
        let all = captions.len();
        captions.retain(|caption| self.filter.passes(&caption.text));
        self.dropped(all - captions.len());
        let path = match index.find_from(folder, name) {
            Ok(path) => path,
            Err(reason) => {
                let path = folder.join(name);
                if self.missing.insert(path.clone()) {
                    self.report.bad.push(BadFile { path, reason });
                }
                return Ok(());
            }
        };
        let path = path.as_ref();
        let at = *self.places.entry(path.into()).or_insert_with(|| {
            let name = index.relative(path);
            let ((part, group), location) = (place(&name), Location::File(path.into()));
            self.records.push(Record { location, name, part, group, captions: Vec::new(), attributes: None });
            self.records.len() - 1
        });
        self.records[at].captions.append(&mut captions);
        match attributes {
            Some(attributes) => self.merge(at, name, attributes),
            None => Ok(()),
        }
    }

    /// Adds the attributes of a row to those of earlier rows of the file.
    fn merge(&mut self, place: usize, name: &str, (line, new): RowAttributes) -> Result<(), String> {
        let first = *self.lines.entry(place).or_insert(line);
        let Some(mut known) = self.records[place].attributes.take() else {
            self.records[place].attributes = Some(new);
            return Ok(());
        };
        for (attribute, here) in new.iter().enumerate() {
            let there = known.get(attribute);
            if here == Observation::Unknown || here == there || self.disputed.contains(&(place, attribute)) {
                continue;
            }
            if there == Observation::Unknown {
                self.later.insert((place, attribute), line);
                known = known.with(attribute, here);
                continue;
            }
            let before = self.later.get(&(place, attribute)).copied().unwrap_or(first);
            let [here, there] = [here, there].map(|observation| self.word(attribute, observation));
            let called = self.schema.name(attribute);
            if self.strict {
                return Err(format!("`{called}` of {name} is {here}, and {there} in line {before}"));
            }
            let reason =
                format!("attribute `{called}`: rows of one file contradict one another, unknown there");
            self.notes.add(reason, format!("{name}, lines {before} and {line}"));
            self.disputed.insert((place, attribute));
            known = known.with(attribute, Observation::Unknown);
        }
        self.records[place].attributes = Some(known);
        Ok(())
    }

    fn word(&self, attribute: usize, observation: Observation) -> String {
        match observation {
            Observation::Value(value) => self.schema.values(attribute)[usize::from(value)].clone(),
            _ => NOT_VISIBLE.into(),
        }
    }

    /// The images that have a caption, or all images of a data set without captions, and the result of the
    /// check so far.
    pub(crate) fn finish(mut self, name: &'static str) -> Listing {
        self.records.retain(|record| self.captionless || !record.captions.is_empty());
        self.report.uncaptioned = self.files.saturating_sub(self.records.len());
        self.report.notes = self.notes.lines();
        Listing { name, schema: self.schema, records: self.records, report: self.report }
    }
}

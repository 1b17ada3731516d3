//! Rows of captions become images: the rows that name one file are one image.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::attributes::{Attributes, NOT_VISIBLE, Observation, Schema};
use crate::dataset::Caption;
use crate::file_index::FileIndex;
use crate::image_files::{ImageFile, Part};
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
    images: Vec<ImageFile>,
    places: HashMap<PathBuf, usize>,
    /// The first line that gives attributes of an image.
    lines: HashMap<usize, usize>,
    /// The lines of attributes, by image and attribute, that the first line left unknown.
    later: HashMap<(usize, usize), usize>,
    /// The attributes, by image, that rows contradict one another in.
    disputed: HashSet<(usize, usize)>,
    missing: HashSet<PathBuf>,
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
            images: Vec::new(),
            places: HashMap::new(),
            lines: HashMap::new(),
            later: HashMap::new(),
            disputed: HashSet::new(),
            missing: HashSet::new(),
        }
    }

    /// Counts the files of a folder before its rows are added.
    pub(crate) fn expect(&mut self, index: &FileIndex) {
        self.files += index.len();
    }

    /// Counts captions that were dropped before.
    pub(crate) fn dropped(&mut self, captions: usize) {
        self.report.dropped_captions += captions;
    }

    /// Adds the captions and attributes of a row about the file `name`. `part` gives the part of a
    /// file from its path under the folder of the index; it is called once for each file.
    ///
    /// On failure, the reason: another row of the file contradicts this one.
    pub(crate) fn add(
        &mut self,
        index: &FileIndex,
        name: &str,
        mut captions: Vec<Caption>,
        attributes: Option<RowAttributes>,
        part: impl FnOnce(&str) -> Part,
    ) -> Result<(), String> {
        let all = captions.len();
        captions.retain(|caption| self.filter.passes(&caption.text));
        self.dropped(all - captions.len());
        let path = match index.find(name) {
            Ok(path) => path,
            Err(reason) => {
                let path = index.root().join(name);
                if self.missing.insert(path.clone()) {
                    self.report.bad.push(BadFile { path, reason });
                }
                return Ok(());
            }
        };
        let path = path.as_ref();
        let place = *self.places.entry(path.into()).or_insert_with(|| {
            let (part, captions) = (part(&index.relative(path)), Vec::new());
            self.images.push(ImageFile { path: path.into(), part, captions, attributes: None });
            self.images.len() - 1
        });
        self.images[place].captions.append(&mut captions);
        match attributes {
            Some(attributes) => self.merge(place, name, attributes),
            None => Ok(()),
        }
    }

    /// Adds the attributes of a row to those of earlier rows of the file.
    fn merge(&mut self, place: usize, name: &str, (line, new): RowAttributes) -> Result<(), String> {
        let first = *self.lines.entry(place).or_insert(line);
        let Some(mut known) = self.images[place].attributes.take() else {
            self.images[place].attributes = Some(new);
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
        self.images[place].attributes = Some(known);
        Ok(())
    }

    fn word(&self, attribute: usize, observation: Observation) -> String {
        match observation {
            Observation::Value(value) => self.schema.values(attribute)[usize::from(value)].clone(),
            _ => NOT_VISIBLE.into(),
        }
    }

    /// The images that have a caption, the schema, and the result of the check so far.
    pub(crate) fn finish(mut self) -> (Vec<ImageFile>, Schema, PreflightReport) {
        self.images.retain(|image| !image.captions.is_empty());
        self.report.uncaptioned = self.files.saturating_sub(self.images.len());
        self.report.notes = self.notes.lines();
        (self.images, self.schema, self.report)
    }
}

//! Rows of captions become pictures: the rows that lead to one file are one picture.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::dataset::Caption;
use crate::file_index::FileIndex;
use crate::pictures::{Part, Picture};
use crate::preflight::{BadFile, PreflightReport};
use crate::procedural::{Attributes, NOT_VISIBLE};
use crate::visual::CaptionFilter;

/// The pictures that rows name, in the order in which their files are first named.
pub(crate) struct Album {
    filter: CaptionFilter,
    /// What was found on the way; the files without a caption are known in the end.
    report: PreflightReport,
    files: usize,
    pictures: Vec<Picture>,
    places: HashMap<PathBuf, usize>,
    /// The lines that the attributes of pictures stand on.
    lines: HashMap<usize, usize>,
    missing: HashSet<PathBuf>,
}

impl Album {
    /// An empty one, which takes the captions that pass `filter`.
    pub(crate) fn new(filter: CaptionFilter) -> Self {
        Self {
            filter,
            report: PreflightReport::default(),
            files: 0,
            pictures: Vec::new(),
            places: HashMap::new(),
            lines: HashMap::new(),
            missing: HashSet::new(),
        }
    }

    /// Counts the files of a folder that rows are about to name.
    pub(crate) fn expect(&mut self, index: &FileIndex) {
        self.files += index.len();
    }

    /// Counts captions that were left out before they came here.
    pub(crate) fn dropped(&mut self, captions: usize) {
        self.report.dropped_captions += captions;
    }

    /// Adds what a row says of the file it calls `name`, its attributes with the line they stand on.
    /// `part` says where a file belongs, by its path under the index's folder; it is asked once a file.
    ///
    /// On failure, the reason: another row of the file has said otherwise.
    pub(crate) fn add(
        &mut self,
        index: &FileIndex,
        name: &str,
        mut captions: Vec<Caption>,
        attributes: Option<(usize, Attributes)>,
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
        let place = *self.places.entry(path.into()).or_insert_with(|| {
            let (part, captions) = (part(&index.relative(path)), Vec::new());
            self.pictures.push(Picture { path: path.into(), part, captions, attributes: None });
            self.pictures.len() - 1
        });
        let picture = &mut self.pictures[place];
        picture.captions.append(&mut captions);
        let Some((line, attributes)) = attributes else { return Ok(()) };
        let before = *self.lines.entry(place).or_insert(line);
        let known = *picture.attributes.get_or_insert(attributes);
        match known.differs_in(&attributes) {
            None => Ok(()),
            Some(factor) => {
                let [here, there] = [attributes, known].map(|of| of.value(factor).unwrap_or(NOT_VISIBLE));
                let factor = factor.name();
                Err(format!("`{factor}` of {name} is {here}, and {there} in line {before}"))
            }
        }
    }

    /// The pictures that have a caption, and what was found.
    pub(crate) fn finish(mut self) -> (Vec<Picture>, PreflightReport) {
        self.pictures.retain(|picture| !picture.captions.is_empty());
        self.report.uncaptioned = self.files.saturating_sub(self.pictures.len());
        (self.pictures, self.report)
    }
}

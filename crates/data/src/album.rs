//! Rows of captions become pictures: the rows that lead to one file are one picture.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::dataset::Caption;
use crate::file_index::FileIndex;
use crate::pictures::{Part, Picture};
use crate::preflight::{BadFile, PreflightReport};
use crate::procedural::Attributes;
use crate::visual::CaptionFilter;

/// The pictures that rows name, in the order in which their files are first named.
pub(crate) struct Album {
    filter: CaptionFilter,
    /// What was found on the way; the files without a caption are known in the end.
    report: PreflightReport,
    files: usize,
    pictures: Vec<Picture>,
    places: HashMap<PathBuf, usize>,
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

    /// Adds what a row says of the file it calls `name`. `part` says where a file belongs, by its
    /// path under the index's folder; it is asked once a file.
    pub(crate) fn add(
        &mut self,
        index: &FileIndex,
        name: &str,
        mut captions: Vec<Caption>,
        attributes: Option<Attributes>,
        part: impl FnOnce(&str) -> Part,
    ) {
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
                return;
            }
        };
        let place = *self.places.entry(path.into()).or_insert_with(|| {
            let (part, captions) = (part(&index.relative(path)), Vec::new());
            self.pictures.push(Picture { path: path.into(), part, captions, attributes: None });
            self.pictures.len() - 1
        });
        let picture = &mut self.pictures[place];
        picture.captions.append(&mut captions);
        picture.attributes = picture.attributes.or(attributes);
    }

    /// The pictures that have a caption, and what was found.
    pub(crate) fn finish(mut self) -> (Vec<Picture>, PreflightReport) {
        self.pictures.retain(|picture| !picture.captions.is_empty());
        self.report.uncaptioned = self.files.saturating_sub(self.pictures.len());
        (self.pictures, self.report)
    }
}

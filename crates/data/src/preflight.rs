//! The result of the check of all files before training.

use std::path::PathBuf;

/// A file that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its path, or the path where it was expected.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
}

/// The counts of a data set's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreflightReport {
    /// The number of images in use.
    pub images: usize,
    /// The number of captions in use.
    pub captions: usize,
    /// The number of captions that are empty or that the filter drops.
    pub dropped_captions: usize,
    /// The number of images without colour.
    pub gray: usize,
    /// The number of images that have fewer pixels in use than the resolution.
    pub enlarged: usize,
    /// The number of images without a caption, which are not used.
    pub uncaptioned: usize,
    /// The files that are not used.
    pub bad: Vec<BadFile>,
    /// Remarks about columns, attributes and claims that are ignored or read in part, a line each.
    pub notes: Vec<String>,
}

impl PreflightReport {
    /// The unusable files as tab-separated `path` and `reason`, with a header.
    pub fn bad_files_tsv(&self) -> String {
        let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let mut table = String::from("path\treason\n");
        for bad in &self.bad {
            table.push_str(&format!("{}\t{}\n", clean(&bad.path.to_string_lossy()), clean(&bad.reason)));
        }
        table
    }
}

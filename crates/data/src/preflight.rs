//! What was found when every file was read once, before training.

use std::path::PathBuf;

/// A file that will not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Where it is, or where it was looked for.
    pub path: PathBuf,
    /// Why it is left out.
    pub reason: String,
}

/// The counts of a dataset's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreflightReport {
    /// Images that will be used.
    pub images: usize,
    /// Captions that will be used.
    pub captions: usize,
    /// Captions left out by the filter, or empty.
    pub dropped_captions: usize,
    /// Images without colour.
    pub gray: usize,
    /// Images without a caption, which are not used.
    pub uncaptioned: usize,
    /// Files that will not be used.
    pub bad: Vec<BadFile>,
}

impl PreflightReport {
    /// The bad files as tab-separated `path` and `reason`, with a header.
    pub fn bad_files_tsv(&self) -> String {
        let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let mut table = String::from("path\treason\n");
        for bad in &self.bad {
            table.push_str(&format!("{}\t{}\n", clean(&bad.path.to_string_lossy()), clean(&bad.reason)));
        }
        table
    }
}

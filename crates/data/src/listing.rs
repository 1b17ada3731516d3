//! The images of a data set of files, as its format lists them: names, captions and labels, no pixels.

use std::path::Path;

use t2f_ops::setting::SettingError;

use crate::attributes::{Attributes, Schema};
use crate::dataset::Caption;
use crate::error::Result;
use crate::files_config::FilesConfig;
use crate::location::Location;
use crate::preflight::PreflightReport;
use crate::split_config::SplitConfig;

/// One image of a data set of files.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Where its bytes are.
    pub(crate) location: Location,
    /// Its path under the root of the data set, with forward slashes; an export keeps it.
    pub(crate) name: String,
    /// Its published part, if there is one.
    pub(crate) part: Option<Part>,
    /// The person, where known: all images of a group belong to one part.
    pub(crate) group: Option<String>,
    /// Its captions; none in a captionless data set.
    pub(crate) captions: Vec<Caption>,
    /// Its attributes, where known.
    pub(crate) attributes: Option<Attributes>,
}

/// The part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    Train,
    Val,
    Test,
    TestComb,
}

/// All images of a data set of files, in order.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The short name of the data set.
    pub(crate) name: &'static str,
    /// The schema of attributes and claims.
    pub(crate) schema: Schema,
    /// The images.
    pub(crate) records: Vec<Record>,
    /// Captions that were dropped, files without a caption, files that are missing, and notes.
    pub(crate) report: PreflightReport,
}

/// A format of data sets of files: its paths, and the settings that every format has.
pub(crate) trait Format {
    /// Reads names, captions and labels, and no pixels.
    ///
    /// # Errors
    /// If a path is not set, or a file is missing or has another form.
    fn list(&self) -> Result<Listing>;

    /// The settings that every format has.
    fn reading(&self) -> Reading<'_>;
}

/// How the images of a listing are read and split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'c> {
    /// The central part of each image that is used.
    pub(crate) crop: f64,
    /// The settings of the files.
    pub(crate) files: &'c FilesConfig,
    /// The parts of images without a published part.
    pub(crate) split: &'c SplitConfig,
}

/// Checks that a path is set.
pub(crate) fn check_set(key: &str, path: &Path, expected: &str) -> Result<()> {
    if !path.as_os_str().is_empty() {
        return Ok(());
    }
    Err(SettingError::new(key, "not set", expected).into())
}

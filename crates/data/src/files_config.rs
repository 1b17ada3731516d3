//! The `[data.files]` table: how image files are read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fit::Fit;
use crate::visual::CaptionFilter;

/// How image files and their captions are read. Shared by the `lfw` and `folder` data sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// How an image that is not square becomes square. Default `crop`.
    pub fit: Fit,
    /// The captions that are used: `all` or `visual`. Default `all`.
    pub filter: CaptionFilter,
    /// Whether more than 5 % of the files may be unusable. Default false.
    pub allow_bad: bool,
    /// A folder for decoded pixels. Default none: they stay in memory.
    pub cache: Option<PathBuf>,
    /// Memory for decoded pixels in MiB; images beyond it are read again each time. Default 2048.
    pub memory_mib: usize,
    /// The RGB colour behind transparency and padding. Default white.
    pub background: [u8; 3],
    /// The largest image that is decoded, in megapixels. Default 64.
    pub max_megapixels: u32,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            fit: Fit::Crop,
            filter: CaptionFilter::All,
            allow_bad: false,
            cache: None,
            memory_mib: 2048,
            background: [255; 3],
            max_megapixels: 64,
        }
    }
}

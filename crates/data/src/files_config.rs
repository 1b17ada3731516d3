//! The `[data.files]` table: how image files are read.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fit::Fit;
use crate::visual::CaptionFilter;

/// How image files and their captions are read. Shared by all data sets of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// How an image that is not square becomes square. Default `crop`.
    pub fit: Fit,
    /// The captions that are used: `all` or `visual`. Default `all`.
    pub filter: CaptionFilter,
    /// Whether more than 5 % of the files may be unusable. Default false.
    pub allow_bad: bool,
    /// The folder of decoded pixels, which runs share: `auto`, `off` or a path. Default `auto`.
    pub cache: Cache,
    /// The size of the cache in GiB; the pixels used longest ago leave it first. Default 16.
    pub cache_gib: u32,
    /// Memory for decoded pixels that are not in the cache, in MiB; images beyond it are read again each
    /// time. Default 2048.
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
            cache: Cache::Auto,
            cache_gib: 16,
            memory_mib: 2048,
            background: [255; 3],
            max_megapixels: 64,
        }
    }
}

/// The folder of decoded pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// `t2f` in the user's folder of caches (`XDG_CACHE_HOME`, or `.cache` in the home folder), for data
    /// sets of 256 images or more. Written `auto`.
    #[default]
    Auto,
    /// No cache: pixels stay in memory. Written `off`.
    Off,
    /// A folder of this path.
    Folder(PathBuf),
}

impl Cache {
    /// The folder for a data set that is large or not; `None` if nothing is cached.
    pub(crate) fn folder(&self, large: bool) -> Option<PathBuf> {
        match self {
            Self::Off => None,
            Self::Folder(folder) => Some(folder.clone()),
            Self::Auto if !large => None,
            Self::Auto => {
                let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
                let caches = set.filter(|path| path.is_absolute());
                Some(caches.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("t2f"))
            }
        }
    }
}

impl From<PathBuf> for Cache {
    fn from(folder: PathBuf) -> Self {
        match folder.to_str() {
            Some("auto") => Self::Auto,
            Some("off") => Self::Off,
            _ => Self::Folder(folder),
        }
    }
}

impl Serialize for Cache {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => "auto".serialize(serializer),
            Self::Off => "off".serialize(serializer),
            Self::Folder(folder) => folder.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Cache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(PathBuf::deserialize(deserializer)?.into())
    }
}

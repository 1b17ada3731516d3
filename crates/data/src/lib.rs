//! Faces and the words for them: datasets, their splits, and the batches training sees.
//!
//! The seam is [`Dataset`]: images and captions by index. [`DataConfig::open`] builds one of the
//! kinds there are and splits it; [`Loader`] turns a part into batches that are a pure function of
//! a key and a position; [`Prefetch`] computes them ahead on other threads. The default kind,
//! [`procedural`], draws its faces, so that training needs no download, and knows what each of
//! its captions claims, so that a generated face can be scored against its caption.
//!
//! This crate knows nothing of networks, tokens or schedules.

mod album;
mod cached;
mod config;
mod csv;
mod dataset;
mod decode;
mod error;
mod export;
mod face2text;
mod file_index;
mod fit;
mod image;
mod image_folder;
mod lfw;
mod loader;
mod pictures;
mod pixel_cache;
mod prefetch;
mod preflight;
pub mod procedural;
pub mod text_file;
mod visual;

pub use cached::Cached;
pub use config::{DataConfig, ProceduralConfig};
pub use dataset::{Caption, Dataset, Example, Splits, Subset};
pub use error::{Error, Result};
pub use export::export;
pub use fit::Fit;
pub use image::{Image, contact_sheet};
pub use image_folder::FolderConfig;
pub use lfw::LfwConfig;
pub use loader::{Batch, Dropping, Loader};
pub use prefetch::{Prefetch, Request};
pub use preflight::{BadFile, PreflightReport};
pub use procedural::{Attributes, Claim, Claims, Factor};
pub use visual::CaptionFilter;

//! Faces and their captions: data sets, their parts, and the batches of training.
//!
//! The extension point is [`Dataset`]: images and captions by index, and, where known, attributes in
//! the terms of a [`Schema`] that the data set owns. [`DataConfig::open`] opens one of the built-in
//! kinds; [`Splits::new`] and [`Splits::by_fraction`] take data sets from outside. A [`Loader`] makes
//! batches that are a pure function of a key and a position, and [`Prefetch`] computes them in
//! advance on other threads. The default data set, [`procedural`], renders its faces and knows the
//! claims of its captions.
//!
//! This crate knows nothing of networks, tokens or schedules.
//!
//! ```
//! use t2f_data::{DataConfig, Loader, ProceduralConfig};
//! use t2f_ops::rng::Key;
//!
//! let config = ProceduralConfig { train_images: 100, ..ProceduralConfig::default() };
//! let splits = DataConfig::Procedural(config).open(32)?;
//! let loader = Loader::new(splits.train.clone(), Key::new(0));
//! let batch = loader.batch(0, 4, 16)?;
//! assert_eq!((batch.len(), batch.pixels.len()), (4, 4 * 3 * 16 * 16));
//! for item in &batch.items {
//!     let attributes = item.attributes.as_ref().unwrap();
//!     assert!(item.claims.holds(attributes), "{}", item.caption);
//! }
//! assert_eq!(splits.schema().values(0), ["woman", "man"]);
//! # Ok::<(), t2f_data::Error>(())
//! ```

pub mod attributes;
mod batch;
mod cached;
mod captions;
mod config;
mod convert;
mod dataset;
mod decode;
mod error;
mod files_config;
mod fit;
mod formats;
mod forward;
mod image;
mod image_files;
mod licences;
mod listing;
mod loader;
mod loader_config;
mod location;
mod near_duplicates;
mod notes;
pub mod people;
mod pixel_cache;
mod prefetch;
mod preflight;
pub mod procedural;
mod split_config;
mod splits;
mod squares;
pub mod text_file;
mod visual;

pub use attributes::{
    Attribute, Attributes, Claim, ClaimedCaption, ClaimedCaptions, Claims, Observation, Schema,
};
pub use batch::{Batch, Item};
pub use cached::Cached;
pub use config::{DataConfig, ProceduralConfig, SOURCES};
pub use convert::{Form, Pixels, convert, export};
pub use dataset::{Caption, CaptionEdit, Dataset, Example};
pub use error::{Error, Result};
pub use files_config::{Cache, FilesConfig};
pub use fit::Fit;
pub use formats::celeba::CelebaConfig;
pub use formats::celeba_dialog::CelebaDialogConfig;
pub use formats::coco::CocoConfig;
pub use formats::face2text_v2::Face2TextConfig;
pub use formats::ffhq::FfhqConfig;
pub use formats::flickr8k::Flickr8kConfig;
pub use formats::folder::FolderConfig;
pub use formats::lfw::{LfwConfig, LfwSchema};
pub use formats::parquet::ParquetConfig;
pub use formats::text_folder::{MmCelebaHqConfig, TextFilesConfig};
pub use formats::webdataset::WebdatasetConfig;
pub use image::{Image, contact_sheet};
pub use licences::Terms;
pub use loader::Loader;
pub use loader_config::{CaptionDropout, LoaderConfig};
pub use near_duplicates::{NearDuplicate, near_duplicates};
pub use prefetch::{Prefetch, Request};
pub use preflight::{BadFile, PreflightReport};
pub use split_config::SplitConfig;
pub use splits::{Splits, Subset};
pub use visual::CaptionFilter;

//! Pictures of a run: loss curves, contact sheets, caption grids, timelapses, animations, and PNG files
//! that state their origin.
//!
//! Input is data ([`t2f_data::Image`], rows of statistics), output is bytes; this crate contains no
//! networks.
//!
//! ```
//! use t2f_data::Image;
//! use t2f_pictures::picture;
//! use t2f_pictures::sheet::{Layout, Tile, contact_sheet};
//!
//! let tile = Tile { image: Image::filled(4, 4, [200, 30, 30]), caption: "a red square".into() };
//! let sheet = contact_sheet(&[tile], &Layout::default())?;
//! let png = picture::to_png(&sheet, None)?;
//! assert_eq!(picture::from_png(&png)?, sheet);
//! # t2f_pictures::Result::Ok(())
//! ```

pub mod animation;
mod canvas;
pub mod curves;
mod error;
mod lettering;
mod palette;
pub mod picture;
pub mod provenance;
pub mod run_log;
pub mod run_report;
pub mod sheet;
pub mod timelapse;

pub use canvas::enlarged;
pub use error::{Error, Result};

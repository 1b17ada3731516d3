//! Pictures of a run: loss curves, contact sheets, caption grids, timelapses, and PNG files that
//! state their origin.
//!
//! Input is data ([`t2f_data::Image`], rows of statistics), output is bytes; this crate knows no
//! network.

mod canvas;
pub mod curves;
mod error;
mod lettering;
pub mod picture;
pub mod provenance;
pub mod run_report;
pub mod sheet;
pub mod timelapse;

pub use canvas::enlarged;
pub use error::{Error, Result};

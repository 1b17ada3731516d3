//! t2f-train

pub mod curves;
pub mod picture;
pub mod provenance;
pub mod sheet;
pub mod story;
pub mod timelapse;

mod canvas;
mod lettering;

pub use canvas::enlarged;

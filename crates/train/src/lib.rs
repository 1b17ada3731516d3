//! t2f-train

pub mod picture;
pub mod provenance;
pub mod sheet;
pub mod timelapse;

mod lettering;

//! Training, whole: the loop and its schedule, optimiser and average, checkpoints and run folders,
//! the model file, and what a run shows of itself.
//!
//! This crate knows data, text and networks, and is where they meet. It never prints: it tells
//! whoever watches by [`trainer::Event`].

pub mod adam;
mod canvas;
pub mod checkpoint;
pub mod config;
pub mod curves;
pub mod device;
pub mod disk;
pub mod divergence;
pub mod ema;
mod error;
pub mod footprint;
mod labels;
mod lettering;
pub mod metrics;
pub mod model;
pub mod painter;
pub mod picture;
pub mod provenance;
pub mod recorder;
pub mod run_dir;
mod samples;
pub mod schedule;
pub mod sheet;
pub mod step;
pub mod story;
mod tensors;
pub mod timelapse;
pub mod trainer;
mod weights;
pub mod yardstick;

pub use canvas::enlarged;
pub use error::{Error, Result};

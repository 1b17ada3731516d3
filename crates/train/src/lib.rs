//! Training, whole: the loop and its schedule, optimiser and average, checkpoints and run folders,
//! the model file, and what a run shows of itself.
//!
//! This crate knows data, text and networks, and is where they meet. It never prints: it tells
//! whoever watches by [`trainer::Event`].

pub mod checkpoint;
pub mod components;
pub mod config;
pub mod device;
pub mod divergence;
pub mod ema;
mod error;
pub mod footprint;
mod labels;
pub mod model;
pub mod pipeline;
pub mod rollback;
pub mod run_dir;
pub mod samples;
pub mod schedule;
pub mod state;
mod stored_weights;
pub mod trainer;

pub use error::{Error, Result};
pub use t2f_files::{disk, json_lines};
pub use t2f_metrics as metrics;
pub use t2f_pictures as pictures;

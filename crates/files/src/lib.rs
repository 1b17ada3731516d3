//! Files that survive a kill: atomic replacement, checksummed JSON lines, and safetensors with a
//! seal over the whole file.
//!
//! This crate knows bytes, names and tensors; runs, models and metrics are its users.

pub mod disk;
mod error;
pub mod json_lines;
pub mod tensors;

pub use error::{Error, Result};

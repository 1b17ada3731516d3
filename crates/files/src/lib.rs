//! Files that survive a kill or a power cut: atomic replacement, checksummed JSON lines, and
//! safetensors with a hash over the whole file; and `~` in paths.
//!
//! Content is bytes, names and tensors; runs, models and metrics are defined in other crates.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use candle_core::{Device, Tensor};
//! use t2f_files::disk::{OsDisk, replace};
//! use t2f_files::tensors;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("weights.safetensors");
//! let weights = BTreeMap::from([("w".to_owned(), Tensor::new(&[1f32, 2.0], &Device::Cpu)?)]);
//! replace(&OsDisk, &path, &tensors::to_bytes(&weights, "{}")?)?;
//!
//! let mut bytes = std::fs::read(&path)?;
//! assert!(tensors::from_bytes(&bytes)?.0.contains_key("w"));
//! *bytes.last_mut().unwrap() ^= 1;
//! assert!(tensors::from_bytes(&bytes).is_err());
//! # Ok(())
//! # }
//! ```

pub mod disk;
mod error;
pub mod home;
pub mod json_lines;
pub mod mapped;
pub mod tensors;

pub use error::{Cause, Error, Result};

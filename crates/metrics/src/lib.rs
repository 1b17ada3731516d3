//! Scores of what a generator draws.
//!
//! On drawn faces everything that a caption claims is known. [`oracle`] sees which factors a face
//! shows; [`attributes`], [`edits`], [`paraphrase`] and [`diversity`] hold that against the captions, and
//! [`faces`] does all of it for a generator. [`sample`] says which captions are drawn from.
//! Formulas, sources and protocol are in `docs/metrics.md`.

pub mod attributes;
pub mod class_score;
pub mod diversity;
pub mod edits;
mod error;
pub mod estimate;
pub mod faces;
pub mod features;
pub mod inception;
pub mod kernel;
pub mod measure;
pub mod memorisation;
pub mod moments;
pub mod ms_ssim;
pub mod neighbours;
pub mod oracle;
pub mod paraphrase;
pub mod report;
pub mod resize;
pub mod retrieval;
pub mod sample;
pub mod sliced_wasserstein;
pub mod statistics;
pub mod symmetric;
pub mod weights;

pub use error::{Error, Result};

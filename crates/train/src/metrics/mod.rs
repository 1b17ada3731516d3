//! Scores of what a generator draws.
//!
//! On drawn faces everything that a caption claims is known. [`oracle`] sees which factors a face
//! shows; [`attributes`], [`edits`], [`paraphrase`] and [`diversity`] hold that against the captions, and
//! [`faces`] does all of it for a generator. [`sample`] says which captions are drawn from.
//! Formulas, sources and protocol are in `docs/metrics.md`.

pub mod attributes;
pub mod diversity;
pub mod edits;
pub mod estimate;
pub mod faces;
pub mod oracle;
pub mod paraphrase;
pub mod report;
pub mod sample;

//! Scores of what a generator draws.
//!
//! [`oracle`] sees which factors a face shows; [`attributes`] holds that against what the caption
//! claims, and [`measure`] does so for a model. They know the drawn faces only: on photographs there is nothing they could be held to.

pub mod attributes;
pub mod measure;
pub mod oracle;

//! Metrics of text-to-image generators.
//!
//! A [`Metric`] takes generated images and gives a [`Report`](metric::Report); [`all`] lists the
//! metrics of this crate, and [`measure`](measure::measure) computes a list of them in one pass over
//! the generated images. The input is a generator and the parts of a data set ([`Context`]), not a
//! model file. Formulas, sources and protocol are in `docs/metrics.md`.
//!
//! A metric of one's own is one type and one line:
//!
//! ```
//! use t2f_data::procedural::{ProceduralFaces, Split};
//! use t2f_data::{Dataset, Image, Splits};
//! use t2f_metrics::measure::measure;
//! use t2f_metrics::metric::{Accumulator, Batch, Better, MetricValue, Part, Report};
//! use t2f_metrics::request::GenerationRequest;
//! use t2f_metrics::{Context, Metric, Result};
//!
//! /// The mean pixel of generated images, in [0, 255].
//! struct Brightness;
//!
//! impl Metric for Brightness {
//!     fn name(&self) -> &'static str {
//!         "brightness"
//!     }
//!     fn about(&self) -> &'static str {
//!         "the mean pixel"
//!     }
//!     fn start<'a>(&'a self, _: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
//!         Ok(Box::new(Mean { sum: 0.0, count: 0.0 }))
//!     }
//! }
//!
//! struct Mean {
//!     sum: f64,
//!     count: f64,
//! }
//!
//! impl Accumulator for Mean {
//!     fn observe(&mut self, batch: &Batch) -> Result<()> {
//!         for pixel in batch.images().iter().flat_map(|image| &image.pixels) {
//!             self.sum += f64::from(*pixel);
//!             self.count += 1.0;
//!         }
//!         Ok(())
//!     }
//!     fn finish(self: Box<Self>, _: &[Image]) -> Result<Report> {
//!         let mean = self.sum / self.count;
//!         Ok(Report::new([MetricValue::number("brightness", "mean pixel", mean, Better::Nearer)]))
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! use std::sync::Arc;
//! let part = |split| Arc::new(ProceduralFaces::new(split, 0, 8, 16));
//! let splits = Splits::new(part(Split::Train), part(Split::Val), part(Split::Test))?;
//! let request = GenerationRequest::first(splits.test.as_ref(), 6, 1, 0)?;
//! let generate = |captions: &[String], _seeds: &[u64]| Ok(vec![Image::filled(16, 16, [3; 3]); captions.len()]);
//!
//! let mut metrics = t2f_metrics::select(t2f_metrics::all(), &["swd"])?;
//! metrics.push(Box::new(Brightness));
//! let measurement = measure(&Context::new(&generate, &splits, Part::Test, &request), &metrics)?;
//! let values: Vec<_> = measurement.values().map(|value| (value.key.as_str(), value.numbers())).collect();
//! assert_eq!(values.last(), Some(&("brightness", Some((3.0, None)))));
//! # Ok(())
//! # }
//! ```
//!
//! The metrics of attributes need an [`Oracle`](oracle::Oracle), a classifier that is trained on the
//! attributes of the data. A metric that cannot be computed is left out with its reason.

pub mod agreement;
pub mod attributes;
mod cache;
pub mod class_score;
pub mod composition;
pub mod distances;
pub mod diversity;
pub mod edits;
mod error;
pub mod estimate;
pub mod features;
pub mod images;
pub mod inception;
pub mod kernel;
mod list;
pub mod measure;
pub mod memorisation;
pub mod metric;
pub mod moments;
pub mod ms_ssim;
pub mod nearest;
pub mod neighbours;
pub mod oracle;
pub mod paraphrase;
pub mod people;
pub mod prediction;
pub mod report;
pub mod request;
pub mod resize;
pub mod retrieval;
pub mod sliced_wasserstein;
pub mod state_dict;
pub mod statistics;
pub mod stripes;
pub mod symmetric;

pub use error::{Error, Result};
pub use list::{all, select};
pub use metric::{Context, Metric};

//! Experiments: a folder each, which declares the runs to train, the figures to measure and the
//! values that the documents state; this crate trains, measures and compares.
//!
//! - [`declare`] reads `experiment.toml`: question, runs, measurements, table.
//! - [`run`] trains the runs of an experiment, resumes those that were interrupted, measures them
//!   and writes `results.json`.
//! - [`measure`] holds the kinds of measurement: the metrics of `t2f metrics`, means of training
//!   statistics, [`own_face`] and [`levels`].
//! - [`expect`] reads `expected.json` and checks results against it.
//! - [`compare`] prints the table of an experiment and the outcome of its checks.
//!
//! No experiment is named in the code: another one is another folder.

pub mod compare;
pub mod declare;
pub mod distance;
pub mod expect;
pub mod levels;
pub mod measure;
pub mod own_face;
pub mod results;
pub mod run;
pub mod training;

//! Experiments: each is a folder that declares runs, measurements and documented figures; this crate
//! trains, measures and compares.
//!
//! - [`declare`] reads `experiment.toml`: question, runs, measurements, table.
//! - [`run`] trains the runs of an experiment, resumes those that were interrupted, measures them
//!   and writes `results.json`.
//! - [`measure`] holds the kinds of measurement: the metrics of `t2f metrics`, means of training
//!   statistics, [`own_face`] and [`levels`].
//! - [`expect`] reads `expected.json` and checks results against it.
//! - [`compare`] prints the table of an experiment and the outcome of its checks.
//!
//! No experiment is named in the code; a new folder is a new experiment.

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

//! Named experiments: a folder each with the question, the command, the expected result and the
//! cost; this crate trains and measures.
//!
//! A measurement is a function of a model file or of a [`Pipeline`](t2f_train::pipeline::Pipeline),
//! so that the tests and the program ask the same thing.

pub mod distance;
pub mod fade_in;
pub mod overfit;
pub mod training;

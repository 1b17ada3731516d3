//! Event files of TensorBoard, written without TensorFlow.
//!
//! An event file is a list of records with checksums ([TFRecord]); each is an `Event` of TensorBoard's protocol
//! buffers, with the values of one step. This crate writes events and reads none. Scalars have 32 bits, as in
//! TensorBoard.
//!
//! [TFRecord]: https://www.tensorflow.org/tutorials/load_data/tfrecord

mod histogram;
mod message;
mod record;
mod summary;
mod writer;

pub use histogram::Histogram;
pub use summary::{Setting, Summary};
pub use writer::Writer;

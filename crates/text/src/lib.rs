//! Captions → embeddings.
//!
//! The seam is [`TextEncoder`]: strings in, `(B, E)` out. [`TextConfig`] names the implementation
//! in this crate, a word-level tokenizer trained on the training captions and an LSTM over its
//! tokens, and builds it. Padding never reaches the embedding of a caption.
//!
//! This crate never sees an image.

mod compat;
mod encoder;
mod error;
mod lstm;
mod tokenizer;

pub use compat::Compat;
pub use encoder::{LstmConfig, LstmEncoder, Pooling, TextConfig, TextEncoder};
pub use error::{Error, Result};
pub use lstm::Lstm;
pub use tokenizer::Tokenizer;

//! Text encoders: captions in, embeddings of shape `(B, E)` out.
//!
//! The extension point is the trait [`TextEncoder`]. [`TextConfig`] names the implementations in this
//! crate and builds them: a word-level tokenizer trained on the training captions with an LSTM over its
//! tokens, and a frozen sentence encoder of a local folder. Padding does not change the embedding of a caption.
//!
//! This crate does not use images.
//!
//! ```
//! use candle_core::{DType, Device};
//! use t2f_ops::init::Parameters;
//! use t2f_ops::rng::Key;
//! use t2f_text::TextConfig;
//!
//! let config = TextConfig::default();
//! let tokenizer = config.train_tokenizer(["a bald man", "an old woman with a hat"])?;
//! let parameters = Parameters::drawn(Key::new(0));
//! let encoder = config.build(tokenizer, parameters.builder(DType::F32, &Device::Cpu))?;
//! let embeddings = encoder.encode(&["a man".into(), "an old woman".into()])?;
//! assert_eq!(embeddings.dims(), [2, encoder.embedding_size()]);
//! assert_eq!(encoder.unknown_words("a young man")?, ["young"]);
//! # t2f_text::Result::Ok(())
//! ```

mod bert;
mod compat;
mod config;
mod encoder;
mod error;
mod lstm;
mod negation;
mod normalization;
mod segmentation;
mod sentence;
mod sentence_cache;
mod subwords;
mod text_encoder;
mod tokenizer;
mod vocabulary;
mod word_vectors;

pub use compat::Compat;
pub use config::{LstmConfig, Pooling};
pub use encoder::{LstmEncoder, TextConfig};
pub use error::{Error, Result};
pub use lstm::Lstm;
pub use negation::{Negation, negations};
pub use sentence::{SentenceConfig, SentenceEncoder};
pub use subwords::SubwordConfig;
pub use text_encoder::TextEncoder;
pub use tokenizer::Tokenizer;
pub use vocabulary::Vocabulary;
pub use word_vectors::{KeptVectors, WORD_VECTORS, keep_vectors};

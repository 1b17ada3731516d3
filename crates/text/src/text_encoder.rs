//! The trait of text encoders.

use candle_core::Tensor;

use crate::error::Result;

/// A text encoder: captions to embeddings.
///
/// An encoder owns its tokenizer and its parameters. The `VarBuilder` that builds it decides whether the
/// parameters are trainable.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use t2f_text::{Result, TextEncoder};
///
/// /// The lengths of a caption, in words and in letters.
/// #[derive(Debug)]
/// struct Lengths;
///
/// impl TextEncoder for Lengths {
///     fn encode(&self, captions: &[String]) -> Result<Tensor> {
///         let row = |text: &String| [text.split_whitespace().count() as f32, text.chars().count() as f32];
///         let rows: Vec<f32> = captions.iter().flat_map(row).collect();
///         Ok(Tensor::from_vec(rows, (captions.len(), 2), &Device::Cpu)?)
///     }
///     fn embedding_size(&self) -> usize {
///         2
///     }
///     fn unknown_words(&self, _caption: &str) -> Result<Vec<String>> {
///         Ok(Vec::new())
///     }
/// }
///
/// assert_eq!(Lengths.encode(&["a bald man".into()])?.dims(), [1, Lengths.embedding_size()]);
/// # t2f_text::Result::Ok(())
/// ```
pub trait TextEncoder: Send + Sync + std::fmt::Debug {
    /// The embeddings of captions.
    ///
    /// # Shapes
    /// The result is `(B, E)`.
    ///
    /// # Errors
    /// If there are no captions, or the device fails. Every text has an embedding.
    fn encode(&self, captions: &[String]) -> Result<Tensor>;

    /// The embedding size E.
    fn embedding_size(&self) -> usize;

    /// The unknown words of a caption, in order, once each.
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn unknown_words(&self, caption: &str) -> Result<Vec<String>>;

    /// Whether unknown words contribute to the embedding, by their letters; otherwise, the default, they are
    /// ignored.
    fn reads_unknown_words(&self) -> bool {
        false
    }

    /// The known word whose vector is most similar to that of an unknown word, which is read about like it, and
    /// the cosine of the two. `None`, the default, if unknown words are ignored, or no known word is similar.
    ///
    /// # Errors
    /// If the tokenizer or the device fails.
    fn similar_word(&self, _word: &str) -> Result<Option<(String, f32)>> {
        Ok(None)
    }

    /// The words at the end of a caption that are not read, in order, since the caption has more than the
    /// maximum length. An encoder without a maximum returns none, the default.
    ///
    /// # Errors
    /// If the tokenizer fails.
    fn cut_words(&self, _caption: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

//! Word vectors of another vocabulary.

use candle_core::Tensor;

use crate::error::Result;
use crate::tokenizer::Tokenizer;

/// The name of the word vectors `(V, W)` among the parameters of the LSTM encoder.
pub const WORD_VECTORS: &str = "embedding.weight";

/// The difference of cosines of words that are equally similar.
const NEAR: f32 = 0.1;

/// Word vectors of which some come from another vocabulary.
#[derive(Debug)]
pub struct KeptVectors {
    /// The vectors, `(V, W)`.
    pub vectors: Tensor,
    /// Words that have their vector of the other vocabulary, without the tokens of padding and of unknown
    /// words.
    pub kept: usize,
    /// Words of the vocabulary, without these tokens.
    pub words: usize,
}

/// Replaces the vectors of all words that another vocabulary has, too, by those of that vocabulary. The
/// tokens of padding and of unknown words, which every vocabulary has, are replaced likewise.
///
/// # Shapes
/// `vectors`: `(V, W)`, a row for each id of `tokenizer`; `others`: `(V', W)`, a row for each id of
/// `of_others`; the result is `(V, W)`.
///
/// # Errors
/// If a shape does not fit.
pub fn keep_vectors(
    vectors: &Tensor,
    tokenizer: &Tokenizer,
    others: &Tensor,
    of_others: &Tokenizer,
) -> Result<KeptVectors> {
    let both = Tensor::cat(&[others, vectors], 0)?; // (V' + V, W)
    let known = others.dim(0)? as u32;
    let pairs = tokenizer.ids_in(of_others);
    let rows = pairs.iter().enumerate().map(|(id, other)| other.unwrap_or(known + id as u32));
    let rows = Tensor::from_vec(rows.collect::<Vec<u32>>(), pairs.len(), vectors.device())?;
    let special = Tokenizer::SPECIAL;
    Ok(KeptVectors {
        vectors: both.index_select(&rows, 0)?,
        kept: pairs.iter().skip(special).flatten().count(),
        words: pairs.len().saturating_sub(special),
    })
}

/// The first word whose cosine with `vector` is within [`NEAR`] of the largest, and the cosine. Words are ordered by
/// frequency, so that of *woman* and the typing error *womna* the word is taken.
pub(crate) fn most_similar(vector: &[f32], words: Vec<(String, Vec<f32>)>) -> Option<(String, f32)> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosine = |other: &[f32]| {
        let root = (dot(vector, vector) * dot(other, other)).sqrt();
        if root > 0.0 { dot(vector, other) / root } else { 0.0 }
    };
    let all: Vec<(String, f32)> = words.into_iter().map(|(word, other)| (word, cosine(&other))).collect();
    let largest = all.iter().fold(f32::NEG_INFINITY, |largest, (_, cosine)| largest.max(*cosine));
    all.into_iter().find(|(_, cosine)| *cosine >= largest - NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn words_of_both_vocabularies_keep_their_vectors() -> Result<()> {
        let train = |captions: &[&str]| Tokenizer::train(captions, 1, 100, None).unwrap();
        let (old, new) = (train(&["a bald man", "a man", "a"]), train(&["hat man", "man"]));
        let rows = |from: f32, count| Tensor::arange(from, from + 2.0 * count as f32, &Device::Cpu);
        let vectors = rows(100.0, 4)?.reshape((4, 2))?; // <pad>, <unk>, man, hat
        let others = rows(0.0, 5)?.reshape((5, 2))?; // <pad>, <unk>, a, man, bald
        let found = keep_vectors(&vectors, &new, &others, &old)?;
        assert_eq!((found.kept, found.words), (1, 2));
        assert_eq!(
            found.vectors.to_vec2::<f32>()?,
            [[0., 1.], [2., 3.], [6., 7.], [106., 107.]],
            "padding, unknown words and `man` are kept, `hat` is new"
        );
        Ok(())
    }

    #[test]
    fn of_equally_similar_words_the_more_frequent_one_is_taken() {
        let words = [("hat", [0.0, 1.0]), ("woman", [1.0, 0.3]), ("womna", [1.0, 0.0])];
        let words = || words.iter().map(|(word, vector)| ((*word).to_owned(), vector.to_vec())).collect();
        let (word, cosine) = most_similar(&[2.0, 0.0], words()).unwrap();
        assert_eq!(word, "woman");
        assert!((cosine - 1.0 / 1.09f32.sqrt()).abs() < 1e-6);
        assert_eq!(most_similar(&[0.0, 2.0], words()).unwrap().0, "hat");
        assert_eq!(most_similar(&[1.0], Vec::new()), None);
    }
}

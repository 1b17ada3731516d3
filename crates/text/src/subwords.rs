//! Word vectors from character n-grams, for words that the vocabulary lacks.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;

use crate::error::Result;

/// The largest number of letters of an n-gram.
const MOST_LETTERS: usize = 12;

/// The character n-grams of a word, `text.subwords`.
///
/// Words of similar spelling have similar vectors, so that typing errors, inflections and compounds of known
/// words are read although the vocabulary lacks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubwordConfig {
    /// The number of vectors. An n-gram has the vector of its hash; n-grams of equal hash share one. Default
    /// 4096, at least 1. A batch takes 4 bytes for each bucket and each of its different words.
    pub buckets: usize,
    /// The number of letters of the shortest n-grams. Default 3, at least 1.
    pub shortest: usize,
    /// The number of letters of the longest n-grams. Default 5, from `shortest` to 12.
    pub longest: usize,
}

impl Default for SubwordConfig {
    fn default() -> Self {
        Self { buckets: 4096, shortest: 3, longest: 5 }
    }
}

impl SubwordConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a setting is out of range; the message names it.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { buckets, shortest, longest } = *self;
        let wrong =
            |key: &str, value: usize, expected: String| Err(SettingError::new(key, value, expected).into());
        if buckets == 0 || u32::try_from(buckets).is_err() {
            return wrong("text.subwords.buckets", buckets, format!("1 to {}", u32::MAX));
        }
        if shortest == 0 {
            return wrong("text.subwords.shortest", shortest, "at least 1".into());
        }
        if !(shortest..=MOST_LETTERS).contains(&longest) {
            let expected = format!("text.subwords.shortest, {shortest}, to {MOST_LETTERS}");
            return wrong("text.subwords.longest", longest, expected);
        }
        Ok(())
    }

    /// The buckets of the n-grams of a word between `<` and `>`, which mark its ends; the whole word with its
    /// marks is the last one.
    fn buckets_of(&self, word: &str) -> Vec<u32> {
        let letters: Vec<char> =
            std::iter::once('<').chain(word.chars()).chain(std::iter::once('>')).collect();
        let of = |letters: &[char]| hash(letters) % self.buckets as u32;
        let shorter = self.longest.min(letters.len() - 1);
        let mut buckets: Vec<u32> =
            (self.shortest..=shorter).flat_map(|size| letters.windows(size).map(of)).collect();
        buckets.push(of(&letters));
        buckets
    }
}

/// FNV-1a in 32 bits of the letters in UTF-8.
fn hash(letters: &[char]) -> u32 {
    let mut bytes = [0; 4];
    letters.iter().fold(0x811c_9dc5, |hash, letter| {
        letter
            .encode_utf8(&mut bytes)
            .bytes()
            .fold(hash, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    })
}

/// The vectors of n-grams.
///
/// A word's vector is `1 / sqrt(G) Σ_g z_g` over its G n-grams, fastText §3.2 (arXiv:1607.04606). There it is
/// the sum; the root keeps the variance of long and short words equal.
#[derive(Debug)]
pub(crate) struct Subwords {
    config: SubwordConfig,
    vectors: Tensor, // (N, W)
}

impl Subwords {
    /// Asks `vb` for `weight` `(N, W)`.
    pub(crate) fn new(config: SubwordConfig, size: usize, vb: &VarBuilder) -> Result<Self> {
        let vectors =
            vb.get_with_hints((config.buckets, size), "weight", Init::Randn { mean: 0.0, stdev: 1.0 })?;
        Ok(Self { config, vectors })
    }

    /// The vectors in memory, for single words.
    pub(crate) fn on_host(&self) -> Result<HostSubwords> {
        Ok(HostSubwords { config: self.config, vectors: self.vectors.to_dtype(DType::F32)?.to_vec2()? })
    }

    /// The vectors of words, `(T, W)`. A word that occurs several times is computed once.
    ///
    /// # Errors
    /// If there are no words, or the device fails.
    pub(crate) fn of(&self, words: &[&str]) -> Result<Tensor> {
        let device: &Device = self.vectors.device();
        let mut places = HashMap::new();
        let mut different = Vec::new();
        let rows: Vec<u32> = words
            .iter()
            .map(|word| {
                *places.entry(*word).or_insert_with(|| {
                    different.push(self.config.buckets_of(word));
                    different.len() as u32 - 1
                })
            })
            .collect();
        let buckets = self.config.buckets;
        let mut weights = vec![0f32; different.len() * buckets]; // (U, N)
        for (row, of_word) in weights.chunks_exact_mut(buckets).zip(&different) {
            for bucket in of_word {
                row[*bucket as usize] += 1.0 / (of_word.len() as f32).sqrt();
            }
        }
        let weights = Tensor::from_vec(weights, (different.len(), buckets), device)?;
        let of_words = weights.to_dtype(self.vectors.dtype())?.matmul(&self.vectors)?; // (U, W)
        Ok(of_words.index_select(&Tensor::from_vec(rows, words.len(), device)?, 0)?)
    }
}

/// The vectors of n-grams in memory.
pub(crate) struct HostSubwords {
    config: SubwordConfig,
    vectors: Vec<Vec<f32>>,
}

impl HostSubwords {
    /// The vector of a word, as that of [`Subwords::of`] but for the order of sums.
    pub(crate) fn of(&self, word: &str) -> Vec<f32> {
        let buckets = self.config.buckets_of(word);
        let weight = 1.0 / (buckets.len() as f32).sqrt();
        let mut sum = vec![0.0; self.vectors.first().map_or(0, Vec::len)];
        for vector in buckets.iter().filter_map(|bucket| self.vectors.get(*bucket as usize)) {
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{D, Var};
    use t2f_ops::grad::gradients;
    use t2f_ops::rng::{self, Key};

    const CONFIG: SubwordConfig = SubwordConfig { buckets: 1000, shortest: 3, longest: 4 };

    #[test]
    fn the_n_grams_of_a_word_have_the_marks_of_its_ends() {
        let of = |text: &str| hash(&text.chars().collect::<Vec<_>>()) % 1000;
        let expected = ["<ca", "cap", "ap>", "<cap", "cap>", "<cap>"].map(of);
        assert_eq!(CONFIG.buckets_of("cap"), expected);
        assert_eq!(CONFIG.buckets_of("a"), [of("<a>")]);
        assert_eq!(CONFIG.buckets_of("é").len(), 1);
        assert_eq!(hash(&['a']), 0xe40c_292c, "the published value of FNV-1a");
    }

    #[test]
    fn similar_words_have_similar_vectors() -> Result<()> {
        let vectors = rng::normal(Key::new(3), (4096, 1024), DType::F32, &Device::Cpu)?;
        let subwords = Subwords { config: SubwordConfig::default(), vectors };
        let of = subwords.of(&["glasses", "galsses", "eyeglasses", "moustache", "glasses"])?;
        let cosine = |a: usize, b: usize| -> Result<f32> {
            let dot = |x: &Tensor, y: &Tensor| x.mul(y)?.sum_all()?.to_scalar::<f32>();
            let (x, y) = (of.get(a)?, of.get(b)?);
            Ok(dot(&x, &y)? / (dot(&x, &x)? * dot(&y, &y)?).sqrt())
        };
        assert!(cosine(0, 4)? > 0.999 && cosine(0, 2)? > 0.4 && cosine(0, 1)? > 0.2);
        assert!(cosine(0, 3)?.abs() < 0.35, "{}", cosine(0, 3)?);
        let squares = of.sqr()?.mean(D::Minus1)?.to_vec1::<f32>()?;
        assert!(squares.iter().all(|square| (0.4..2.5).contains(square)), "{squares:?}");
        Ok(())
    }

    #[test]
    fn an_n_gram_of_two_words_has_the_sum_of_their_gradients() -> Result<()> {
        let vectors = Var::ones((1000, 2), DType::F32, &Device::Cpu)?;
        let subwords = Subwords { config: CONFIG, vectors: vectors.as_tensor().clone() };
        let gradient_of = |words: &[&str]| -> Result<Tensor> {
            let sum = subwords.of(words)?.sum_all()?;
            Ok(gradients(&sum)?.get(&vectors).cloned().expect("the words depend on the vectors"))
        };
        let both = gradient_of(&["cap", "caps", "cap"])?;
        let apart = gradient_of(&["cap"])?.affine(2.0, 0.0)?.add(&gradient_of(&["caps"])?)?;
        let difference = both.sub(&apart)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(difference < 1e-6, "{difference}");
        Ok(())
    }
}

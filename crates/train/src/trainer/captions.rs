//! The training captions: their tokenizer, and a note about long ones.

use rayon::prelude::*;
use t2f_data::Splits;
use t2f_text::Tokenizer;

use crate::config::Config;
use crate::error::Result;

/// A note about training captions of files that are longer than `text.max_length`.
pub fn cut_captions(config: &Config, splits: &Splits, tokenizer: &Tokenizer) -> Option<String> {
    let max_length = config.text.max_length();
    let cut = |index: usize| -> Option<(usize, usize)> {
        let captions = splits.train.captions(index).ok()?;
        // A caption has at most as many words as letters.
        let long = captions.iter().filter(|caption| caption.text.chars().count() > max_length);
        let words = long.filter_map(|caption| tokenizer.cut_words(&caption.text, max_length).ok());
        let cut: Vec<usize> = words.map(|words| words.len()).filter(|words| *words > 0).collect();
        Some((cut.len(), cut.iter().sum()))
    };
    // Captions of the procedural faces are short, and rendered on demand.
    let len = if splits.report.captions > 0 { splits.train.len() } else { 0 };
    let counts = (0..len).into_par_iter().filter_map(cut);
    let (captions, words) = counts.reduce(|| (0, 0), |one, other| (one.0 + other.0, one.1 + other.1));
    (captions > 0).then(|| {
        format!(
            "{captions} captions have more than {max_length} words: {words} words at their ends are not read; \
             `text.max_length` changes it"
        )
    })
}

/// Trains the tokenizer on every training caption.
///
/// # Errors
/// If a caption cannot be read.
pub fn train_tokenizer(config: &Config, splits: &Splits) -> Result<Tokenizer> {
    let captions = (0..splits.train.len()).into_par_iter().map(|index| splits.train.captions(index));
    let captions = captions.collect::<t2f_data::Result<Vec<_>>>()?;
    Ok(config.text.train_tokenizer(captions.iter().flatten().map(|caption| &caption.text))?)
}

//! Remarks on the data and the settings of a run, and the tokenizer of its captions.

use rayon::prelude::*;
use t2f_data::Splits;
use t2f_text::Tokenizer;

use crate::config::Config;
use crate::error::Result;
use crate::schedule::Schedule;

/// The fewest training images that need no augmentation: FID with and without it is equal at 30,000 faces
/// (DiffAugment, arXiv:2006.10738, table 4).
const MANY_IMAGES: usize = 30_000;
/// The number of times that each image may be shown without a remark.
const FEW_PASSES: f64 = 20.0;

/// Remarks on the data, on captions that are cut, on the schedule, and on few images without augmentation, a line
/// each.
pub fn remarks(config: &Config, splits: &Splits, tokenizer: &Tokenizer, schedule: &Schedule) -> Vec<String> {
    let notes = splits.report.notes.iter().cloned();
    let few = few_images(config, splits.train.len(), schedule.total_images());
    notes.chain(cut_captions(config, splits, tokenizer)).chain(schedule.remark()).chain(few).collect()
}

/// A remark on few images that are shown often without augmentation.
fn few_images(config: &Config, images: usize, shown: u64) -> Option<String> {
    let passes = shown as f64 / images.max(1) as f64;
    (images < MANY_IMAGES && passes > FEW_PASSES && !config.augment.is_on()).then(|| {
        format!(
            "each of the {images} training images is shown {passes:.0} times without augmentation: the discriminator \
             overfits so few. `augment.translation=0.125`, `augment.cutout=0.3`, `augment.probability=0`, \
             `augment.adaptive.measure=held-out` and `augment.adaptive.ramp_kimg=100` augment as much as it overfits"
        )
    })
}

/// A note about training captions of files that are longer than `text.max_length`.
fn cut_captions(config: &Config, splits: &Splits, tokenizer: &Tokenizer) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_that_are_shown_often_are_remarked_on_unless_they_are_augmented() {
        let config = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            Config::resolve(Some("quick"), None, &lines).unwrap()
        };
        let plain = config(&["augment.mirror=true"]);
        let remark = few_images(&plain, 400, 120_000).unwrap();
        assert!(remark.starts_with("each of the 400 training images is shown 300 times"), "{remark}");
        assert_eq!(few_images(&plain, 12_000, 120_000), None, "10 times");
        assert_eq!(few_images(&plain, 40_000, 4_000_000), None, "many images");
        assert_eq!(few_images(&config(&["augment.cutout=0.3"]), 400, 120_000), None);
    }
}

//! The `[loader]` section: how batches are made.

use serde::{Deserialize, Serialize};
use t2f_ops::rng::{self, Key};
use t2f_ops::setting::SettingError;

/// The most prefetching threads.
const MOST_WORKERS: usize = 1024;
/// The most captions beside a batch.
const MOST_TEXTS: usize = 65536;

/// How a [`Loader`](crate::Loader) makes batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// The share of captions that are dropped whole. Default 0, from 0 to 1.
    pub caption_dropout: f64,
    /// The share of words that are dropped from the other captions. Default 0, from 0 to 1.
    pub word_dropout: f64,
    /// The share of mismatched captions that are hard negatives: the caption of the image with one
    /// claim made false. Default 0, from 0 to 1.
    pub hard_negatives: f64,
    /// The number of captions beside each batch, without their images, from which the text encoder and the
    /// attribute prior learn, too. Drawn from all images; without claims they are of no use. Default 0,
    /// at most 65536.
    pub texts: usize,
    /// The number of training images that are used, spread evenly over the training part; the other parts stay.
    /// All where there are fewer. Default none: all; at least 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// The number of prefetching threads. It does not change the batches. Default 1, 1 to 1024.
    pub workers: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            caption_dropout: 0.0,
            word_dropout: 0.0,
            hard_negatives: 0.0,
            texts: 0,
            train_images: None,
            workers: 1,
        }
    }
}

impl LoaderConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        for (key, share) in [
            ("loader.caption_dropout", self.caption_dropout),
            ("loader.word_dropout", self.word_dropout),
            ("loader.hard_negatives", self.hard_negatives),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(SettingError::new(key, share, "a share from 0 to 1"));
            }
        }
        if self.texts > MOST_TEXTS {
            return Err(SettingError::new("loader.texts", self.texts, format!("at most {MOST_TEXTS}")));
        }
        if let Some(images @ 0..2) = self.train_images {
            return Err(SettingError::new("loader.train_images", images, "at least 2"));
        }
        if !(1..=MOST_WORKERS).contains(&self.workers) {
            return Err(SettingError::new("loader.workers", self.workers, format!("1 to {MOST_WORKERS}")));
        }
        Ok(())
    }

    /// The dropout of captions and words.
    pub fn dropout(&self) -> CaptionDropout {
        CaptionDropout { caption_dropout: self.caption_dropout, word_dropout: self.word_dropout }
    }
}

/// Random omission of captions and words, for guidance (arXiv:2207.12598) and for short captions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaptionDropout {
    /// The share of captions, 0 to 1, that are dropped whole: the empty caption asserts nothing.
    pub caption_dropout: f64,
    /// The share of words, 0 to 1, that are dropped from the other captions.
    pub word_dropout: f64,
}

impl CaptionDropout {
    /// The rest of a caption; the same for the same key.
    pub(crate) fn apply(&self, caption: &str, key: Key) -> String {
        let drops = |key: Key, share: f64| share > 0.0 && rng::unit(&mut key.rng()) < share;
        if drops(key.child("caption"), self.caption_dropout) {
            return String::new();
        }
        if self.word_dropout == 0.0 {
            return caption.to_owned();
        }
        let words = caption.split_whitespace().enumerate();
        let kept = words.filter(|(place, _)| !drops(key.child("word").at(*place as u64), self.word_dropout));
        kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let default = LoaderConfig::default();
        assert!(default.check().is_ok());
        let message = |config: LoaderConfig| config.check().unwrap_err().to_string();
        let wrong = LoaderConfig { word_dropout: 1.5, ..default };
        assert_eq!(message(wrong), "loader.word_dropout is 1.5, expected a share from 0 to 1");
        assert!(
            message(LoaderConfig { caption_dropout: -0.1, ..default })
                .starts_with("loader.caption_dropout is -0.1")
        );
        assert!(
            message(LoaderConfig { hard_negatives: f64::NAN, ..default })
                .starts_with("loader.hard_negatives")
        );
        for workers in [0, 1025] {
            assert!(
                message(LoaderConfig { workers, ..default })
                    .starts_with(&format!("loader.workers is {workers}"))
            );
        }
        assert!(
            message(LoaderConfig { train_images: Some(1), ..default }).contains("is 1, expected at least 2")
        );
        assert!(message(LoaderConfig { texts: 65537, ..default }).starts_with("loader.texts is 65537"));
        assert!(serde_json::from_str::<LoaderConfig>(r#"{"words": 1}"#).is_err());
    }
}

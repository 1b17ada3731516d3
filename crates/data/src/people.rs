//! Captions of procedural faces as people write them, with their claims.
//!
//! `datasets/people` describes their content and their origin. No training and no choice of a model may
//! use the test half.

use crate::attributes::ClaimedCaptions;
use crate::error::Result;
use crate::procedural;

/// A half of the captions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Half {
    /// The development half, to improve models with.
    Dev,
    /// The test half, to state figures of.
    #[default]
    Test,
}

impl Half {
    /// Both halves.
    pub const ALL: [Self; 2] = [Self::Dev, Self::Test];

    /// `dev` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }

    /// Its captions, with claims in the terms of [`procedural::schema`].
    ///
    /// # Errors
    /// If the embedded file does not fit the schema of this build.
    pub fn captions(self) -> Result<ClaimedCaptions> {
        let (name, text) = match self {
            Self::Dev => ("people-dev", include_str!("../assets/people/dev.tsv")),
            Self::Test => ("people-test", include_str!("../assets/people/test.tsv")),
        };
        ClaimedCaptions::parse(name, text, procedural::schema())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_halves_fit_the_schema_and_share_no_caption() {
        let texts = |half: Half| -> HashSet<String> {
            let captions = half.captions().unwrap();
            let texts = captions.captions().iter().map(|one| one.caption.text.to_lowercase());
            assert!(captions.captions().len() >= 2, "{}", half.name());
            texts.collect()
        };
        assert_eq!(texts(Half::Dev).intersection(&texts(Half::Test)).count(), 0);
    }
}

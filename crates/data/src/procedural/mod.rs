//! Faces that are drawn from 22 factors, and captions that are known to be true of them.
//!
//! The default dataset: nothing to download, nobody's likeness, and each caption carries its
//! [`Claims`], so that a generated face can be held against its caption. A face is a function of
//! its [`Attributes`] and a [`Key`]; a dataset's image is a function of (seed, split, index).
//! Factors are drawn independently, save that women have no beards; what another factor hides
//! (eyes behind sunglasses, the hair of the bald) is not visible, never captioned, never scored.
//!
//! Some pairs of values ([`RESERVED`]) never occur together outside [`Split::TestComb`], and some
//! wordings never occur outside the two test splits.
//!
//! Inspired by CLEVR (arXiv:1612.06890), dSprites and Google's Cartoon Set (arXiv:1711.05139).

mod canvas;
mod captions;
mod claims;
mod factors;
mod grammar;
mod render;
mod reserved;
mod sample;
mod words;

use t2f_ops::rng::Key;

pub use captions::{CAPTIONS_PER_IMAGE, caption, caption_with};
pub use claims::{Claim, Claims};
pub(crate) use factors::NOT_VISIBLE;
pub use factors::{Attributes, Factor};
pub use render::render;
pub use reserved::{RESERVED, has_reserved_pair};
pub use sample::sample;
pub use words::Wording;

use crate::dataset::{Caption, Dataset, check_index};
use crate::error::Result;
use crate::image::Image;

/// The version of the renderer, the grammar and the sampling; a change to any of them that changes
/// an image or a caption raises it.
pub const GENERATOR_VERSION: u32 = 1;

/// The parts of the procedural faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Without reserved pairs, with the common wordings.
    Train,
    /// As `Train`, with other faces.
    Val,
    /// As `Train`, with other faces and with the wordings that are kept for testing.
    Test,
    /// Every face shows at least one reserved pair.
    TestComb,
}

impl Split {
    /// The split's name in keys and fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
            Self::TestComb => "test-comb",
        }
    }

    fn wording(self) -> Wording {
        match self {
            Self::Train | Self::Val => Wording::Common,
            Self::Test | Self::TestComb => Wording::Full,
        }
    }
}

/// One part of the procedural faces.
#[derive(Clone, Debug)]
pub struct ProceduralFaces {
    split: Split,
    seed: u64,
    len: usize,
    resolution: usize,
}

impl ProceduralFaces {
    /// The first `len` faces of a split, drawn at `resolution` pixels a side.
    pub fn new(split: Split, seed: u64, len: usize, resolution: usize) -> Self {
        Self { split, seed, len, resolution }
    }

    fn key(&self, index: usize) -> Key {
        Key::new(self.seed).child("procedural faces").child(self.split.name()).at(index as u64)
    }

    /// The factors of a face, of any index.
    fn draw(&self, index: usize) -> Attributes {
        let key = self.key(index).child("attributes");
        match self.split {
            Split::TestComb => reserved::sample_with_pair(key),
            _ => reserved::sample_without_pairs(key),
        }
    }
}

impl Dataset for ProceduralFaces {
    fn name(&self) -> &str {
        "procedural"
    }
    fn len(&self) -> usize {
        self.len
    }
    fn resolution(&self) -> usize {
        self.resolution
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        Ok(render(&self.draw(index), self.resolution, self.key(index).child("render")))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        check_index(self, index)?;
        let key = self.key(index).child("captions");
        Ok(captions::captions(&self.draw(index), self.split.wording(), key))
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        (index < self.len).then(|| self.draw(index))
    }
    fn altered(&self, index: usize, caption: usize, key: Key) -> Result<Option<Caption>> {
        check_index(self, index)?;
        let spoken = self.key(index).child("captions").at(caption as u64);
        Ok(captions::altered(&self.draw(index), self.split.wording(), spoken, key))
    }
    fn fingerprint(&self) -> String {
        let (split, seed, len, side) = (self.split.name(), self.seed, self.len, self.resolution);
        format!("procedural-v{GENERATOR_VERSION}-{split}-seed{seed}-{len}x{side}")
    }
}

//! The procedural faces as a data set.

use t2f_ops::rng::Key;

use super::captions::{self, CaptionStyle};
use super::edits;
use super::factors::{Face, schema};
use super::render::render;
use super::reserved;
use crate::attributes::{Attributes, Schema};
use crate::captions::Wording;
use crate::dataset::{Caption, CaptionEdit, Dataset, check_index};
use crate::error::Result;
use crate::image::Image;

/// The version of the images alone: of renderer and sampling. Every change that alters an image increases
/// it, and an oracle of another version is refused.
pub const IMAGES_VERSION: u32 = 1;

/// The parts of the procedural faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Without reserved pairs, with the common words.
    Train,
    /// As `Train`, with other faces.
    Val,
    /// As `Train`, with other faces and also with the words that training does not have.
    Test,
    /// Every face has at least one reserved pair.
    TestComb,
}

impl Split {
    /// The name in keys and fingerprints.
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
    style: CaptionStyle,
}

impl ProceduralFaces {
    /// The first `len` faces of a split, rendered at `resolution` pixels a side, with plain captions.
    pub fn new(split: Split, seed: u64, len: usize, resolution: usize) -> Self {
        Self { split, seed, len, resolution, style: CaptionStyle::default() }
    }

    /// The same faces with captions of a style.
    #[must_use]
    pub fn with_captions(mut self, style: CaptionStyle) -> Self {
        self.style = style;
        self
    }

    /// The factors of the face at an index.
    ///
    /// # Errors
    /// If the index is out of range.
    pub fn face(&self, index: usize) -> Result<Face> {
        check_index(self, index)?;
        let key = self.key(index).child("attributes");
        Ok(match self.split {
            Split::TestComb => reserved::sample_with_pair(key),
            _ => reserved::sample_without_pairs(key),
        })
    }

    fn key(&self, index: usize) -> Key {
        Key::new(self.seed).child("procedural faces").child(self.split.name()).at(index as u64)
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
        Ok(render(&self.face(index)?, self.resolution, self.key(index).child("render")))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        let key = self.key(index).child("captions");
        Ok(captions::captions(&self.face(index)?, self.style, self.split.wording(), key))
    }
    fn schema(&self) -> &Schema {
        schema()
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.face(index).ok().map(|face| face.attributes())
    }
    fn hard_negative(&self, index: usize, caption: usize, key: Key) -> Result<Option<Caption>> {
        let face = self.face(index)?;
        let caption = self.key(index).child("captions").at(caption as u64);
        Ok(captions::hard_negative(&face, self.style, self.split.wording(), caption, key))
    }
    fn edit(&self, index: usize, attribute: usize, value: usize, key: Key) -> Result<Option<CaptionEdit>> {
        edits::edit(&self.face(index)?, self.style, attribute, value, key)
    }
    fn paraphrase(&self, index: usize, key: Key) -> Result<Option<[Caption; 2]>> {
        Ok(Some(edits::paraphrase(&self.face(index)?, self.style, key)))
    }
    fn render(&self, attributes: &Attributes, key: Key) -> Result<Option<Image>> {
        Ok(Some(render(&Face::try_from(attributes)?, self.resolution, key)))
    }
    fn dependents(&self, attribute: usize) -> Vec<usize> {
        edits::dependents(attribute)
    }
    fn held_out_pairs(&self) -> Vec<[(usize, usize); 2]> {
        edits::held_out_pairs()
    }
    fn fingerprint(&self) -> String {
        let (split, seed, len, side) = (self.split.name(), self.seed, self.len, self.resolution);
        let version = self.style.version();
        format!("procedural-v{version}-{split}-seed{seed}-{len}x{side}")
    }
}

//! The record of an oracle: its training and its quality on held-out images.

use t2f_data::attributes::Schema;

use crate::error::Result;
use crate::prediction::ScoredAttributes;

/// The least held-out accuracy of a scored attribute, unless [`OracleTraining::gate`](super::OracleTraining::gate) says otherwise.
pub const GATE: f64 = 0.98;
/// The least [`AttributeQuality::skill`] of a scored attribute, unless
/// [`OracleTraining::skill`](super::OracleTraining::skill) says otherwise.
pub const SKILL_GATE: f64 = 0.9;

/// The quality of an oracle on one attribute, measured on held-out images that show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributeQuality {
    /// The share of images with the right value, in `[0, 1]`.
    pub accuracy: f64,
    /// The share of images with the most frequent value: the accuracy of a constant answer. `None` in
    /// files of format 1.
    pub majority: Option<f64>,
    /// The number of images. `None` in files of format 1.
    pub support: Option<usize>,
}

impl AttributeQuality {
    /// `(accuracy - majority) / (1 - majority)`: 0 for a constant answer, 1 for a perfect oracle. `None`
    /// if the majority is not known, or all images have one value.
    pub fn skill(&self) -> Option<f64> {
        let majority = self.majority.filter(|majority| *majority < 1.0)?;
        Some((self.accuracy - majority) / (1.0 - majority))
    }

    /// Whether the accuracy reaches `gate` and, if the majority is known, the skill reaches `least`.
    fn passes(&self, gate: f64, least: f64) -> bool {
        let skilled = self.majority.is_none() || self.skill().is_some_and(|skill| skill >= least);
        self.accuracy >= gate && skilled && self.support != Some(0)
    }
}

/// The mean skill over the attributes that have one; `None` if none has.
pub(super) fn mean_skill(quality: &[AttributeQuality]) -> Option<f64> {
    let skills: Vec<f64> = quality.iter().filter_map(AttributeQuality::skill).collect();
    (!skills.is_empty()).then(|| skills.iter().sum::<f64>() / skills.len() as f64)
}

/// How an oracle was trained, and its quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The attributes.
    pub schema: Schema,
    /// The side of the images in pixels.
    pub resolution: usize,
    /// The channels of each stage; each stage halves the sides, the last ends at 4x4.
    pub channels: Vec<usize>,
    /// The fingerprint of the images that it was trained on.
    pub train_data: String,
    /// The number of images that it was trained on.
    pub train_images: usize,
    /// The number of images that the quality was measured on.
    pub held_out_images: usize,
    /// The least accuracy of a scored attribute.
    pub gate: f64,
    /// The least skill of a scored attribute.
    pub skill: f64,
    /// Whether training images were mirrored and shifted.
    pub augment: bool,
    /// The epoch whose weights these are, from 1, if it was selected; `None` for the last.
    pub epoch: Option<usize>,
    /// The quality of each attribute of the schema.
    pub quality: Vec<AttributeQuality>,
}

impl Record {
    /// Whether an attribute is scored.
    pub fn is_scored(&self, attribute: usize) -> bool {
        self.quality.get(attribute).is_some_and(|quality| quality.passes(self.gate, self.skill))
    }

    /// The attributes that are scored.
    ///
    /// # Errors
    /// If there is a quality of an attribute that is not in the schema.
    pub fn scored(&self) -> Result<ScoredAttributes> {
        let attributes = (0..self.quality.len()).filter(|attribute| self.is_scored(*attribute));
        ScoredAttributes::new(&self.schema, attributes.collect())
    }
}

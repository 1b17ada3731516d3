//! What a model understands of a caption: its content about each attribute, and the words that it does not
//! read.

use std::collections::BTreeMap;

use t2f_data::Image;
use t2f_data::attributes::{Attributes, Claim, Claims, Observation};

/// The least probability at which a caption counts as mentioning an attribute.
const MENTIONED: f32 = 0.5;
/// The least total variation at which an attribute's content differs.
const DIFFERENT: f32 = 0.5;
/// The least probability of a value, if its attribute is mentioned, at which the caption counts as allowing
/// it. *Dark hair* has black and brown at about a half each.
const ALLOWED: f32 = 0.05;

/// The content of a caption about one attribute, as the attribute prior understands it.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The probability that the caption does not mention the attribute, in `[0, 1]`.
    pub not_mentioned: f32,
    /// The probability that it claims each value, in the order of the schema; with `not_mentioned` their sum
    /// is 1.
    pub values: Vec<f32>,
}

impl Content {
    /// From the probabilities of an attribute's classes: not mentioned, then each value.
    pub(crate) fn new(probabilities: &[f32]) -> Self {
        let (first, values) = probabilities.split_first().unwrap_or((&1.0, &[]));
        Self { not_mentioned: *first, values: values.to_vec() }
    }

    /// The probability that the caption mentions the attribute, in `[0, 1]`.
    pub fn mentioned(&self) -> f32 {
        (1.0 - self.not_mentioned).clamp(0.0, 1.0)
    }

    /// The positions of the values of which the probability is at least 0.05 if the attribute is mentioned,
    /// in the order of the schema.
    pub fn allowed(&self) -> Vec<usize> {
        let least = ALLOWED * self.mentioned();
        let allowed = self.values.iter().enumerate().filter(|(_, p)| **p >= least && **p > 0.0);
        allowed.map(|(value, _)| value).collect()
    }

    /// Half the sum of the absolute differences of the probabilities, the total variation, in `[0, 1]`.
    fn distance(&self, other: &Self) -> f32 {
        let apart: f32 = self.values.iter().zip(&other.values).map(|(a, b)| (a - b).abs()).sum();
        0.5 * (apart + (self.not_mentioned - other.not_mentioned).abs())
    }
}

/// The claims of a caption as understood: of each attribute that it mentions with a probability of at least
/// 0.5, its [allowed](Content::allowed) values, unless these are all.
pub fn claims(content: &[Content]) -> Claims {
    let mentioned = content.iter().enumerate().filter(|(_, of)| of.mentioned() >= MENTIONED);
    let claims =
        mentioned.map(|(attribute, of)| (Claim { attribute, allowed: of.allowed() }, of.values.len()));
    claims.filter(|(claim, values)| claim.allowed.len() < *values).map(|(claim, _)| claim).collect()
}

/// What a model understands of a caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Understanding {
    /// The content about each attribute, in the order of the schema; empty for a model without an attribute
    /// prior.
    pub content: Vec<Content>,
    /// The unknown words, once each.
    pub unknown_words: Vec<String>,
    /// Of unknown words the known ones that they are read about like
    /// ([`TextEncoder::similar_word`](t2f_text::TextEncoder::similar_word)).
    pub read_as: BTreeMap<String, String>,
    /// The words after the maximum length, which the model does not read.
    pub cut_words: Vec<String>,
    /// The denials that the model does not read.
    pub unread_denials: Vec<UnreadDenial>,
}

/// A word that denies something ([`t2f_text::negations`]) and that the model does not read as a denial, so
/// that the denied thing may be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadDenial {
    /// The word as written: `without`.
    pub word: String,
    /// The word with the next one: `without glasses`.
    pub phrase: String,
    /// Whether the vocabulary has the word. The attribute prior then understands the caption much as it
    /// understands it without the word: no attribute's content differs by a total variation of 0.5, or an
    /// attribute is mentioned without the word and not with it.
    pub known: bool,
}

/// Whether a caption, of which `with` is the content, is understood as denying what it says without a word
/// that denies, of which `without` is the content: some attribute differs, and every attribute that is
/// mentioned without the word and differs is mentioned with it, too. See [`UnreadDenial::known`].
pub(crate) fn reads_denial(with: &[Content], without: &[Content]) -> bool {
    let mut differing =
        with.iter().zip(without).filter(|(with, without)| with.distance(without) >= DIFFERENT);
    let lost = |(with, without): (&Content, &Content)| {
        without.mentioned() >= MENTIONED && with.mentioned() < MENTIONED
    };
    let Some(first) = differing.next() else { return false };
    !lost(first) && !differing.any(lost)
}

/// A generated image, what was understood of its caption, and the attributes that it was generated with.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The image.
    pub image: Image,
    /// The content of the caption about each attribute; empty for a model without an attribute prior.
    pub content: Vec<Content>,
    /// The sampled attributes; empty for a model without an attribute prior.
    pub attributes: Attributes,
}

impl Generated {
    /// The [claims] of the caption as understood that the sampled attributes contradict. A hidden attribute
    /// contradicts no claim.
    pub fn contradictions(&self) -> Vec<Claim> {
        let claims = claims(&self.content);
        claims.iter().filter(|claim| claim.is_true(&self.attributes) == Some(false)).cloned().collect()
    }
}

/// Attributes of classes: 0 is hidden, `v + 1` is value `v`.
pub(crate) fn attributes(classes: &[usize]) -> Attributes {
    let observation = |class: &usize| {
        class.checked_sub(1).map_or(Observation::Hidden, |value| Observation::Value(value as u8))
    };
    Attributes::new(classes.iter().map(observation).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_the_values_that_a_mentioned_attribute_may_have() {
        let content = [
            Content::new(&[0.0, 0.52, 0.46, 0.02]), // dark hair
            Content::new(&[0.9, 0.1, 0.0]),         // not mentioned
            Content::new(&[0.2, 0.4, 0.4]),         // mentioned without a limit
            Content::new(&[0.4, 0.58, 0.02]),
        ];
        let claims = claims(&content);
        let found: Vec<(usize, &[usize])> =
            claims.iter().map(|claim| (claim.attribute, claim.allowed.as_slice())).collect();
        assert_eq!(found, [(0, &[0, 1][..]), (3, &[0][..])]);
        assert!((content[0].distance(&Content::new(&[1.0, 0.0, 0.0, 0.0])) - 1.0).abs() < 1e-6);

        // No beard, with the word and without it; no hat, understood as bald.
        let (silent, beard, none) = ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]);
        let reads = |with: [[f32; 3]; 2], without: [[f32; 3]; 2]| {
            let of = |both: [[f32; 3]; 2]| both.map(|one| Content::new(&one));
            reads_denial(&of(with), &of(without))
        };
        assert!(reads([none, silent], [beard, silent]));
        assert!(!reads([beard, silent], [beard, silent]));
        assert!(!reads([none, silent], [silent, beard]));

        let generated = |classes: &[usize]| Generated {
            image: Image::filled(1, 1, [0; 3]),
            content: content.to_vec(),
            attributes: attributes(classes),
        };
        let contradicted = |classes: &[usize]| -> Vec<usize> {
            generated(classes).contradictions().iter().map(|claim| claim.attribute).collect()
        };
        assert_eq!(contradicted(&[2, 2, 1, 1]), [0; 0]);
        assert_eq!(contradicted(&[3, 1, 1, 2]), [0, 3]);
        assert_eq!(contradicted(&[0, 0, 0, 0]), [0; 0], "hidden attributes");
    }
}

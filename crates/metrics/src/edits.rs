//! The edit test: one phrase of a caption changes and the noise stays. The image should change in the
//! edited attribute and in no other.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use t2f_data::attributes::{Attributes, Claim, Claims};
use t2f_data::{Caption, CaptionEdit, Dataset, Image};
use t2f_ops::rng::{Key, below};

use crate::attributes::{GROUP, attribute_details, attribute_report, predict_captions};
use crate::error::{Error, Result};
use crate::estimate::{Estimate, mean_of_means};
use crate::images::to_tensor;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Report};
use crate::oracle::Oracle;
use crate::prediction::{Prediction, ScoredAttributes};

/// The most words in which the captions of an edit may differ, on either side, in one run.
const WORDS: usize = 3;
/// The most images and captions that are tried for one edit.
const ATTEMPTS: u64 = 20_000;

/// The metric `edits`: flip rate and leakage of edits of one phrase.
#[derive(Clone, Copy, Debug, Default)]
pub struct EditTest;

impl Metric for EditTest {
    fn name(&self) -> &'static str {
        "edits"
    }
    fn about(&self) -> &'static str {
        "the effect of a changed phrase on its attribute and on the others (flip, leakage)"
    }
    fn group(&self) -> Option<&'static str> {
        Some(GROUP)
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let oracle = context.oracle()?;
        let key = context.key().child("edits");
        let edits = edits(oracle.scored(), context.data(), context.request().len(), key)?;
        Ok(Box::new(Editing { context, oracle, edits }))
    }
}

struct Editing<'a> {
    context: &'a Context<'a>,
    oracle: &'a Oracle,
    edits: Vec<CaptionEdit>,
}

impl Accumulator for Editing<'_> {
    fn images(&self) -> Images {
        Images::Unused
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let texts = |of: fn(&CaptionEdit) -> &Caption| -> Vec<String> {
            self.edits.iter().map(|edit| of(edit).text.clone()).collect()
        };
        let before = predict_captions(self.context, self.oracle, &texts(|edit| &edit.before.0))?;
        let after = predict_captions(self.context, self.oracle, &texts(|edit| &edit.after.0))?;
        let scores = self.scores(before, after)?;
        let real = self.rendered()?;
        let flip = MetricValue::estimate("edit_flip", "edits that work", scores.flip, Better::Higher);
        let leak = MetricValue::estimate(
            "edit_leak",
            "other attributes that an edit changes",
            scores.leak,
            Better::Lower,
        );
        let of_real = |key: &str, of: fn(&EditScores) -> Estimate| {
            let title = "the same for rendered images";
            match &real {
                Some(real) => MetricValue::estimate(key, title, of(real), Better::Baseline),
                None => MetricValue::missing(key, title, "the data set renders no images"),
            }
        };
        let values = [
            flip.with_baseline("rendered images", "edit_flip_real"),
            of_real("edit_flip_real", |scores| scores.flip),
            leak.with_baseline("rendered images", "edit_leak_real"),
            of_real("edit_leak_real", |scores| scores.leak),
        ];
        let report = attribute_report(self.oracle, values);
        let report = attribute_details(report, self.context, "edits", &scores)?;
        attribute_details(report, self.context, "edits_real", &real)
    }
}

impl Editing<'_> {
    fn scores(&self, before: Vec<Prediction>, after: Vec<Prediction>) -> Result<EditScores> {
        let pairs = self.edits.iter().zip(before).zip(after);
        let pairs: Vec<EditedPair> =
            pairs.map(|((edit, before), after)| EditedPair { edit, before, after }).collect();
        let data = self.context.data();
        let key = self.context.key().child("edits");
        edit_scores(self.oracle.scored(), &pairs, &|attribute| data.dependents(attribute), key)
    }

    /// The scores of a perfect generator: both images rendered from their attributes. `None` if the
    /// data set renders none.
    fn rendered(&self) -> Result<Option<EditScores>> {
        let (data, key) = (self.context.data(), self.context.key().child("edits").child("real"));
        let render = |of: fn(&CaptionEdit) -> &Attributes| -> Result<Option<Vec<Prediction>>> {
            let image = |(index, edit): (usize, &CaptionEdit)| data.render(of(edit), key.at(index as u64));
            let images: Option<Vec<Image>> =
                self.edits.par_iter().enumerate().map(image).collect::<t2f_data::Result<_>>()?;
            images.map(|images| self.oracle.predict(&to_tensor(&images)?)).transpose()
        };
        match (render(|edit| &edit.before.1)?, render(|edit| &edit.after.1)?) {
            (Some(before), Some(after)) => self.scores(before, after).map(Some),
            _ => Ok(None),
        }
    }
}

/// The predictions for the two images of an edit, which have the same noise.
#[derive(Clone, Debug)]
pub struct EditedPair<'a> {
    /// The edit.
    pub edit: &'a CaptionEdit,
    /// For the image of the caption before the edit.
    pub before: Prediction,
    /// For the image of the caption after the edit.
    pub after: Prediction,
}

/// The scores of edits, each a mean over the edited attributes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EditScores {
    /// The number of edits.
    pub edits: usize,
    /// The share of edits for which each image shows the claim of its caption about the edited
    /// attribute: 0 for a generator that ignores captions.
    pub flip: Estimate,
    /// The share of the other scored attributes that differ between the two images, without those that
    /// the edited attribute can hide or rule out.
    pub leak: Estimate,
    /// The flip rate of each edited attribute.
    pub attributes: BTreeMap<String, f64>,
}

/// `count` edits of captions of `data`, of the attributes of `scored` in turn ([`Dataset::edit`]).
///
/// The captions of an edit contradict each other on the edited attribute, make the same claims about
/// all others, and differ in one run of at most three words. An attribute for which no such edit is
/// found is left out.
///
/// # Errors
/// If there is no edit for any attribute.
pub fn edits(
    scored: &ScoredAttributes,
    data: &dyn Dataset,
    count: usize,
    key: Key,
) -> Result<Vec<CaptionEdit>> {
    let mut left = scored.positions().to_vec();
    let mut edits = Vec::with_capacity(count);
    let mut turn = 0;
    while edits.len() < count && !left.is_empty() {
        let attribute = left[turn % left.len()];
        match edit(attribute, data, key.child("edit").at(edits.len() as u64))? {
            Some(edit) => {
                edits.push(edit);
                turn += 1;
            }
            None => left.retain(|other| *other != attribute),
        }
    }
    if edits.is_empty() {
        let name = data.name();
        return Err(Error::Unavailable(format!(
            "`{name}` edits no caption in one phrase about a scored attribute"
        )));
    }
    Ok(edits)
}

fn edit(attribute: usize, data: &dyn Dataset, key: Key) -> Result<Option<CaptionEdit>> {
    let values = data.schema().values(attribute).len();
    for attempt in 0..if data.is_empty() { 0 } else { ATTEMPTS } {
        let key = key.at(attempt);
        let mut stream = key.child("choice").rng();
        let index = below(&mut stream, data.len());
        let value = below(&mut stream, values);
        let edit = data.edit(index, attribute, value, key)?;
        if let Some(edit) = edit.filter(|edit| is_one_phrase(attribute, &edit.before.0, &edit.after.0)) {
            return Ok(Some(edit));
        }
    }
    Ok(None)
}

/// Whether the captions contradict each other on the attribute, agree on all others, and differ in one
/// short run of words.
fn is_one_phrase(attribute: usize, before: &Caption, after: &Caption) -> bool {
    let others = |claims: &Claims| -> Vec<Claim> {
        claims.iter().filter(|claim| claim.attribute != attribute).cloned().collect()
    };
    let contradict = match (before.claims.about(attribute), after.claims.about(attribute)) {
        (Some(before), Some(after)) => before.allowed.iter().all(|value| !after.allowed.contains(value)),
        _ => false,
    };
    contradict
        && others(&before.claims) == others(&after.claims)
        && differing(&before.text, &after.text) <= WORDS
}

/// The number of words between the common beginning and the common end, of the longer side.
fn differing(before: &str, after: &str) -> usize {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_whitespace().collect(), after.split_whitespace().collect());
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    before.len().max(after.len()) - end
}

/// Scores the predictions for edits. `dependents` gives the attributes that an edit of an attribute may
/// change ([`Dataset::dependents`]). Intervals resample edits.
///
/// # Errors
/// If there is no edit, or no attribute besides the edited ones is scored.
pub fn edit_scores(
    scored: &ScoredAttributes,
    pairs: &[EditedPair],
    dependents: &dyn Fn(usize) -> Vec<usize>,
    key: Key,
) -> Result<EditScores> {
    let positions = scored.positions();
    let place =
        |attribute: usize| positions.iter().position(|other| *other == attribute).unwrap_or(positions.len());
    let groups = positions.len() + 1;
    let group = |pair: &EditedPair| place(pair.edit.attribute);
    let flips: Vec<(usize, f64)> =
        pairs.iter().map(|pair| (group(pair), f64::from(u8::from(flipped(pair))))).collect();
    let leaks: Vec<(usize, Option<f64>)> =
        pairs.iter().map(|pair| (group(pair), leak(positions, pair, dependents))).collect();
    let flip = |members: &[usize]| mean_of_means(members.iter().map(|&i| flips[i]), groups);
    let leak = |members: &[usize]| {
        let known = members.iter().filter_map(|&i| Some((leaks[i].0, leaks[i].1?)));
        mean_of_means(known, groups)
    };
    let missing = || Error::State("edits need at least one edit and two scored attributes".into());
    let attributes = scored.names().enumerate().filter_map(|(group, name)| {
        let own = flips.iter().filter(|(of, _)| *of == group).map(|(_, flip)| (0, *flip));
        Some((name.to_owned(), mean_of_means(own, 1)?))
    });
    Ok(EditScores {
        edits: pairs.len(),
        flip: Estimate::bootstrap(pairs.len(), key.child("flip"), flip).ok_or_else(missing)?,
        leak: Estimate::bootstrap(pairs.len(), key.child("leak"), leak).ok_or_else(missing)?,
        attributes: attributes.collect(),
    })
}

fn flipped(pair: &EditedPair) -> bool {
    let shows = |caption: &Caption, image: &Prediction| {
        caption.claims.about(pair.edit.attribute).is_some_and(|claim| image.fulfils(claim))
    };
    shows(&pair.edit.before.0, &pair.before) && shows(&pair.edit.after.0, &pair.after)
}

fn leak(scored: &[usize], pair: &EditedPair, dependents: &dyn Fn(usize) -> Vec<usize>) -> Option<f64> {
    let edited = pair.edit.attribute;
    let dependents = dependents(edited);
    let others = scored.iter().filter(|other| **other != edited && !dependents.contains(other));
    let changed =
        others.map(|&other| (0, f64::from(u8::from(pair.before.value(other) != pair.after.value(other)))));
    mean_of_means(changed, 1)
}

#[cfg(test)]
mod tests {
    use super::differing;

    #[test]
    fn the_differing_run_is_counted_on_its_longer_side() {
        assert_eq!(differing("a young man", "a young man"), 0);
        assert_eq!(differing("a young man with a cap", "an old man with a cap"), 2);
        assert_eq!(differing("man, round glasses, smiling", "man, sunglasses, smiling"), 2);
        assert_eq!(differing("a a b", "a b"), 1);
        assert_eq!(differing("he has red hair. he smiles", "she has red hair. she smiles"), 5);
    }
}

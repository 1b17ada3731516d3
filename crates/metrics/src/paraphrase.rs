//! Paraphrase consistency: the same claims in other words with the same noise. The image should be the
//! same.

use serde::Serialize;
use t2f_data::{Caption, Dataset, Image};
use t2f_ops::rng::{Key, below};

use crate::attributes::{GROUP, attribute_details, attribute_report, predict_captions};
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Report};
use crate::oracle::Oracle;
use crate::prediction::{Prediction, ScoredAttributes};

/// The most images and wordings that are tried for one pair.
const ATTEMPTS: u64 = 1000;

/// The metric `paraphrase`: equal attributes for two wordings of the same claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParaphraseConsistency;

impl Metric for ParaphraseConsistency {
    fn name(&self) -> &'static str {
        "paraphrase"
    }
    fn about(&self) -> &'static str {
        "the share of attributes that are equal for two wordings of the same claims"
    }
    fn group(&self) -> Option<&'static str> {
        Some(GROUP)
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let oracle = context.oracle()?;
        let key = context.key().child("paraphrases");
        let pairs = paraphrases(context.data(), context.request().len(), key)?;
        Ok(Box::new(Paraphrasing { context, oracle, pairs }))
    }
}

struct Paraphrasing<'a> {
    context: &'a Context<'a>,
    oracle: &'a Oracle,
    pairs: Vec<[Caption; 2]>,
}

impl Accumulator for Paraphrasing<'_> {
    fn images(&self) -> Images {
        Images::Unused
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let side = |side: usize| -> Result<Vec<Prediction>> {
            let texts: Vec<String> = self.pairs.iter().map(|pair| pair[side].text.clone()).collect();
            predict_captions(self.context, self.oracle, &texts)
        };
        let predictions: Vec<(Prediction, Prediction)> = side(0)?.into_iter().zip(side(1)?).collect();
        let key = self.context.key().child("paraphrases");
        let scores = paraphrase_scores(self.oracle.scored(), &predictions, key)?;
        let value = MetricValue::estimate(
            "paraphrase",
            "attributes that are equal for two wordings; 1 for a generator that ignores captions",
            scores.consistency,
            Better::Higher,
        );
        attribute_details(attribute_report(self.oracle, [value]), self.context, "paraphrase", &scores)
    }
}

/// The similarity of the images of paraphrases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParaphraseScores {
    /// The number of pairs of captions.
    pub pairs: usize,
    /// The share of scored attributes that are equal in both images. It is 1 for a generator that
    /// ignores captions, and so complements AAn.
    pub consistency: Estimate,
    /// The share of pairs for which every scored attribute is equal.
    pub whole: Estimate,
}

/// `count` pairs of captions that make the same claims about an image in different words
/// ([`Dataset::paraphrase`]).
///
/// # Errors
/// If a pair cannot be found.
pub fn paraphrases(data: &dyn Dataset, count: usize, key: Key) -> Result<Vec<[Caption; 2]>> {
    (0..count as u64).map(|index| one(data, key.child("paraphrase").at(index))).collect()
}

fn one(data: &dyn Dataset, key: Key) -> Result<[Caption; 2]> {
    for attempt in 0..if data.is_empty() { 0 } else { ATTEMPTS } {
        let key = key.at(attempt);
        let index = below(&mut key.child("choice").rng(), data.len());
        let Some([one, other]) = data.paraphrase(index, key)? else { continue };
        let differ = plain(&one.text) != plain(&other.text);
        if differ && one.claims == other.claims && !one.claims.is_empty() {
            return Ok([one, other]);
        }
    }
    let name = data.name();
    Err(Error::Unavailable(format!("`{name}` has no captions with equal claims in different words")))
}

/// The words of a caption without capitals and punctuation.
fn plain(text: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// Scores the predictions for the two images of each pair. Intervals resample pairs.
///
/// # Errors
/// If there is no pair or no scored attribute.
pub fn paraphrase_scores(
    scored: &ScoredAttributes,
    pairs: &[(Prediction, Prediction)],
    key: Key,
) -> Result<ParaphraseScores> {
    let equal: Vec<f64> = pairs
        .iter()
        .map(|(one, other)| {
            let same = scored.positions().iter().filter(|at| one.value(**at) == other.value(**at));
            same.count() as f64 / scored.len().max(1) as f64
        })
        .collect();
    let mean = |of: fn(f64) -> f64| {
        let statistic = |members: &[usize]| {
            let sum: f64 = members.iter().map(|&index| of(equal[index])).sum();
            (!members.is_empty() && !scored.is_empty()).then(|| sum / members.len() as f64)
        };
        Estimate::bootstrap(equal.len(), key, statistic)
            .ok_or_else(|| Error::State("paraphrases need at least one pair and one scored attribute".into()))
    };
    let whole = |share: f64| f64::from(u8::from(share >= 1.0));
    Ok(ParaphraseScores { pairs: pairs.len(), consistency: mean(|share| share)?, whole: mean(whole)? })
}

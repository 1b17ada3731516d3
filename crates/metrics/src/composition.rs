//! Composition: attribute agreement on combinations of values that the training part never shows.

use serde::Serialize;
use t2f_data::attributes::Claims;
use t2f_data::{Dataset, Image};
use t2f_ops::rng::Key;

use crate::agreement::{Agreement, Scores, attribute_agreement, contributions};
use crate::attributes::{GROUP, RequestPredictions, ScoredCaption, attribute_details, attribute_report};
use crate::error::Result;
use crate::estimate::{Estimate, resamples};
use crate::images::to_tensor;
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Part, Report};
use crate::prediction::{Prediction, ScoredAttributes};
use crate::request::GenerationRequest;

/// The title of the value.
const TITLE: &str = "aan less aan on unseen pairs of values";

/// Agreement on pairs of values that the training part never shows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Composition {
    /// CompGap, see [`composition_gap`].
    pub gap: Option<Estimate>,
    /// Agreement with the captions that claim such a pair.
    pub unseen: Agreement,
}

/// The metric `composition`: CompGap.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompositionGap;

impl Metric for CompositionGap {
    fn name(&self) -> &'static str {
        "composition"
    }
    fn about(&self) -> &'static str {
        "the loss of agreement on pairs of values that training never shows together (CompGap)"
    }
    fn group(&self) -> Option<&'static str> {
        Some(GROUP)
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Composing(RequestPredictions::new(context)?)))
    }
}

struct Composing<'a>(RequestPredictions<'a>);

impl Accumulator for Composing<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.0.observe(batch)
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let (oracle, context) = (self.0.oracle, self.0.context);
        let (composition, reason) = match self.composition()? {
            Ok(composition) => (Some(composition), "real images do not agree better than shuffled captions"),
            Err(reason) => (None, reason),
        };
        let value = match composition.as_ref().and_then(|composition| composition.gap) {
            Some(gap) => MetricValue::estimate("comp_gap", TITLE, gap, Better::Lower),
            None => MetricValue::missing("comp_gap", TITLE, reason),
        };
        attribute_details(attribute_report(oracle, [value]), context, "composition", &composition)
    }
}

impl Composing<'_> {
    /// The scores, or the reason why there are none.
    fn composition(&self) -> Result<Result<Composition, &'static str>> {
        let (oracle, context) = (self.0.oracle, self.0.context);
        // Captions of the unseen pairs have the words of the test part; beside captions of another part
        // the gap would also be one of words.
        if context.part() != Part::Test {
            return Ok(Err("it is measured on the test part"));
        }
        let Some(data) = context.splits().test_comb.as_deref() else {
            return Ok(Err("the data has no part with unseen pairs of values"));
        };
        let (scored, pairs) = (oracle.scored(), data.held_out_pairs());
        let (ordinary, key) = (context.request(), context.key().child("composition"));
        let mut accept = |caption: &t2f_data::Caption| claims_pair(scored, &pairs, &caption.claims);
        let request = GenerationRequest::new(
            data,
            ordinary.len(),
            ordinary.per_caption(),
            context.seed(),
            &mut accept,
        )?;
        if request.len() < 2 {
            return Ok(Err("fewer than two captions claim an unseen pair of values"));
        }
        let unseen = self.predict(&request, data)?;
        Ok(Ok(Composition {
            gap: composition_gap(scored, &self.0.captions()?, &unseen, key)?,
            unseen: attribute_agreement(scored, &unseen, key)?,
        }))
    }

    fn predict<'r>(
        &self,
        request: &'r GenerationRequest,
        data: &dyn Dataset,
    ) -> Result<Vec<ScoredCaption<'r>>> {
        let (oracle, context) = (self.0.oracle, self.0.context);
        let mut generated: Vec<Prediction> = Vec::with_capacity(request.images());
        request.each_generated(context.generate(), &mut |images| {
            generated.extend(oracle.predict(&to_tensor(images)?)?);
            Ok(())
        })?;
        let real = context.predict_real(request, data)?;
        let captions = request.captions().iter().zip(generated.chunks(request.per_caption())).zip(real);
        Ok(captions
            .map(|((caption, generated), real)| ScoredCaption {
                claims: &caption.claims,
                generated: generated.to_vec(),
                real,
            })
            .collect())
    }
}

/// Whether a caption claims both values of a pair and no other value for the two attributes, one of
/// which is scored.
fn claims_pair(scored: &ScoredAttributes, pairs: &[[(usize, usize); 2]], claims: &Claims) -> bool {
    let claimed = |(attribute, value): (usize, usize)| {
        claims.about(attribute).is_some_and(|claim| claim.allowed == [value])
    };
    pairs.iter().any(|[first, second]| {
        (scored.contains(first.0) || scored.contains(second.0)) && claimed(*first) && claimed(*second)
    })
}

/// CompGap: AAn on ordinary captions less AAn on captions that claim unseen pairs of values
/// ([`Dataset::held_out_pairs`]). About 0 for a generator that learned the attributes one by one, more
/// for one that learned their combinations.
///
/// Each side has its own baselines; the interval resamples both. `None` if the real images of one
/// side do not agree better than shuffled captions.
///
/// # Errors
/// As for [`attribute_agreement`], for either side.
pub fn composition_gap(
    scored: &ScoredAttributes,
    ordinary: &[ScoredCaption],
    unseen: &[ScoredCaption],
    key: Key,
) -> Result<Option<Estimate>> {
    let sides = [contributions(scored, ordinary)?, contributions(scored, unseen)?];
    let normalised = |side: usize, members: &[usize]| {
        Scores::of(scored.len(), members.iter().map(|&index| &sides[side][index])).normalised()
    };
    let all = |side: usize| normalised(side, &(0..sides[side].len()).collect::<Vec<_>>());
    let (Some(first), Some(second)) = (all(0), all(1)) else { return Ok(None) };
    let pairs = resamples(sides[0].len(), key.child("ordinary"))
        .zip(resamples(sides[1].len(), key.child("reserved")));
    let gap =
        |(first, second): (Vec<usize>, Vec<usize>)| Some(normalised(0, &first)? - normalised(1, &second)?);
    Ok(Some(Estimate::new(first - second, pairs.filter_map(gap).collect())))
}

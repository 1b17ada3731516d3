//! Attribute agreement: the share of a caption's claims that the generated image shows.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::Image;
use t2f_data::attributes::Claim;
use t2f_ops::rng::Key;

use crate::attributes::{GROUP, RequestPredictions, ScoredCaption, attribute_details, attribute_report};
use crate::error::{Error, Result};
use crate::estimate::{Estimate, resamples};
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Report};
use crate::prediction::{Prediction, ScoredAttributes};

/// The metric `agreement`: AA, its baselines, AAn and exact@caption.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeAgreement;

impl Metric for AttributeAgreement {
    fn name(&self) -> &'static str {
        "agreement"
    }
    fn about(&self) -> &'static str {
        "the share of caption claims that generated images show (AA, AAn, exact@caption)"
    }
    fn group(&self) -> Option<&'static str> {
        Some(GROUP)
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Agreeing(RequestPredictions::new(context)?)))
    }
}

struct Agreeing<'a>(RequestPredictions<'a>);

impl Accumulator for Agreeing<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.0.observe(batch)
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let (oracle, context) = (self.0.oracle, self.0.context);
        let agreement = attribute_agreement(oracle.scored(), &self.0.captions()?, context.key())?;
        let aa = MetricValue::estimate("aa", "attribute agreement", agreement.agreement, Better::Higher)
            .with_baseline("shuffled captions", "aa_shuffled")
            .with_baseline("real images", "aa_real");
        let shuffled = MetricValue::estimate(
            "aa_shuffled",
            "attribute agreement with shuffled captions",
            agreement.shuffled,
            Better::Baseline,
        );
        let real = MetricValue::estimate(
            "aa_real",
            "attribute agreement of real images",
            agreement.real,
            Better::Baseline,
        );
        let title = "(aa - aa_shuffled) / (aa_real - aa_shuffled)";
        let normalised = match agreement.normalised {
            Some(normalised) => MetricValue::estimate("aan", title, normalised, Better::Higher),
            None => MetricValue::missing("aan", title, "`aa_real` is not above `aa_shuffled`"),
        };
        let exact =
            MetricValue::estimate("exact", "images with every claim", agreement.exact, Better::Higher);
        let values = [aa, shuffled.with_old_key("chance"), real.with_old_key("ceiling"), normalised, exact];
        let mut report = attribute_report(oracle, values);
        for line in table(oracle.scored(), &agreement) {
            report = report.with_note(line);
        }
        attribute_details(report, context, "agreement", &agreement)
    }
}

/// A table of the scores of each attribute, with a heading.
fn table(scored: &ScoredAttributes, agreement: &Agreement) -> Vec<String> {
    let rows = scored.names().filter_map(|name| Some((name, agreement.attributes.get(name)?)));
    let width = scored.names().map(|name| name.chars().count()).max().unwrap_or(0).max("attribute".len());
    let heading = format!("{:<width$}  agreement  shuffled  real   normalised  claims", "attribute");
    let row = |(name, scores): (&str, &AttributeScores)| {
        let normalised = scores.normalised.map_or("-".into(), |normalised| format!("{normalised:.3}"));
        let AttributeScores { claims, agreement, shuffled, real, .. } = scores;
        format!("{name:<width$}  {agreement:<9.3}  {shuffled:<8.3}  {real:<5.3}  {normalised:<10}  {claims}")
    };
    std::iter::once(heading).chain(rows.map(row)).collect()
}

/// The scores of one attribute; all but the last lie in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AttributeScores {
    /// The number of claims about it.
    pub claims: usize,
    /// The share of the claims that the generated images show.
    pub agreement: f64,
    /// The share that images generated from other captions show.
    pub shuffled: f64,
    /// The share that the captions' real images show according to the oracle.
    pub real: f64,
    /// `(agreement - shuffled) / (real - shuffled)`; `None` if `real` is not above `shuffled`.
    pub normalised: Option<f64>,
}

/// Attribute agreement. The four shares are means over attributes: an attribute has equal weight
/// however often captions mention it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The number of captions with a claim about a scored attribute.
    pub captions: usize,
    /// AA: the share of claims that the generated images show.
    pub agreement: Estimate,
    /// The shuffled-caption baseline: AA of each image with the other captions. A generator that
    /// ignores its caption and generates these images has this AA.
    pub shuffled: Estimate,
    /// The real-image upper bound: AA of the captions' real images, which the errors of the oracle
    /// limit.
    pub real: Estimate,
    /// AAn = (AA - shuffled) / (real - shuffled): 0 for a generator that ignores captions, 1 for a
    /// perfect one. `None` if `real` is not above `shuffled`.
    pub normalised: Option<Estimate>,
    /// exact@caption: the share of generated images that show every claim about scored attributes.
    pub exact: Estimate,
    /// The scores of each attribute that captions make claims about.
    pub attributes: BTreeMap<String, AttributeScores>,
}

/// Sums over the claims about one attribute.
#[derive(Clone, Copy, Default)]
struct Sums {
    claims: f64,
    agreement: f64,
    shuffled: f64,
    real: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.claims += other.claims;
        self.agreement += other.agreement;
        self.shuffled += other.shuffled;
        self.real += other.real;
    }
}

/// The contribution of a caption to the sums: at most one claim about each scored attribute, in order.
pub(crate) struct Contribution {
    attributes: Vec<Sums>,
    exact: f64,
}

/// Scores images against the claims of their captions, for the attributes of `scored`
/// ([`Oracle::scored`](crate::oracle::Oracle::scored)).
///
/// The shuffled-caption baseline is not sampled: it is the mean over all pairs of a caption and an
/// image of another caption. Intervals resample captions with all images of each.
///
/// # Errors
/// If there are fewer than two captions, a caption has no image, or no claim is about a scored
/// attribute.
pub fn attribute_agreement(
    scored: &ScoredAttributes,
    captions: &[ScoredCaption],
    key: Key,
) -> Result<Agreement> {
    let parts = contributions(scored, captions)?;
    Ok(agreement_of(scored, &parts.iter().collect::<Vec<_>>(), key))
}

/// The agreement of some captions, at least one. Their shuffled-caption baseline is that of the
/// contributions: over the images of all captions that these were computed with.
pub(crate) fn agreement_of(scored: &ScoredAttributes, parts: &[&Contribution], key: Key) -> Agreement {
    let all = Scores::of(scored.len(), parts.iter().copied());
    let resampled: Vec<Scores> = resamples(parts.len(), key)
        .map(|members| Scores::of(scored.len(), members.into_iter().map(|index| parts[index])))
        .collect();
    let estimate = |of: fn(&Scores) -> f64| Estimate::new(of(&all), resampled.iter().map(of).collect());
    let normalised = all
        .normalised()
        .map(|value| Estimate::new(value, resampled.iter().filter_map(Scores::normalised).collect()));
    let shares = |sums: &Sums| AttributeScores {
        claims: sums.claims as usize,
        agreement: sums.agreement / sums.claims,
        shuffled: sums.shuffled / sums.claims,
        real: sums.real / sums.claims,
        normalised: normalised_agreement(
            sums.agreement / sums.claims,
            sums.shuffled / sums.claims,
            sums.real / sums.claims,
        ),
    };
    let attributes = scored.names().zip(&all.attributes).filter(|(_, sums)| sums.claims > 0.0);
    Agreement {
        captions: parts.len(),
        agreement: estimate(|scores| scores.mean(|sums| sums.agreement)),
        shuffled: estimate(|scores| scores.mean(|sums| sums.shuffled)),
        real: estimate(|scores| scores.mean(|sums| sums.real)),
        normalised,
        exact: estimate(|scores| scores.exact),
        attributes: attributes.map(|(name, sums)| (name.to_owned(), shares(sums))).collect(),
    }
}

/// The contributions of all captions with a claim about a scored attribute.
pub(crate) fn contributions(
    scored: &ScoredAttributes,
    captions: &[ScoredCaption],
) -> Result<Vec<Contribution>> {
    let contributions: Vec<Contribution> =
        each_contribution(scored, captions)?.into_iter().flatten().collect();
    if contributions.is_empty() {
        return Err(Error::State("no caption makes a claim about a scored attribute".into()));
    }
    Ok(contributions)
}

/// The contribution of each caption; `None` for a caption without a claim about a scored attribute.
pub(crate) fn each_contribution(
    scored: &ScoredAttributes,
    captions: &[ScoredCaption],
) -> Result<Vec<Option<Contribution>>> {
    let images: usize = captions.iter().map(|caption| caption.generated.len()).sum();
    if captions.len() < 2 || captions.iter().any(|caption| caption.generated.is_empty()) {
        return Err(Error::State(format!(
            "attribute agreement of {} captions and {images} images, expected at least two captions and an image of \
             each",
            captions.len()
        )));
    }
    Ok(captions.iter().map(|caption| contribution(scored, captions, caption, images)).collect())
}

fn contribution(
    scored: &ScoredAttributes,
    captions: &[ScoredCaption],
    caption: &ScoredCaption,
    images: usize,
) -> Option<Contribution> {
    let claims: Vec<_> =
        scored.positions().iter().map(|attribute| caption.claims.about(*attribute)).collect();
    if claims.iter().all(Option::is_none) {
        return None;
    }
    let own = caption.generated.len() as f64;
    let sums = |claim: &Claim| {
        let shown = |images: &[Prediction]| images.iter().filter(|image| image.fulfils(claim)).count() as f64;
        let everywhere: f64 = captions.iter().map(|other| shown(&other.generated)).sum();
        Sums {
            claims: 1.0,
            agreement: shown(&caption.generated) / own,
            shuffled: (everywhere - shown(&caption.generated)) / (images as f64 - own),
            real: f64::from(u8::from(caption.real.fulfils(claim))),
        }
    };
    let exact = |image: &&Prediction| claims.iter().flatten().all(|claim| image.fulfils(claim));
    Some(Contribution {
        exact: caption.generated.iter().filter(exact).count() as f64 / own,
        attributes: claims.iter().map(|claim| claim.map_or_else(Sums::default, sums)).collect(),
    })
}

/// The sums over a set of captions.
pub(crate) struct Scores {
    attributes: Vec<Sums>,
    exact: f64,
}

impl Scores {
    pub(crate) fn of<'a>(attributes: usize, captions: impl Iterator<Item = &'a Contribution>) -> Self {
        let mut scores = Self { attributes: vec![Sums::default(); attributes], exact: 0.0 };
        let mut count = 0;
        for caption in captions {
            scores.attributes.iter_mut().zip(&caption.attributes).for_each(|(sums, more)| sums.add(more));
            scores.exact += caption.exact;
            count += 1;
        }
        scores.exact /= f64::from(count);
        scores
    }

    /// The mean over the attributes with claims.
    fn mean(&self, of: fn(&Sums) -> f64) -> f64 {
        let shares =
            self.attributes.iter().filter(|sums| sums.claims > 0.0).map(|sums| of(sums) / sums.claims);
        let (sum, count) = shares.fold((0.0, 0.0), |(sum, count), share| (sum + share, count + 1.0));
        sum / count
    }

    /// AAn; `None` if real images do not agree better than shuffled captions.
    pub(crate) fn normalised(&self) -> Option<f64> {
        let [agreement, shuffled, real]: [fn(&Sums) -> f64; 3] =
            [|sums| sums.agreement, |sums| sums.shuffled, |sums| sums.real];
        normalised_agreement(self.mean(agreement), self.mean(shuffled), self.mean(real))
    }
}

/// `(agreement - shuffled) / (real - shuffled)`.
fn normalised_agreement(agreement: f64, shuffled: f64, real: f64) -> Option<f64> {
    let room = real - shuffled;
    (room > 1e-9).then(|| (agreement - shuffled) / room)
}

//! Agreement with captions as people write them: their words are not those of the training captions, and
//! they have no images.

use std::collections::BTreeMap;

use serde::Serialize;
use t2f_data::Image;
use t2f_data::attributes::{Attributes, ClaimedCaption, ClaimedCaptions, Claims, Observation, Schema};
use t2f_data::people::Half;
use t2f_ops::rng::Key;

use crate::agreement::{Agreement, AttributeScores, Contribution, agreement_of, each_contribution};
use crate::attributes::{ScoredCaption, attribute_report, predict_captions};
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, OtherCaptions, Report};
use crate::oracle::Oracle;
use crate::prediction::{Prediction, ScoredAttributes};

/// Faces of each caption by default: captions are few.
pub const FACES: usize = 8;

/// The title of the normalised agreement.
const TITLE: &str = "(aa_people - aa_people_shuffled) / (1 - aa_people_shuffled)";
/// The last word of the keys of intervals in files, which no class may end with.
const INTERVAL: &str = "ci";

/// The metric `people`: agreement with captions as people write them, in all and for each class of wording.
#[derive(Clone, Debug)]
pub struct PeoplesCaptions {
    captions: Option<ClaimedCaptions>,
    faces: usize,
}

/// The test half of the project's captions, [`FACES`] faces of each.
impl Default for PeoplesCaptions {
    fn default() -> Self {
        Self { captions: None, faces: FACES }
    }
}

impl PeoplesCaptions {
    /// With other captions.
    #[must_use]
    pub fn with_captions(mut self, captions: ClaimedCaptions) -> Self {
        self.captions = Some(captions);
        self
    }

    /// With another number of faces of each caption, at least 1.
    #[must_use]
    pub fn with_faces(mut self, faces: usize) -> Self {
        self.faces = faces;
        self
    }
}

impl Metric for PeoplesCaptions {
    fn name(&self) -> &'static str {
        "people"
    }
    fn about(&self) -> &'static str {
        "agreement with captions as people write them, in all and for each class of wording"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let oracle = context.oracle()?;
        if self.faces == 0 {
            return Err(Error::Config("0 faces for each caption, expected at least one".into()));
        }
        let captions = match &self.captions {
            Some(captions) => captions.clone(),
            None => Half::Test.captions()?,
        };
        check_schema(&captions, context.data().schema())?;
        let ends = |class: &&str| class.rsplit('-').next() == Some(INTERVAL);
        if let Some(class) = captions.classes().into_iter().find(ends) {
            return Err(Error::Config(format!(
                "the class `{class}` of a caption ends in `{INTERVAL}`, as the keys of intervals do"
            )));
        }
        Ok(Box::new(Reading { context, oracle, captions, faces: self.faces }))
    }
}

/// Checks that claims are about the attributes of the data.
fn check_schema(captions: &ClaimedCaptions, schema: &Schema) -> Result<()> {
    if captions.schema() == schema {
        return Ok(());
    }
    let names = |schema: &Schema| schema.names().collect::<Vec<_>>().join(", ");
    Err(Error::Unavailable(format!(
        "the captions of `{}` make claims about other attributes ({}) than the data has ({}): give captions with \
         `--people`",
        captions.name(),
        names(captions.schema()),
        names(schema)
    )))
}

struct Reading<'a> {
    context: &'a Context<'a>,
    oracle: &'a Oracle,
    captions: ClaimedCaptions,
    faces: usize,
}

impl Accumulator for Reading<'_> {
    fn images(&self) -> Images {
        Images::Unused
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let captions = self.captions.captions();
        let texts = captions.iter().map(|one| one.caption.text.clone());
        let texts: Vec<String> = texts.flat_map(|text| std::iter::repeat_n(text, self.faces)).collect();
        let generated = predict_captions(self.context, self.oracle, &texts)?;
        let scored = self.oracle.scored();
        let scores = people_scores(scored, captions, &generated, self.context.key().child("people"))?;
        let of = OtherCaptions {
            name: self.captions.name().into(),
            fingerprint: self.captions.fingerprint().into(),
            count: captions.len(),
        };
        let values = values(&scores).into_iter();
        let values = values.map(|value| value.with_images(texts.len()).with_captions(&of));
        let heading =
            format!("{} images for {} captions of {}:", texts.len(), captions.len(), of.fingerprint);
        let mut report = attribute_report(self.oracle, values).with_note(heading);
        for line in table(&scores) {
            report = report.with_note(line);
        }
        report.with_details(
            "people",
            &Details { data: &of.fingerprint, captions: captions.len(), faces: self.faces, scores: &scores },
        )
    }
}

/// The entry of `details`.
#[derive(Serialize)]
struct Details<'a> {
    data: &'a str,
    captions: usize,
    faces: usize,
    #[serde(flatten)]
    scores: &'a PeopleScores,
}

fn values(scores: &PeopleScores) -> Vec<MetricValue> {
    let all = &scores.all;
    let normalised = |key: String, title: &str, scores: Option<&PeopleAgreement>| match scores {
        Some(PeopleAgreement { normalised: Some(normalised), .. }) => {
            MetricValue::estimate(key, title, *normalised, Better::Higher)
        }
        Some(_) => MetricValue::missing(key, title, "the faces of other captions show every claim, too"),
        None => MetricValue::missing(key, title, "no caption makes a claim about a scored attribute"),
    };
    let mut values = vec![normalised("people".into(), TITLE, Some(all))];
    values.extend(scores.classes.iter().map(|of| {
        let title = format!("the same of the class {}", of.class);
        normalised(format!("people_{}", of.class.replace('-', "_")), &title, of.scores.as_ref())
    }));
    values.extend([
        MetricValue::estimate(
            "aa_people",
            "attribute agreement with captions as people write them",
            all.agreement,
            Better::Higher,
        )
        .with_baseline("shuffled captions", "aa_people_shuffled"),
        MetricValue::estimate(
            "aa_people_shuffled",
            "the same with shuffled captions",
            all.shuffled,
            Better::Baseline,
        ),
        MetricValue::estimate(
            "exact_people",
            "images with every claim of these captions",
            all.exact,
            Better::Higher,
        ),
    ]);
    values
}

/// A table of the scores of each class and of each attribute, with headings.
fn table(scores: &PeopleScores) -> Vec<String> {
    let names = scores.classes.iter().map(|of| of.class.as_str()).chain(names(&scores.all));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0).max("attribute".len());
    let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.3}"));
    let heading =
        |first: &str, last: &str| format!("{first:<width$}  agreement  shuffled  normalised  exact  {last}");
    let mut lines = vec![heading("class", "captions")];
    for ClassScores { class, captions, scores } in &scores.classes {
        let of = |of: fn(&PeopleAgreement) -> Option<f64>| number(scores.as_ref().and_then(of));
        let (agreement, shuffled) = (of(|of| Some(of.agreement.value)), of(|of| Some(of.shuffled.value)));
        let (normalised, exact) = (of(|of| of.normalised.map(|it| it.value)), of(|of| Some(of.exact.value)));
        lines.push(format!(
            "{class:<width$}  {agreement:<9}  {shuffled:<8}  {normalised:<10}  {exact:<5}  {captions}"
        ));
    }
    lines.push(heading("attribute", "claims"));
    for (name, PeopleAttribute { claims, agreement, shuffled, normalised }) in &scores.all.attributes {
        let normalised = number(*normalised);
        lines.push(format!(
            "{name:<width$}  {agreement:<9.3}  {shuffled:<8.3}  {normalised:<10}  {:<5}  {claims}",
            ""
        ));
    }
    lines
}

fn names(scores: &PeopleAgreement) -> impl Iterator<Item = &str> {
    scores.attributes.keys().map(String::as_str)
}

/// Agreement with captions that have no images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeopleScores {
    /// Of all captions.
    pub all: PeopleAgreement,
    /// Of the captions of each class, in the order of the file.
    pub classes: Vec<ClassScores>,
}

/// The scores of a class of captions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// Its name.
    pub class: String,
    /// The number of its captions.
    pub captions: usize,
    /// Its scores; `None` if no caption makes a claim about a scored attribute.
    pub scores: Option<PeopleAgreement>,
}

/// Attribute agreement ([`attribute_agreement`](crate::agreement::attribute_agreement)) without real
/// images: the shares are means over attributes, and the upper bound is 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeopleAgreement {
    /// The number of captions with a claim about a scored attribute.
    pub captions: usize,
    /// The share of claims that the generated images show.
    pub agreement: Estimate,
    /// The share that the images of all other captions of the file show, of every class.
    pub shuffled: Estimate,
    /// `(agreement - shuffled) / (1 - shuffled)`; `None` if `shuffled` is 1.
    pub normalised: Option<Estimate>,
    /// The share of images that show every claim about scored attributes.
    pub exact: Estimate,
    /// The scores of each attribute that captions make claims about.
    pub attributes: BTreeMap<String, PeopleAttribute>,
}

/// The scores of one attribute, as those of [`PeopleAgreement`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PeopleAttribute {
    /// The number of claims about it.
    pub claims: usize,
    /// The share of the claims that the generated images show.
    pub agreement: f64,
    /// The share that the images of all other captions show.
    pub shuffled: f64,
    /// `(agreement - shuffled) / (1 - shuffled)`; `None` if `shuffled` is 1.
    pub normalised: Option<f64>,
}

/// The scores with the upper bound, which is 1, left out.
impl From<Agreement> for PeopleAgreement {
    fn from(of: Agreement) -> Self {
        let attribute = |(name, scores)| {
            let AttributeScores { claims, agreement, shuffled, normalised, .. } = scores;
            (name, PeopleAttribute { claims, agreement, shuffled, normalised })
        };
        Self {
            captions: of.captions,
            agreement: of.agreement,
            shuffled: of.shuffled,
            normalised: of.normalised,
            exact: of.exact,
            attributes: of.attributes.into_iter().map(attribute).collect(),
        }
    }
}

/// Scores `generated`, equally many images of each caption in the order of the captions. Intervals resample
/// the captions, with all images of each.
///
/// # Errors
/// If there are fewer than two captions, the number of images is not a multiple of theirs, or no caption
/// makes a claim about a scored attribute.
pub fn people_scores(
    scored: &ScoredAttributes,
    captions: &[ClaimedCaption],
    generated: &[Prediction],
    key: Key,
) -> Result<PeopleScores> {
    let (images, count) = (generated.len(), captions.len());
    if count < 2 || images == 0 || !images.is_multiple_of(count) {
        return Err(Error::State(format!(
            "{images} images of {count} captions, expected at least two captions and equally many images of each"
        )));
    }
    let of_each = captions.iter().zip(generated.chunks(images / count));
    let with_images: Vec<ScoredCaption> = of_each
        .map(|(ClaimedCaption { caption, .. }, generated)| ScoredCaption {
            claims: &caption.claims,
            generated: generated.to_vec(),
            real: fulfilling(scored.schema(), &caption.claims),
        })
        .collect();
    let parts = each_contribution(scored, &with_images)?;
    let of = |key: Key, accept: &dyn Fn(&ClaimedCaption) -> bool| -> Option<PeopleAgreement> {
        let accepted = captions.iter().zip(&parts).filter(|(caption, _)| accept(caption));
        let parts: Vec<&Contribution> = accepted.filter_map(|(_, part)| part.as_ref()).collect();
        (!parts.is_empty()).then(|| agreement_of(scored, &parts, key).into())
    };
    let all = of(key, &|_| true)
        .ok_or_else(|| Error::State("no caption makes a claim about a scored attribute".into()))?;
    let mut classes: Vec<ClassScores> = Vec::new();
    for ClaimedCaption { class, .. } in captions {
        if let Some(known) = classes.iter_mut().find(|known| known.class == *class) {
            known.captions += 1;
        } else {
            let scores = of(key.child(class), &|caption| caption.class == *class);
            classes.push(ClassScores { class: class.clone(), captions: 1, scores });
        }
    }
    Ok(PeopleScores { all, classes })
}

/// The attributes of an image that shows every claim, in place of a real image.
fn fulfilling(schema: &Schema, claims: &Claims) -> Prediction {
    let none = Attributes::unknown(schema.len());
    let shown = claims.iter().filter_map(|claim| Some((claim.attribute, *claim.allowed.first()?)));
    let all =
        shown.fold(none, |all, (attribute, value)| all.with(attribute, Observation::Value(value as u8)));
    Prediction::from(&all)
}

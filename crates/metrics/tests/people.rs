//! Agreement with captions as people write them: values by hand, and generators with known scores.

mod shapes;

use std::sync::Arc;

use shapes::{Shapes, draw, read};
use t2f_data::people::Half;
use t2f_data::procedural::{Face, Factor, render, schema};
use t2f_data::{ClaimedCaptions, DataConfig, Dataset, Image, ProceduralConfig, Splits};
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::metric::{Metric, MetricValue, Part};
use t2f_metrics::oracle::Oracle;
use t2f_metrics::people::{PeopleScores, PeoplesCaptions, people_scores};
use t2f_metrics::prediction::{Prediction, ScoredAttributes};
use t2f_metrics::request::{Generate, GenerationRequest};
use t2f_metrics::{Context, Result};
use t2f_ops::rng::Key;

const SIDE: usize = 32;
/// A file whose captions are values of its claims.
const FILE: &str = "plain\twoman long\tsex=woman;hair-length=long\nplain\tman long\tsex=man;hair-length=long\n\
    plain\twoman bob\tsex=woman;hair-length=bob|long\nplain\tman bob\tsex=man;hair-length=bob\n\
    negation-all\tman long\tsex=man\nnegation-all\twoman bob\tsex=woman;hair-length=bob\n";

fn captions(text: &str) -> ClaimedCaptions {
    ClaimedCaptions::parse("mine", text, schema()).unwrap()
}

/// A face with the values that a caption names.
fn face(caption: &str) -> Face {
    let named = |factor: &Factor| {
        let mut words = caption.split(' ').filter_map(|word| factor.value_index(word).ok());
        words.next().unwrap_or_default()
    };
    let (sex, length) = (named(&Factor::Sex), named(&Factor::HairLength));
    let mut values = [0; 22];
    values[Factor::Sex as usize] = sex;
    values[Factor::HairLength as usize] = length;
    Face::new(values).unwrap()
}

fn scored(factors: &[Factor]) -> ScoredAttributes {
    ScoredAttributes::new(schema(), factors.iter().map(|factor| *factor as usize).collect()).unwrap()
}

/// Two faces of each caption, `w` and `m`.
fn by_hand(text: &str, faces: &str) -> Result<PeopleScores> {
    let word = |letter: char| if letter == 'w' { "woman" } else { "man" };
    let predictions: Vec<Prediction> =
        faces.chars().map(|letter| Prediction::from(&face(word(letter)).attributes())).collect();
    people_scores(&scored(&[Factor::Sex]), captions(text).captions(), &predictions, Key::new(3))
}

#[test]
fn values_by_hand() -> Result<()> {
    let text = "plain\ta\tsex=woman\nplain\tb\tsex=man\nnegation\tc\tsex=man\n";
    let scores = by_hand(text, "wwmwww")?;
    // Of three captions 2, 1 and 0 of two faces are right. Of the four faces of the others 3, 0 and 1 are.
    let close =
        |got: f64, want: f64| assert!((got - want).abs() < 1e-12, "{got}, expected {want}: {scores:?}");
    close(scores.all.agreement.value, 0.5);
    close(scores.all.shuffled.value, 1.0 / 3.0);
    close(scores.all.normalised.unwrap().value, 0.25);
    close(scores.all.exact.value, 0.5);
    assert_eq!(scores.all.attributes["sex"].claims, 3);
    let [plain, negation] = &scores.classes[..] else { panic!("{scores:?}") };
    assert_eq!((plain.class.as_str(), plain.captions, negation.captions), ("plain", 2, 1));
    let (plain, negation) = (plain.scores.clone().unwrap(), negation.scores.clone().unwrap());
    // The shuffled captions of a class are those of the whole file.
    close(plain.shuffled.value, 0.375);
    close(plain.normalised.unwrap().value, 0.6);
    close(negation.normalised.unwrap().value, -1.0 / 3.0);
    let interval = scores.all.normalised.unwrap();
    assert!(interval.low < interval.value && interval.value < interval.high, "{interval:?}");
    Ok(())
}

#[test]
fn a_class_without_a_scored_claim_has_no_scores_and_its_faces_are_in_the_baseline() -> Result<()> {
    let text = "plain\ta\tsex=woman\nplain\tb\tsex=man\nage\tc\tage=old\n";
    let scores = by_hand(text, "wwmmwm")?;
    assert_eq!((scores.all.captions, scores.classes[1].captions), (2, 1));
    assert_eq!(scores.classes[1].scores, None);
    assert_eq!((scores.all.agreement.value, scores.all.shuffled.value), (1.0, 0.25));
    let error = |text: &str, faces: &str| by_hand(text, faces).unwrap_err().to_string();
    assert!(error("age\ta\tage=old\nage\tb\tage=old\n", "ww").contains("no caption makes a claim"));
    assert!(error("plain\ta\tsex=man\n", "m").contains("at least two captions"));
    assert!(error(text, "wwmm").contains("4 images of 3 captions"));
    // The faces of the other captions show every claim, so that nothing can be gained.
    let equal = by_hand("plain\ta\tsex=man\nplain\tb\tsex=man\n", "mm")?;
    assert_eq!((equal.all.agreement.value, equal.all.normalised), (1.0, None));
    Ok(())
}

fn splits() -> Result<Splits> {
    let sizes =
        ProceduralConfig { train_images: 8, val_images: 8, test_images: 8, ..ProceduralConfig::default() };
    Ok(DataConfig::Procedural(sizes).open(SIDE)?)
}

fn measured(splits: &Splits, metric: PeoplesCaptions, generate: &Generate) -> Result<Measurement> {
    let oracle = Oracle::embedded(SIDE)?.unwrap();
    let request = GenerationRequest::first(splits.test.as_ref(), 4, 1, 0)?;
    let context = Context::new(generate, splits, Part::Test, &request).with_oracle(&oracle).with_seed(7);
    let metrics: [Box<dyn Metric>; 1] = [Box::new(metric)];
    measure(&context, &metrics)
}

fn rendered(of: impl Fn(&str) -> Face) -> impl Fn(&[String], &[u64]) -> Result<Vec<Image>> {
    move |captions, seeds| {
        let one = |(caption, seed): (&String, &u64)| render(&of(caption), SIDE, Key::new(*seed));
        Ok(captions.iter().zip(seeds).map(one).collect())
    }
}

fn find<'m>(measurement: &'m Measurement, key: &str) -> &'m MetricValue {
    let value = measurement.values().find(|value| value.key == key);
    value.unwrap_or_else(|| panic!("no {key} in {measurement:?}"))
}

fn number(measurement: &Measurement, key: &str) -> f64 {
    find(measurement, key).numbers().unwrap_or_else(|| panic!("no number for {key}")).0
}

#[test]
fn a_generator_that_follows_captions_scores_one_and_one_that_ignores_them_scores_nothing() -> Result<()> {
    let splits = splits()?;
    let metric = || PeoplesCaptions::default().with_captions(captions(FILE)).with_faces(3);
    let perfect = measured(&splits, metric(), &rendered(face))?;
    // The errors of the classifier.
    for key in ["people", "people_plain", "people_negation_all", "aa_people", "exact_people"] {
        assert!(number(&perfect, key) > 0.85, "{key}: {perfect:?}");
    }
    let ignoring = measured(&splits, metric(), &rendered(|_| face("woman long")))?;
    assert!(number(&ignoring, "people").abs() < 0.1, "{ignoring:?}");
    let keys: Vec<&str> = ignoring.values().map(|value| value.key.as_str()).collect();
    let expected =
        ["people", "people_plain", "people_negation_all", "aa_people", "aa_people_shuffled", "exact_people"];
    assert_eq!(keys, expected);
    // The protocol is that of the captions.
    let value = find(&perfect, "people_plain");
    let captions = value.captions.as_ref().unwrap();
    assert_eq!((value.images, captions.name.as_str(), captions.count), (Some(18), "mine", 6));
    assert_eq!(value.source.features, "oracle");
    let report = &perfect.reports[0].1;
    assert_eq!(report.details["people"]["classes"][1]["class"], "negation-all");
    assert_eq!(
        (&report.details["people"]["faces"], &report.details["people"]["captions"]),
        (&3.into(), &6.into())
    );
    // Two headings, two classes and the one scored attribute, after the line about the captions.
    assert_eq!(report.notes.len(), 6, "{:?}", report.notes);
    Ok(())
}

#[test]
fn each_face_of_a_caption_has_a_seed_of_its_own() -> Result<()> {
    let splits = splits()?;
    let seen = std::sync::Mutex::new(Vec::new());
    let generate = |captions: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
        seen.lock().unwrap().extend(captions.iter().cloned().zip(seeds.iter().copied()));
        rendered(face)(captions, seeds)
    };
    let text = "plain\twoman\tsex=woman\nplain\tman\tsex=man\n";
    measured(&splits, PeoplesCaptions::default().with_captions(captions(text)).with_faces(2), &generate)?;
    let expected = [("woman", 7), ("woman", 8), ("man", 9), ("man", 10)];
    assert_eq!(seen.into_inner().unwrap(), expected.map(|(text, seed)| (text.to_owned(), seed)));
    Ok(())
}

#[test]
fn captions_that_do_not_fit_the_data_are_refused_with_the_reason() -> Result<()> {
    let splits = splits()?;
    let reason = |metric: PeoplesCaptions| -> Result<String> {
        let measurement = measured(&splits, metric, &rendered(face))?;
        assert!(measurement.reports.is_empty());
        Ok(measurement.left_out[0].reason.clone())
    };
    let shapes = Shapes::new("people", 8);
    let other = ClaimedCaptions::parse("shapes", "plain\ta red bar\tcolour=red\n", shapes.schema())?;
    let message = reason(PeoplesCaptions::default().with_captions(other))?;
    assert!(message.contains("`shapes`") && message.contains("colour, shape, ground, luck"), "{message}");
    assert!(message.contains("hair-length") && message.contains("--people"), "{message}");
    let message = reason(PeoplesCaptions::default().with_captions(captions("a-ci\ta\tsex=man\n")))?;
    assert!(message.contains("class `a-ci`"), "{message}");
    let message = reason(PeoplesCaptions::default().with_faces(0))?;
    assert!(message.contains("0 faces"), "{message}");

    // Data of other attributes, with an oracle of procedural faces or without one.
    let part = || -> Arc<dyn Dataset> { Arc::new(Shapes::new("people", 8)) };
    let splits = Splits::new(part(), part(), part())?;
    let drawn = |captions: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
        Ok(captions.iter().zip(seeds).map(|(text, seed)| draw(read(text), Key::new(*seed))).collect())
    };
    let measurement = measured(&splits, PeoplesCaptions::default(), &drawn)?;
    assert!(measurement.left_out[0].reason.contains("another schema"), "{measurement:?}");
    Ok(())
}

#[test]
fn every_class_of_the_projects_captions_has_a_scored_claim() -> Result<()> {
    let oracle = Oracle::embedded(SIDE)?.unwrap();
    let mut sets = Half::ALL.map(Half::captions).into_iter().collect::<t2f_data::Result<Vec<_>>>()?;
    let more = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/people/more.tsv");
    sets.push(ClaimedCaptions::load(more, schema())?);
    for all in sets {
        for class in all.classes() {
            let of_class = all.captions().iter().filter(|one| one.class == class);
            let scored = |attribute: usize| oracle.scored().contains(attribute);
            let mut claims = of_class.flat_map(|one| one.caption.claims.iter());
            assert!(claims.any(|claim| scored(claim.attribute)), "{}: {class}", all.name());
        }
    }
    Ok(())
}

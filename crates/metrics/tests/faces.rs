//! Edits, paraphrases, diversity and composition: values by hand, and generators with known scores.

use std::collections::BTreeSet;

use t2f_data::procedural::{Face, Factor, ProceduralFaces, Split, dependents, has_reserved_pair, schema};
use t2f_data::{Attributes, CaptionEdit, Claim, Claims, Dataset};
use t2f_metrics::Result;
use t2f_metrics::attributes::ScoredCaption;
use t2f_metrics::composition::composition_gap;
use t2f_metrics::diversity::{ClassFrequencies, diversity};
use t2f_metrics::edits::{EditScores, EditedPair, edit_scores, edits};
use t2f_metrics::paraphrase::{paraphrase_scores, paraphrases};
use t2f_metrics::prediction::{Prediction, ScoredAttributes};
use t2f_metrics::request::GenerationRequest;
use t2f_ops::rng::Key;

const SCORED: [Factor; 5] = [Factor::Sex, Factor::HairColour, Factor::Glasses, Factor::Hat, Factor::Mouth];

fn scored(factors: &[Factor]) -> ScoredAttributes {
    ScoredAttributes::new(schema(), factors.iter().map(|factor| *factor as usize).collect()).unwrap()
}

fn key() -> Key {
    Key::new(29)
}

fn faces(len: usize) -> ProceduralFaces {
    ProceduralFaces::new(Split::Test, 3, len, 32)
}

fn pair<'a>(edit: &'a CaptionEdit, before: &Attributes, after: &Attributes) -> EditedPair<'a> {
    EditedPair { edit, before: before.into(), after: after.into() }
}

fn score(factors: &[Factor], pairs: Vec<EditedPair>) -> Result<EditScores> {
    edit_scores(&scored(factors), &pairs, &dependents, key())
}

#[test]
fn edits_change_one_phrase_and_one_factor_and_stay_in_the_distribution() -> Result<()> {
    let edits = edits(&scored(&SCORED), &faces(300), 60, key())?;
    for edit in &edits {
        let ((before, face), (after, edited)) = (&edit.before, &edit.after);
        assert!(before.claims.holds(face) && after.claims.holds(edited), "{edit:?}");
        assert!(before.claims.contradicts(edited) && after.claims.contradicts(face), "{edit:?}");
        assert!(!has_reserved_pair(&Face::try_from(edited)?));
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<BTreeSet<_>>();
        assert!(words(&before.text).symmetric_difference(&words(&after.text)).count() <= 6, "{edit:?}");
        assert!(before.text != after.text);
    }
    let edited: Vec<usize> = edits.iter().map(|edit| edit.attribute).collect();
    for factor in SCORED {
        assert_eq!(edited.iter().filter(|other| **other == factor as usize).count(), 12, "{}", factor.name());
    }
    Ok(())
}

#[test]
fn a_perfect_generator_flips_all_and_leaks_nothing_and_one_that_ignores_captions_flips_nothing() -> Result<()>
{
    let edits = edits(&scored(&SCORED), &faces(300), 50, key())?;
    let score = |pairs| score(&SCORED, pairs);
    let perfect = score(edits.iter().map(|edit| pair(edit, &edit.before.1, &edit.after.1)).collect())?;
    assert_eq!((perfect.edits, perfect.flip.value, perfect.leak.value), (50, 1.0, 0.0));
    let constant = score(edits.iter().map(|edit| pair(edit, &edit.after.1, &edit.after.1)).collect())?;
    assert_eq!((constant.flip.value, constant.flip.high, constant.leak.value), (0.0, 0.0, 0.0));
    assert!(
        constant.attributes.len() == SCORED.len() && constant.attributes.values().all(|flip| *flip == 0.0)
    );
    Ok(())
}

#[test]
fn leakage_is_the_share_of_other_attributes_without_dependents() -> Result<()> {
    let edits = edits(&scored(&[Factor::Sex]), &faces(300), 10, key())?;
    let factors = [Factor::Sex, Factor::FacialHair, Factor::Hat, Factor::Mouth];
    let other = |face: &Attributes, factor: Factor| {
        let face = Face::try_from(face).unwrap();
        let value = factor.values().iter().find(|value| !face.is(factor, value)).unwrap();
        face.with(factor, value).unwrap().attributes()
    };
    let score = |change: Option<Factor>| {
        let after = |edit: &CaptionEdit| match change {
            Some(factor) => other(&edit.after.1, factor),
            None => edit.after.1.clone(),
        };
        score(&factors, edits.iter().map(|edit| pair(edit, &edit.before.1, &after(edit))).collect())
    };
    // Beards come and go with the sex, and are not counted: one of hat and mouth changes.
    assert_eq!(score(None)?.leak.value, 0.0);
    assert_eq!(score(Some(Factor::Mouth))?.leak.value, 0.5);
    assert_eq!(score(Some(Factor::Mouth))?.flip.value, 1.0);
    Ok(())
}

#[test]
fn paraphrases_claim_the_same_in_other_words() -> Result<()> {
    let pairs = paraphrases(&faces(200), 40, key())?;
    assert_eq!(pairs.len(), 40);
    assert!(pairs.iter().all(|[one, other]| one.claims == other.claims && one.text != other.text));
    let of = |index| Prediction::from(&faces(200).attributes(index).unwrap());
    let (a, b) = (of(0), of(1));
    let equal =
        SCORED.iter().filter(|factor| a.value(**factor as usize) == b.value(**factor as usize)).count()
            as f64
            / 5.0;
    assert!(equal < 1.0);
    let scores = paraphrase_scores(&scored(&SCORED), &[(a.clone(), a.clone()), (a, b)], key())?;
    assert!((scores.consistency.value - (1.0 + equal) / 2.0).abs() < 1e-12);
    assert_eq!((scores.whole.value, scores.pairs), (0.5, 2));
    assert!(paraphrase_scores(&scored(&SCORED), &[], key()).is_err());
    Ok(())
}

#[test]
fn diversity_is_low_for_the_data_and_high_for_one_face() -> Result<()> {
    let data = faces(1500);
    let frequencies = ClassFrequencies::of(&scored(&SCORED), &data)?;
    let captions: Vec<Claims> = (0..1500).map(|i| data.captions(i).unwrap().swap_remove(0).claims).collect();
    let own = |i: usize| Prediction::from(&data.attributes(i).unwrap());
    let score = |face: &dyn Fn(usize) -> Prediction, times: usize| {
        let faces: Vec<Vec<Prediction>> = (0..1500).map(|i| vec![face(i); times]).collect();
        let seen: Vec<(&Claims, &[Prediction])> =
            captions.iter().zip(&faces).map(|(claims, faces)| (claims, faces.as_slice())).collect();
        diversity(&frequencies, &seen, key())
    };
    let varied = score(&own, 1)?;
    assert!(varied.distance.value < 0.04 && varied.distance.low < 0.02, "{varied:?}");
    assert_eq!(score(&own, 2)?, varied, "a second equal face changes nothing");
    let collapsed = score(&|_| own(0), 1)?;
    // With one value of each attribute the distance is the frequency of all others.
    assert!(collapsed.distance.value > 0.4 && collapsed.distance.low > 0.4, "{collapsed:?}");
    let sex = collapsed.attributes["sex"];
    assert!((sex - 0.5).abs() < 0.1, "{sex}");
    Ok(())
}

/// Captions that claim the two sexes in turn, and faces that agree or not.
fn scored_captions<'a>(claims: &'a [Claims], right: &[bool]) -> Vec<ScoredCaption<'a>> {
    let face = |value: usize| {
        let mut values = [0; 22];
        values[Factor::Sex as usize] = value;
        Prediction::from(&Face::new(values).unwrap().attributes())
    };
    let each = claims.iter().zip(right).enumerate();
    each.map(|(i, (claims, right))| ScoredCaption {
        claims,
        generated: vec![face(if *right { i % 2 } else { (i + 1) % 2 })],
        real: face(i % 2),
    })
    .collect()
}

#[test]
fn the_composition_gap_is_the_difference_of_two_agreements() -> Result<()> {
    let claims: Vec<Claims> = (0..40)
        .map(|i| Claims::from_iter([Claim { attribute: Factor::Sex as usize, allowed: vec![i % 2] }]))
        .collect();
    let all = vec![true; 40];
    // 30 of 40 faces are right: AA is 0.75, the shuffled baseline near 0.5 and AAn near 0.5.
    let some: Vec<bool> = (0..40).map(|i| i % 8 > 1).collect();
    let gap = |a: &[bool], b: &[bool]| {
        composition_gap(
            &scored(&[Factor::Sex]),
            &scored_captions(&claims, a),
            &scored_captions(&claims, b),
            key(),
        )
    };
    let same = gap(&some, &some)?.unwrap();
    assert_eq!(same.value, 0.0);
    assert!(same.low < -0.2 && same.high > 0.2, "{same:?}");
    let worse = gap(&all, &some)?.unwrap();
    // The shuffled baseline leaves out the own face, and so is a little below 0.5.
    assert!((worse.value - 0.5).abs() < 0.03 && worse.low > 0.15, "{worse:?}");
    Ok(())
}

#[test]
fn captions_and_seeds_of_a_request_are_in_step() -> Result<()> {
    let data = faces(10);
    let request = GenerationRequest::first(&data, 3, 2, 7)?;
    assert_eq!(request.seeds(), [7, 8, 9, 10, 11, 12]);
    let texts = request.texts();
    assert!(texts.len() == 6 && texts[0] == texts[1] && texts[1] != texts[2]);
    assert_eq!(texts[4], data.captions(2)?[0].text);
    assert!(GenerationRequest::first(&data, 3, 0, 7).is_err());
    Ok(())
}

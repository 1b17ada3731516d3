//! Edits, paraphrases, diversity and composition: numbers by hand, and generators whose scores are
//! known beforehand.

use std::collections::BTreeSet;

use t2f_data::procedural::{ProceduralFaces, Split, has_reserved_pair};
use t2f_data::{Attributes, Claim, Claims, Dataset, Factor, Image};
use t2f_metrics::Result;
use t2f_metrics::attributes::{Judged, composition_gap};
use t2f_metrics::diversity::{Prior, diversity};
use t2f_metrics::edits::{Edit, SeenEdit, edit_scores, edits};
use t2f_metrics::faces::FaceTest;
use t2f_metrics::oracle::{Oracle, Prediction};
use t2f_metrics::paraphrase::{paraphrase_scores, paraphrases};
use t2f_metrics::sample::Request;
use t2f_ops::rng::Key;

const SCORED: [Factor; 5] = [Factor::Sex, Factor::HairColour, Factor::Glasses, Factor::Hat, Factor::Mouth];

fn key() -> Key {
    Key::new(29)
}

fn faces(len: usize) -> ProceduralFaces {
    ProceduralFaces::new(Split::Test, 3, len, 32)
}

fn seen(edit: &Edit, before: Attributes, after: Attributes) -> SeenEdit<'_> {
    SeenEdit { edit, before: (&before).into(), after: (&after).into() }
}

#[test]
fn edits_change_one_phrase_and_one_factor_and_stay_in_the_distribution() -> Result<()> {
    let edits = edits(&SCORED, &faces(300), 60, key())?;
    for edit in &edits {
        let ((before, face), (after, edited)) = (&edit.before, &edit.after);
        assert!(before.claims.holds(face) && after.claims.holds(edited), "{edit:?}");
        assert!(before.claims.contradicts(edited) && after.claims.contradicts(face), "{edit:?}");
        assert!(!has_reserved_pair(edited));
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<BTreeSet<_>>();
        assert!(words(&before.text).symmetric_difference(&words(&after.text)).count() <= 6, "{edit:?}");
        assert!(before.text != after.text);
    }
    let edited: Vec<Factor> = edits.iter().map(|edit| edit.factor).collect();
    for factor in SCORED {
        assert_eq!(edited.iter().filter(|other| **other == factor).count(), 12, "{}", factor.name());
    }
    Ok(())
}

#[test]
fn a_perfect_generator_flips_all_and_leaks_nothing_and_a_deaf_one_flips_nothing() -> Result<()> {
    let edits = edits(&SCORED, &faces(300), 50, key())?;
    let score = |seen: Vec<SeenEdit>| edit_scores(&SCORED, &seen, key());
    let perfect = score(edits.iter().map(|edit| seen(edit, edit.before.1, edit.after.1)).collect())?;
    assert_eq!((perfect.edits, perfect.flip.value, perfect.leak.value), (50, 1.0, 0.0));
    let deaf = score(edits.iter().map(|edit| seen(edit, edit.after.1, edit.after.1)).collect())?;
    assert_eq!((deaf.flip.value, deaf.flip.high, deaf.leak.value), (0.0, 0.0, 0.0));
    assert!(deaf.factors.len() == SCORED.len() && deaf.factors.values().all(|flip| *flip == 0.0));
    Ok(())
}

#[test]
fn leakage_is_the_share_of_other_factors_and_what_an_edit_may_hide_is_none() -> Result<()> {
    let edits = edits(&[Factor::Sex], &faces(300), 10, key())?;
    let scored = [Factor::Sex, Factor::FacialHair, Factor::Hat, Factor::Mouth];
    let other = |face: &Attributes, factor: Factor| {
        let value = factor.values().iter().find(|value| !face.is(factor, value)).unwrap();
        face.with(factor, value).unwrap()
    };
    let score = |change: Option<Factor>| {
        let drawn = |edit: &Edit| change.map_or(edit.after.1, |factor| other(&edit.after.1, factor));
        let seen: Vec<SeenEdit> = edits.iter().map(|edit| seen(edit, edit.before.1, drawn(edit))).collect();
        edit_scores(&scored, &seen, key())
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
    assert!(pairs.iter().all(|(one, other)| one.claims == other.claims && one.text != other.text));
    let of = |index| Prediction::from(&faces(200).attributes(index).unwrap());
    let (a, b) = (of(0), of(1));
    let equal = SCORED.iter().filter(|factor| a.get(**factor) == b.get(**factor)).count() as f64 / 5.0;
    assert!(equal < 1.0);
    let scores = paraphrase_scores(&SCORED, &[(a, a), (a, b)], key())?;
    assert!((scores.consistency.value - (1.0 + equal) / 2.0).abs() < 1e-12);
    assert_eq!((scores.whole.value, scores.pairs), (0.5, 2));
    assert!(paraphrase_scores(&SCORED, &[], key()).is_err());
    Ok(())
}

#[test]
fn diversity_is_low_for_the_data_and_high_for_one_face() -> Result<()> {
    let data = faces(1500);
    let prior = Prior::of(&SCORED, &data)?;
    let captions: Vec<Claims> = (0..1500).map(|i| data.captions(i).unwrap().swap_remove(0).claims).collect();
    let own = |i: usize| Prediction::from(&data.attributes(i).unwrap());
    let score = |face: &dyn Fn(usize) -> Prediction, times: usize| {
        let faces: Vec<Vec<Prediction>> = (0..1500).map(|i| vec![face(i); times]).collect();
        let seen: Vec<(&Claims, &[Prediction])> =
            captions.iter().zip(&faces).map(|(claims, faces)| (claims, faces.as_slice())).collect();
        diversity(&prior, &seen, key())
    };
    let varied = score(&own, 1)?;
    assert!(varied.distance.value < 0.04 && varied.distance.low < 0.02, "{varied:?}");
    assert_eq!(score(&own, 2)?, varied, "the same face again says nothing more");
    let collapsed = score(&|_| own(0), 1)?;
    // One value of each factor: the distance is what the prior gives to all others.
    assert!(collapsed.distance.value > 0.4 && collapsed.distance.low > 0.4, "{collapsed:?}");
    let sex = collapsed.factors[&Factor::Sex];
    assert!((sex - 0.5).abs() < 0.1, "{sex}");
    Ok(())
}

/// Captions that claim a sex or a hat, alternating, and faces that agree or not.
fn judged<'a>(claims: &'a [Claims], right: &[bool]) -> Vec<Judged<'a>> {
    let face = |value: usize| {
        let mut values = [0; 22];
        values[Factor::Sex as usize] = value;
        Prediction::from(&Attributes::new(values).unwrap())
    };
    let each = claims.iter().zip(right).enumerate();
    each.map(|(i, (claims, right))| Judged {
        claims,
        drawn: vec![face(if *right { i % 2 } else { (i + 1) % 2 })],
        real: face(i % 2),
    })
    .collect()
}

#[test]
fn the_composition_gap_is_the_difference_of_two_agreements() -> Result<()> {
    let claims: Vec<Claims> = (0..40)
        .map(|i| Claims { claims: vec![Claim { factor: Factor::Sex, allowed: vec![i % 2] }] })
        .collect();
    let all = vec![true; 40];
    // 30 of 40 faces are right: AA is 0.75, chance near 0.5 and AAn near 0.5.
    let some: Vec<bool> = (0..40).map(|i| i % 8 > 1).collect();
    let gap = |a: &[bool], b: &[bool]| {
        composition_gap(&[Factor::Sex], &judged(&claims, a), &judged(&claims, b), key())
    };
    let same = gap(&some, &some)?.unwrap();
    assert_eq!(same.value, 0.0);
    assert!(same.low < -0.2 && same.high > 0.2, "{same:?}");
    let worse = gap(&all, &some)?.unwrap();
    let chance = 10.0 + 0.5; // of 39 other faces, on average, fewer fulfil a claim that the own one does
    assert!((worse.value - 0.5).abs() < chance / 400.0 && worse.low > 0.15, "{worse:?}");
    Ok(())
}

#[test]
fn a_generator_that_copies_pictures_without_reading_scores_nothing_but_diversity() -> Result<()> {
    let oracle = Oracle::embedded(32)?.unwrap();
    let (test, comb) = (faces(150), ProceduralFaces::new(Split::TestComb, 3, 150, 32));
    let copies = ProceduralFaces::new(Split::Test, 4, 1000, 32);
    let draw = |_: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
        Ok(seeds.iter().map(|&seed| copies.image(seed as usize)).collect::<t2f_data::Result<_>>()?)
    };
    let face_test = FaceTest { draw: &draw, oracle: &oracle, test: &test, test_comb: Some(&comb), seed: 0 };
    let request = Request::first(&test, 60, 2, 0)?;
    let mut shown = 0;
    let scores = face_test.measure(&request, &mut |images| {
        shown += images.len();
        Ok(())
    })?;
    assert_eq!(shown, 120);
    let claims =
        |claims: &Claims| oracle.scored_factors().iter().any(|factor| claims.about(*factor).is_some());
    let claiming = request.captions().iter().filter(|caption| claims(&caption.claims)).count();
    assert_eq!(scores.agreement.captions, claiming);
    assert!(scores.agreement.normalised.unwrap().low < 0.1, "{:?}", scores.agreement);
    assert_eq!((scores.edits.flip.value, scores.edits.leak.value), (0.0, 0.0));
    assert_eq!(scores.paraphrase.consistency.value, 1.0);
    // The classifier's own mistakes, and those of few faces.
    assert!(
        scores.edits_real.flip.value > 0.9 && scores.edits_real.leak.value < 0.05,
        "{:?}",
        scores.edits_real
    );
    assert!(scores.diversity.distance.value < scores.diversity_real.distance.value + 0.1);
    Ok(())
}

#[test]
fn faces_and_seeds_of_a_request_are_in_step() -> Result<()> {
    let data = faces(10);
    let request = Request::first(&data, 3, 2, 7)?;
    assert_eq!(request.seeds(), [7, 8, 9, 10, 11, 12]);
    let texts = request.texts();
    assert!(texts.len() == 6 && texts[0] == texts[1] && texts[1] != texts[2]);
    assert_eq!(texts[4], data.captions(2)?[0].text);
    assert!(Request::first(&data, 3, 0, 7).is_err());
    Ok(())
}

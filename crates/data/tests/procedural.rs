//! The procedural faces: what they promise to the networks and to the scores.

use std::collections::BTreeSet;

use t2f_data::procedural::{
    CAPTIONS_PER_IMAGE, ProceduralFaces, Split, Wording, caption, caption_with, has_reserved_pair, render,
    sample,
};
use t2f_data::{Dataset, Factor, Image, contact_sheet};
use t2f_ops::rng::Key;

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
}

#[test]
fn every_claim_is_true_and_speaks_of_what_can_be_seen() {
    for index in 0..4000 {
        let key = Key::new(3).at(index);
        let face = sample(key.child("face"));
        for wording in [Wording::Common, Wording::Full] {
            let caption = caption_with(&face, wording, key.child("content"), key.child("words"));
            assert!(caption.claims.holds(&face), "{} of {face:?}", caption.text);
            assert!(!caption.claims.contradicts(&face));
            assert!(
                !caption.claims.is_empty() && !caption.text.trim().is_empty(),
                "face {index}: {caption:?}"
            );
            assert!(!caption.text.contains('{') && !caption.text.contains("  "), "{}", caption.text);
        }
    }
}

#[test]
fn what_is_said_is_claimed() {
    // Words that can mean one thing only, whatever the sentence around them.
    let telling = [
        ("beanie", Factor::Hat),
        ("spectacles", Factor::Glasses),
        ("freckles", Factor::Marks),
        ("he", Factor::Sex),
        ("his", Factor::Sex),
        ("her", Factor::Sex),
        ("she", Factor::Sex),
        ("curly", Factor::HairTexture),
        ("ginger", Factor::HairColour),
        ("bald", Factor::HairLength),
        ("lipstick", Factor::Lips),
        ("goatee", Factor::FacialHair),
        ("grinning", Factor::Mouth),
        ("elderly", Factor::Age),
    ];
    let mut seen = BTreeSet::new();
    for index in 0..4000 {
        let key = Key::new(4).at(index);
        let caption = caption(&sample(key), key);
        let words = words(&caption.text);
        for (word, factor) in telling.iter().filter(|(word, _)| words.contains(*word)) {
            seen.insert(word);
            assert!(caption.claims.about(*factor).is_some(), "{word} in {}", caption.text);
        }
    }
    assert_eq!(seen.len(), telling.len(), "only {seen:?} occurred");
}

#[test]
fn training_never_shows_a_reserved_pair_and_the_last_split_always_does() {
    for split in [Split::Train, Split::Val, Split::Test] {
        let faces = ProceduralFaces::new(split, 1, 1500, 16);
        assert!((0..1500).all(|i| !has_reserved_pair(&faces.attributes(i).unwrap())), "{split:?}");
    }
    let faces = ProceduralFaces::new(Split::TestComb, 1, 500, 16);
    assert!((0..500).all(|i| has_reserved_pair(&faces.attributes(i).unwrap())));
}

#[test]
fn splits_and_seeds_share_no_face() {
    let first = |split, seed| ProceduralFaces::new(split, seed, 1, 16).attributes(0).unwrap();
    let firsts = [
        first(Split::Train, 0),
        first(Split::Val, 0),
        first(Split::Test, 0),
        first(Split::TestComb, 0),
        first(Split::Train, 1),
    ];
    assert_eq!(firsts.iter().map(|face| format!("{face:?}")).collect::<BTreeSet<_>>().len(), firsts.len());
}

#[test]
fn some_words_are_kept_for_testing() {
    let vocabulary = |split| {
        let faces = ProceduralFaces::new(split, 0, 1200, 16);
        let captions = (0..1200).flat_map(|i| faces.captions(i).unwrap());
        captions.flat_map(|caption| words(&caption.text)).collect::<BTreeSet<_>>()
    };
    let (train, test) = (vocabulary(Split::Train), vocabulary(Split::Test));
    for kept in ["fellow", "copper", "fedora", "eyeglasses", "undulating", "scowls"] {
        assert!(test.contains(kept) && !train.contains(kept), "{kept}");
    }
}

#[test]
fn captions_are_about_as_long_as_those_people_wrote() {
    let faces = ProceduralFaces::new(Split::Train, 0, 800, 16);
    let mut lengths = Vec::new();
    for index in 0..800 {
        let captions = faces.captions(index).unwrap();
        assert!((CAPTIONS_PER_IMAGE.0..=CAPTIONS_PER_IMAGE.1).contains(&captions.len()));
        lengths.extend(captions.iter().map(|caption| caption.text.split_whitespace().count() as f64));
    }
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    let variance = lengths.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / lengths.len() as f64;
    assert!((17.0..25.0).contains(&mean), "mean {mean}, Face2Text 23.0");
    assert!((9.0..15.0).contains(&variance.sqrt()), "deviation {}, Face2Text 14.5", variance.sqrt());
}

#[test]
fn a_paraphrase_speaks_of_the_same_factors_in_other_words() {
    let mut different = 0;
    for index in 0..300 {
        let key = Key::new(8).at(index);
        let face = sample(key);
        let say = |words: u64| {
            caption_with(&face, Wording::Common, key.child("content"), key.child("words").at(words))
        };
        let (one, other) = (say(0), say(1));
        let factors =
            |c: &t2f_data::Caption| c.claims.claims.iter().map(|claim| claim.factor).collect::<Vec<_>>();
        // Only a possessive (`his cheek`, `their cheek`) may say the sex in one of the two.
        let without_sex = |mut list: Vec<Factor>| {
            list.retain(|factor| *factor != Factor::Sex);
            list
        };
        assert_eq!(without_sex(factors(&one)), without_sex(factors(&other)), "{} / {}", one.text, other.text);
        different += usize::from(one.text != other.text);
    }
    assert!(different > 280, "{different} of 300 differ");
}

#[test]
fn an_edit_changes_the_words_of_one_factor() {
    let mut tested = 0;
    for index in 0..400 {
        let key = Key::new(9).at(index);
        let face = sample(key);
        let say = |face| caption_with(face, Wording::Common, key.child("content"), key.child("words"));
        let before = say(&face);
        if !face.is(Factor::Hat, "none")
            || !face.is(Factor::Glasses, "round")
            || before.claims.about(Factor::Glasses).is_none()
        {
            continue;
        }
        let after = say(&face.with(Factor::Glasses, "square").unwrap());
        let rest = |c: &t2f_data::Caption| {
            let mut claims = c.claims.claims.clone();
            claims.retain(|claim| claim.factor != Factor::Glasses);
            claims
        };
        assert_eq!(rest(&before), rest(&after), "{} / {}", before.text, after.text);
        tested += 1;
    }
    assert!(tested > 5, "{tested} captions spoke of glasses");
}

#[test]
fn a_face_is_the_same_at_every_resolution() {
    for index in 0..6 {
        let key = Key::new(2).at(index);
        let face = sample(key);
        let (large, small) = (render(&face, 128, key).shrink(2), render(&face, 64, key));
        let difference: f64 =
            large.pixels.iter().zip(&small.pixels).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        let mean = difference / small.pixels.len() as f64;
        assert!(mean < 2.0, "face {index}: {mean} levels of 255");
    }
    let key = Key::new(2);
    assert_eq!(render(&sample(key), 4, key).pixels.len(), 48);
}

/// Every change of one visible factor changes pixels: nothing is drawn that cannot be learnt.
#[test]
fn every_value_can_be_seen() {
    let key = Key::new(21);
    let mut values = [0; 22];
    values[Factor::Sex as usize] = 1;
    values[Factor::HairLength as usize] = 2;
    let plain = t2f_data::Attributes::new(values).unwrap();
    for factor in Factor::ALL {
        let drawn: Vec<Image> = factor
            .values()
            .iter()
            .map(|value| render(&plain.with(factor, value).unwrap(), 64, key))
            .collect();
        for (i, one) in drawn.iter().enumerate() {
            for (j, other) in drawn.iter().enumerate().skip(i + 1) {
                let changed =
                    one.pixels.iter().zip(&other.pixels).filter(|(a, b)| a.abs_diff(**b) > 12).count();
                let (a, b) = (factor.values()[i], factor.values()[j]);
                assert!(changed >= 24, "{} {a} and {b} differ in {changed} of 12288 bytes", factor.name());
            }
        }
    }
}

/// `golden/faces.png` is `contact_sheet` of the first twelve training faces at 48 pixels, six in a
/// row. Rounding may differ between processors; the drawing may not without a new version.
#[test]
fn faces_look_as_they_did() {
    let faces = ProceduralFaces::new(Split::Train, 0, 12, 48);
    let images: Vec<Image> = (0..12).map(|i| faces.image(i).unwrap()).collect();
    let sheet = contact_sheet(&images, 6);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/faces.png");
    let golden = image::load_from_memory(&std::fs::read(path).unwrap()).unwrap().to_rgb8();
    assert_eq!(golden.dimensions(), (sheet.width as u32, sheet.height as u32));
    let differences: Vec<u8> =
        golden.as_raw().iter().zip(&sheet.pixels).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = differences.iter().map(|d| f64::from(*d)).sum::<f64>() / differences.len() as f64;
    assert!(mean < 0.25, "mean difference {mean}");
    assert!(differences.iter().all(|d| *d < 32));
}

//! The properties of the procedural faces that networks and metrics rely on.

use std::collections::BTreeSet;

use t2f_data::procedural::{
    CAPTIONS_PER_IMAGE, CaptionStyle, Face, Factor, ProceduralFaces, Split, Wording, caption_with,
    has_reserved_pair, render, sample, schema,
};
use t2f_data::{Caption, Dataset, Image, contact_sheet};
use t2f_ops::rng::Key;

const STYLES: [CaptionStyle; 2] = [CaptionStyle::Plain, CaptionStyle::Wide];

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
}

#[test]
fn every_claim_is_true_and_about_a_visible_factor() {
    for index in 0..4000 {
        let key = Key::new(3).at(index);
        let face = sample(key.child("face"));
        for (style, wording) in
            STYLES.into_iter().flat_map(|style| [(style, Wording::Common), (style, Wording::Full)])
        {
            let caption = caption_with(&face, style, wording, key.child("content"), key.child("words"));
            assert!(caption.claims.holds(&face.attributes()), "{} of {face:?}", caption.text);
            assert!(!caption.claims.contradicts(&face.attributes()));
            assert!(
                !caption.claims.is_empty() && !caption.text.trim().is_empty(),
                "face {index}: {caption:?}"
            );
            assert!(
                !caption.text.contains(['{', '~', '*']) && !caption.text.contains("  "),
                "{}",
                caption.text
            );
        }
    }
}

#[test]
fn words_with_one_meaning_are_claims() {
    for style in STYLES {
        // Words with one meaning in every sentence.
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
            let caption =
                caption_with(&sample(key), style, Wording::Common, key.child("content"), key.child("words"));
            let words = words(&caption.text);
            for (word, factor) in telling.iter().filter(|(word, _)| words.contains(*word)) {
                seen.insert(word);
                assert!(caption.claims.about(*factor as usize).is_some(), "{word} in {}", caption.text);
            }
        }
        assert_eq!(seen.len(), telling.len(), "only {seen:?} occurred");
    }
}

#[test]
fn training_never_shows_a_reserved_pair_and_the_last_split_always_does() {
    for split in [Split::Train, Split::Val, Split::Test] {
        let faces = ProceduralFaces::new(split, 1, 1500, 16);
        assert!((0..1500).all(|i| !has_reserved_pair(&faces.face(i).unwrap())), "{split:?}");
    }
    let faces = ProceduralFaces::new(Split::TestComb, 1, 500, 16);
    assert!((0..500).all(|i| has_reserved_pair(&faces.face(i).unwrap())));
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
fn some_words_occur_in_the_test_part_alone() {
    for style in STYLES {
        let vocabulary = |split| {
            let faces = ProceduralFaces::new(split, 0, 1200, 16).with_captions(style);
            let captions = (0..1200).flat_map(|i| faces.captions(i).unwrap());
            captions.flat_map(|caption| words(&caption.text)).collect::<BTreeSet<_>>()
        };
        let (train, test) = (vocabulary(Split::Train), vocabulary(Split::Test));
        let kept: &[&str] = match style {
            CaptionStyle::Plain => &["fellow", "copper", "fedora", "eyeglasses", "undulating", "scowls"],
            CaptionStyle::Wide => {
                &["gal", "gent", "peepers", "fedora", "snout", "azure", "bulbous", "visage"]
            }
        };
        assert!(kept.iter().all(|word| !train.contains(*word)), "{style:?}");
        let seen = kept.iter().filter(|word| test.contains(**word)).count();
        assert!(seen >= 5, "{seen} of {kept:?} are in {style:?} captions of the test part");
    }
}

#[test]
fn captions_are_about_as_long_as_those_people_wrote() {
    for style in STYLES {
        let faces = ProceduralFaces::new(Split::Train, 0, 800, 16).with_captions(style);
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
}

#[test]
fn a_paraphrase_mentions_the_same_factors_in_other_words() {
    for style in STYLES {
        let mut different = 0;
        for index in 0..300 {
            let key = Key::new(8).at(index);
            let face = sample(key);
            let say = |words: u64| {
                caption_with(
                    &face,
                    style,
                    Wording::Common,
                    key.child("content"),
                    key.child("words").at(words),
                )
            };
            let (one, other) = (say(0), say(1));
            // Only a possessive (`his cheek`, `their cheek`) may claim the sex in one of the two.
            let factors = |caption: &Caption| {
                let factors = caption.claims.iter().map(|claim| claim.attribute);
                factors.filter(|factor| *factor != Factor::Sex as usize).collect::<Vec<_>>()
            };
            assert_eq!(factors(&one), factors(&other), "{} / {}", one.text, other.text);
            different += usize::from(one.text != other.text);
        }
        assert!(different > 280, "{different} of 300 differ");
    }
}

#[test]
fn an_edit_changes_the_words_of_one_factor() {
    let faces = ProceduralFaces::new(Split::Test, 9, 400, 16);
    let (glasses, hidden) = (Factor::Glasses as usize, faces.dependents(Factor::Glasses as usize));
    let square = schema().value_index(glasses, "square").unwrap();
    assert_eq!(hidden, [Factor::Eyes as usize]);
    let mut tested = 0;
    for index in 0..400 {
        let key = Key::new(9).at(index as u64);
        let Some(edit) = faces.edit(index, glasses, square, key).unwrap() else { continue };
        let ((before, face), (after, edited)) = (&edit.before, &edit.after);
        assert!(before.claims.holds(face) && after.claims.holds(edited));
        assert_eq!((face, edited.value(glasses)), (&faces.attributes(index).unwrap(), Some(square)));
        assert!(!has_reserved_pair(&Face::try_from(edited).unwrap()));
        assert_eq!(faces.render(edited, key).unwrap().unwrap().width, 16);
        // Sunglasses hide the eyes, so that their colour may be new.
        let changed = |attribute: usize| face.get(attribute) != edited.get(attribute);
        assert!((0..22).filter(|a| changed(*a)).all(|a| a == glasses || hidden.contains(&a)));
        let rest = |caption: &Caption| {
            let claims = caption.claims.iter().filter(|claim| claim.attribute != glasses);
            claims.filter(|claim| !hidden.contains(&claim.attribute)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(rest(before), rest(after), "{} / {}", before.text, after.text);
        tested += 1;
    }
    assert!(tested > 50, "{tested} captions mentioned glasses");
    assert!(faces.edit(0, 22, 0, Key::new(9)).is_err() && faces.edit(0, glasses, 4, Key::new(9)).is_err());
}

/// What a caption says about the other factors stays; factors that the edit hides or uncovers may change,
/// and a caption that would say nothing more names the sex.
#[test]
fn an_edit_of_any_factor_leaves_the_other_claims() {
    for style in STYLES {
        let faces = ProceduralFaces::new(Split::Train, 9, 300, 16).with_captions(style);
        let mut tested = 0;
        for index in 0..300 {
            for factor in Factor::ALL.into_iter().filter(|factor| *factor != Factor::Sex) {
                let key = Key::new(10).at(index as u64).child(factor.name());
                let Some(edit) =
                    faces.edit(index, factor as usize, index % factor.values().len(), key).unwrap()
                else {
                    continue;
                };
                let ((before, face), (after, edited)) = (&edit.before, &edit.after);
                let hidden = faces.dependents(factor as usize);
                let changed = |attribute: usize| {
                    attribute == factor as usize
                        || attribute == Factor::Sex as usize
                        || hidden.contains(&attribute)
                        || face.get(attribute) != edited.get(attribute)
                };
                let rest = |caption: &Caption| {
                    let claims = caption.claims.iter().filter(|claim| !changed(claim.attribute));
                    claims.cloned().collect::<Vec<_>>()
                };
                assert_eq!(rest(before), rest(after), "{} / {}", before.text, after.text);
                tested += 1;
            }
        }
        assert!(tested > 400, "{tested} edits");
    }
}

#[test]
fn a_paraphrase_of_the_data_set_holds_for_its_face() {
    for style in STYLES {
        let faces = ProceduralFaces::new(Split::Test, 8, 100, 16).with_captions(style);
        let mut equal = 0;
        for index in 0..100 {
            let [one, other] = faces.paraphrase(index, Key::new(index as u64)).unwrap().unwrap();
            let face = faces.attributes(index).unwrap();
            assert!(one.claims.holds(&face) && other.claims.holds(&face));
            equal += usize::from(one.claims == other.claims && one.text != other.text);
        }
        assert!(equal > 20, "{equal} of 100 make equal claims in other words");
    }
}

#[test]
fn the_faces_that_are_held_out_have_a_held_out_pair() {
    let faces = ProceduralFaces::new(Split::TestComb, 1, 100, 16);
    let pairs = faces.held_out_pairs();
    assert_eq!(pairs.len(), 12);
    for index in 0..100 {
        let face = faces.attributes(index).unwrap();
        let shows = |pair: &[(usize, usize); 2]| pair.iter().all(|(a, value)| face.value(*a) == Some(*value));
        assert!(pairs.iter().any(shows));
    }
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

/// Every change of one visible factor changes pixels, so that it can be learned.
#[test]
fn every_value_is_visible_in_pixels() {
    let key = Key::new(21);
    let mut values = [0; 22];
    values[Factor::Sex as usize] = 1;
    values[Factor::HairLength as usize] = 2;
    let plain = Face::new(values).unwrap();
    for factor in Factor::ALL {
        let images: Vec<Image> = factor
            .values()
            .iter()
            .map(|value| render(&plain.with(factor, value).unwrap(), 64, key))
            .collect();
        for (i, one) in images.iter().enumerate() {
            for (j, other) in images.iter().enumerate().skip(i + 1) {
                let changed =
                    one.pixels.iter().zip(&other.pixels).filter(|(a, b)| a.abs_diff(**b) > 12).count();
                let (a, b) = (factor.values()[i], factor.values()[j]);
                assert!(changed >= 24, "{} {a} and {b} differ in {changed} of 12288 bytes", factor.name());
            }
        }
    }
}

/// `golden/faces.png` is `contact_sheet` of the first twelve training faces at 48 pixels, six in a
/// row. Rounding may differ between processors; shapes and colours may not without a new version.
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

/// A change of the digests is a new [`CaptionStyle::version`]. Those of version 1 are of 600 faces that version
/// 0.1 exported.
#[test]
fn captions_and_claims_are_those_of_their_version() {
    let plain = ["c25c09de27388d95", "38e389af09bd723d", "9529d4fe0d2169b8", "c777e7f4c36d3f43"];
    let wide = ["b83d80865edaa966", "a8edb4afc735cf52", "da069dffe0a340b7", "5e4c5724dca29ca8"];
    for (style, version, expected) in [(CaptionStyle::Plain, 1, plain), (CaptionStyle::Wide, 3, wide)] {
        let digests = [Split::Train, Split::Val, Split::Test, Split::TestComb].map(|split| {
            let faces = ProceduralFaces::new(split, 0, 150, 16).with_captions(style);
            assert!(faces.fingerprint().starts_with(&format!("procedural-v{version}-")));
            let mut hash = blake3::Hasher::new();
            for caption in (0..150).flat_map(|index| faces.captions(index).unwrap()) {
                hash.update(caption.text.as_bytes());
                hash.update(caption.claims.to_json(schema()).unwrap().to_string().as_bytes());
            }
            hash.finalize().to_hex()[..16].to_owned()
        });
        assert_eq!(digests, expected, "{style:?}");
    }
}

//! Attribute agreement: values by hand, and the embedded oracle on new faces.

use candle_core::{DType, Device, Tensor};
use t2f_data::procedural::{Face, Factor, ProceduralFaces, Split, caption, render, sample, schema};
use t2f_data::{Caption, Claim, Claims, Dataset, Image};
use t2f_metrics::Result;
use t2f_metrics::agreement::{Agreement, attribute_agreement};
use t2f_metrics::attributes::ScoredCaption;
use t2f_metrics::oracle::{GATE, Oracle};
use t2f_metrics::prediction::{Prediction, ScoredAttributes};
use t2f_ops::rng::Key;

const SIDE: usize = 32;

fn key() -> Key {
    Key::new(17)
}

fn oracle() -> Oracle {
    Oracle::embedded(SIDE).unwrap().unwrap()
}

/// `(B, 3, H, W)` in `[-1, 1]`.
fn tensor(images: &[Image]) -> Tensor {
    let pixels: Vec<f32> =
        images.iter().flat_map(|image| &image.pixels).map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
    let side = images[0].width;
    let pixels = Tensor::from_vec(pixels, (images.len(), side, side, 3), &Device::Cpu).unwrap();
    pixels.permute((0, 3, 1, 2)).unwrap()
}

/// New faces of the full distribution.
fn faces(count: u64) -> Vec<Face> {
    (0..count).map(|index| sample(key().child("faces").at(index))).collect()
}

fn draw(faces: &[Face], purpose: &str) -> Tensor {
    draw_at(SIDE, faces, purpose)
}

fn draw_at(side: usize, faces: &[Face], purpose: &str) -> Tensor {
    let key = key().child(purpose);
    let image = |(index, face)| render(face, side, key.at(index as u64));
    tensor(&faces.iter().enumerate().map(image).collect::<Vec<_>>())
}

/// The prediction of a perfect oracle.
fn truth(face: &Face) -> Prediction {
    Prediction::from(&face.attributes())
}

fn scored_captions<'a>(
    captions: &'a [Caption],
    generated: &[Vec<Prediction>],
    real: &[Face],
) -> Vec<ScoredCaption<'a>> {
    let each = captions.iter().zip(generated).zip(real);
    each.map(|((caption, generated), real)| ScoredCaption {
        claims: &caption.claims,
        generated: generated.clone(),
        real: truth(real),
    })
    .collect()
}

fn only(factor: Factor) -> ScoredAttributes {
    ScoredAttributes::new(schema(), vec![factor as usize]).unwrap()
}

fn sex(value: usize) -> Claims {
    Claims::from_iter([Claim { attribute: Factor::Sex as usize, allowed: vec![value] }])
}

/// Two captions, `woman` and `man`, and the faces generated from them: 0 for a woman, 1 for a man.
fn two(generated: [&[usize]; 2]) -> Result<Agreement> {
    let face = |value: usize| {
        let mut values = [0; 22];
        values[Factor::Sex as usize] = value;
        truth(&Face::new(values).unwrap())
    };
    let claims = [sex(0), sex(1)];
    let captions: Vec<ScoredCaption> = (0..2)
        .map(|i| ScoredCaption {
            claims: &claims[i],
            generated: generated[i].iter().map(|&value| face(value)).collect(),
            real: face(i),
        })
        .collect();
    attribute_agreement(&only(Factor::Sex), &captions, key())
}

#[test]
fn values_by_hand() -> Result<()> {
    let right = two([&[0], &[1]])?;
    assert_eq!((right.agreement.value, right.shuffled.value, right.real.value), (1.0, 0.0, 1.0));
    assert_eq!((right.normalised.unwrap().value, right.exact.value), (1.0, 1.0));
    // A generator of women agrees with half of the captions, in any order.
    let constant = two([&[0], &[0]])?;
    assert_eq!((constant.agreement.value, constant.shuffled.value), (0.5, 0.5));
    assert_eq!(constant.normalised.unwrap().value, 0.0);
    // Three of four faces are right; one of four agrees with the other caption.
    let mixed = two([&[0, 0], &[1, 0]])?;
    assert_eq!((mixed.agreement.value, mixed.shuffled.value, mixed.exact.value), (0.75, 0.25, 0.75));
    assert!((mixed.normalised.unwrap().value - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(mixed.attributes["sex"].claims, 2);
    Ok(())
}

#[test]
fn a_hidden_attribute_fulfils_no_claim() -> Result<()> {
    let mut values = [0; 22];
    values[Factor::HairLength as usize] = Factor::HairLength.value_index("long")?;
    let face = Face::new(values)?;
    let blue = Claim { attribute: Factor::Eyes as usize, allowed: vec![0, 1, 2, 3] };
    assert!(truth(&face).fulfils(&blue));
    assert!(!truth(&face.with(Factor::Glasses, "sun")?).fulfils(&blue));
    Ok(())
}

#[test]
fn captions_that_cannot_be_scored_are_an_error() {
    assert!(two([&[0], &[]]).unwrap_err().to_string().contains("an image of each"));
    assert!(attribute_agreement(&only(Factor::Sex), &[], key()).is_err());
    let claims = sex(0);
    let faces: Vec<Prediction> = faces(2).iter().map(truth).collect();
    let caption = ScoredCaption { claims: &claims, real: faces[0].clone(), generated: faces };
    let message = attribute_agreement(&only(Factor::Age), &vec![caption; 2], key()).unwrap_err().to_string();
    assert!(message.contains("no caption makes a claim"), "{message}");
}

#[test]
fn a_generator_that_follows_half_of_the_captions_scores_a_half() -> Result<()> {
    let faces = faces(800);
    let captions: Vec<Caption> =
        faces.iter().enumerate().map(|(i, face)| caption(face, key().at(i as u64))).collect();
    // Every other face is that of its caption, the rest those of the next but one.
    let generated: Vec<Vec<Prediction>> = (0..faces.len())
        .map(|i| vec![truth(&faces[if i % 2 == 0 { i } else { (i + 2) % faces.len() }])])
        .collect();
    let (scored, captions) =
        (ScoredAttributes::all(schema()), scored_captions(&captions, &generated, &faces));
    let agreement = attribute_agreement(&scored, &captions, key())?;
    let normalised = agreement.normalised.unwrap();
    assert!((normalised.value - 0.5).abs() < 0.05, "{agreement:?}");
    assert!(normalised.low < 0.5 && 0.5 < normalised.high && normalised.high - normalised.low < 0.15);
    assert_eq!(agreement.real.value, 1.0);
    assert_eq!(agreement, attribute_agreement(&scored, &captions, key())?, "equal keys, equal intervals");
    Ok(())
}

#[test]
fn the_embedded_oracle_classifies_new_faces() -> Result<()> {
    let (oracle, faces) = (oracle(), faces(400));
    let seen = oracle.predict(&draw(&faces, "seen"))?;
    for &attribute in oracle.scored().positions() {
        let (right, count) = right_of_shown(&faces, &seen, attribute);
        // Four standard deviations below the gate.
        assert!(right * 100 >= count * 95, "{}: {right} of {count}", schema().name(attribute));
        assert!(oracle.record().quality[attribute].accuracy >= GATE);
    }
    let scored: Vec<&str> = oracle.scored().names().collect();
    let expected = [
        "skin",
        "face",
        "hair-colour",
        "hair-length",
        "glasses",
        "hat",
        "eyes",
        "nose",
        "lips",
        "earrings",
        "gaze",
        "clothes",
        "background",
        "light",
    ];
    assert_eq!(scored, expected);
    let hidden = faces.iter().zip(&seen).filter(|(face, _)| face.get(Factor::Eyes).is_none());
    assert!(
        hidden.filter(|(_, seen)| seen.value(Factor::Eyes as usize).is_some()).count() <= 2,
        "eyes behind sunglasses"
    );
    Ok(())
}

/// The images that show an attribute, and those of them with the right prediction.
fn right_of_shown(faces: &[Face], seen: &[Prediction], attribute: usize) -> (usize, usize) {
    let of = |face: &Face| face.attributes().value(attribute);
    let shown: Vec<_> = faces.iter().zip(seen).filter(|(face, _)| of(face).is_some()).collect();
    (shown.iter().filter(|(face, seen)| seen.value(attribute) == of(face)).count(), shown.len())
}

#[test]
fn another_image_of_the_face_agrees_and_one_of_another_face_does_not() -> Result<()> {
    let (oracle, data) = (oracle(), ProceduralFaces::new(Split::Test, 5, 300, SIDE));
    let faces: Vec<Face> = (0..300).map(|i| data.face(i).unwrap()).collect();
    let captions: Vec<Caption> = (0..300).map(|i| data.captions(i).unwrap().swap_remove(0)).collect();
    let generated: Vec<Vec<Prediction>> =
        oracle.predict(&draw(&faces, "again"))?.into_iter().map(|seen| vec![seen]).collect();
    let score = |generated: &[Vec<Prediction>]| {
        attribute_agreement(oracle.scored(), &scored_captions(&captions, generated, &faces), key())
    };
    let own = score(&generated)?.normalised.unwrap();
    assert!(own.value > 0.97, "{own:?}");
    let mut others = generated.clone();
    others.rotate_left(1);
    let other = score(&others)?.normalised.unwrap();
    assert!(other.low < 0.03 && other.value.abs() < 0.08, "{other:?}");
    Ok(())
}

#[test]
fn features_of_a_face_do_not_depend_on_its_neighbours() -> Result<()> {
    let (oracle, images) = (oracle(), draw(&faces(70), "features"));
    let all = oracle.features(&images)?;
    let one = oracle.features(&images.narrow(0, 66, 1)?)?;
    let difference = (all.narrow(0, 66, 1)? - one)?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(difference < 1e-4, "{difference}");
    Ok(())
}

#[test]
fn larger_faces_are_classified_as_well() -> Result<()> {
    let (oracle, faces) = (Oracle::embedded(64)?.unwrap(), faces(400));
    let seen = oracle.predict(&draw_at(64, &faces, "larger"))?;
    for &attribute in oracle.scored().positions() {
        let (right, count) = right_of_shown(&faces, &seen, attribute);
        assert!(right as f64 > 0.95 * count as f64, "{}: {right} of {count}", schema().name(attribute));
    }
    Ok(())
}

#[test]
fn images_that_do_not_fit_the_oracle_are_named() {
    for side in [4, 16, 48] {
        assert!(Oracle::embedded(side).unwrap().is_none(), "{side}");
    }
    let wrong = Tensor::zeros((2, 3, 48, 48), DType::F32, &Device::Cpu).unwrap();
    let message = oracle().predict(&wrong).unwrap_err().to_string();
    assert!(message.contains("48") && message.contains("32"), "{message}");
    assert!(Oracle::from_bytes(b"no oracle").is_err());
}

#[test]
fn an_oracle_of_other_faces_is_refused() {
    let bytes = include_bytes!("../assets/oracle-32.safetensors");
    let text = br#"\"generator_version\":"#;
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap() + text.len();
    let mut other = bytes.to_vec();
    other[at] = b'9';
    let message = Oracle::from_bytes(&other).err().unwrap().to_string();
    assert!(message.contains("version 9"), "{message}");
}

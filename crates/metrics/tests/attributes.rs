//! Attribute agreement: numbers by hand, and the embedded oracle on faces it has never seen.

use candle_core::{DType, Device, Tensor};
use t2f_data::procedural::{ProceduralFaces, Split, caption, render, sample};
use t2f_data::{Attributes, Caption, Claim, Claims, Dataset, Factor, Image};
use t2f_metrics::Result;
use t2f_metrics::attributes::{Agreement, Judged, attribute_agreement};
use t2f_metrics::oracle::{GATE, Oracle, Prediction};
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

/// Faces of the full distribution that no training has seen.
fn faces(count: u64) -> Vec<Attributes> {
    (0..count).map(|index| sample(key().child("faces").at(index))).collect()
}

fn draw(faces: &[Attributes], purpose: &str) -> Tensor {
    draw_at(SIDE, faces, purpose)
}

fn draw_at(side: usize, faces: &[Attributes], purpose: &str) -> Tensor {
    let key = key().child(purpose);
    let image = |(index, face)| render(face, side, key.at(index as u64));
    tensor(&faces.iter().enumerate().map(image).collect::<Vec<_>>())
}

fn judged<'a>(captions: &'a [Caption], drawn: &[Vec<Prediction>], real: &[Attributes]) -> Vec<Judged<'a>> {
    let each = captions.iter().zip(drawn).zip(real);
    each.map(|((caption, drawn), real)| Judged {
        claims: &caption.claims,
        drawn: drawn.clone(),
        real: real.into(),
    })
    .collect()
}

fn sex(value: usize) -> Claims {
    Claims { claims: vec![Claim { factor: Factor::Sex, allowed: vec![value] }] }
}

/// Two captions, `woman` and `man`, and the faces drawn from them, as 0 for a woman, 1 for a man.
fn two(drawn: [&[usize]; 2]) -> Result<Agreement> {
    let face = |value: usize| {
        let mut values = [0; 22];
        values[Factor::Sex as usize] = value;
        Prediction::from(&Attributes::new(values).unwrap())
    };
    let claims = [sex(0), sex(1)];
    let judged: Vec<Judged> = (0..2)
        .map(|i| Judged {
            claims: &claims[i],
            drawn: drawn[i].iter().map(|&value| face(value)).collect(),
            real: face(i),
        })
        .collect();
    attribute_agreement(&[Factor::Sex], &judged, key())
}

#[test]
fn values_by_hand() -> Result<()> {
    let right = two([&[0], &[1]])?;
    assert_eq!((right.agreement.value, right.chance.value, right.ceiling.value), (1.0, 0.0, 1.0));
    assert_eq!((right.normalised.unwrap().value, right.exact.value), (1.0, 1.0));
    // Whoever always draws women agrees with half of the captions, and so would any other.
    let deaf = two([&[0], &[0]])?;
    assert_eq!((deaf.agreement.value, deaf.chance.value), (0.5, 0.5));
    assert_eq!(deaf.normalised.unwrap().value, 0.0);
    // Three of four faces are right; of the faces of the other caption one in four would be.
    let mixed = two([&[0, 0], &[1, 0]])?;
    assert_eq!((mixed.agreement.value, mixed.chance.value, mixed.exact.value), (0.75, 0.25, 0.75));
    assert!((mixed.normalised.unwrap().value - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(mixed.factors[&Factor::Sex].claims, 2);
    Ok(())
}

#[test]
fn what_is_hidden_fulfils_no_claim() -> Result<()> {
    let mut values = [0; 22];
    values[Factor::HairLength as usize] = Factor::HairLength.value_index("long")?;
    let face = Attributes::new(values)?;
    let blue = Claim { factor: Factor::Eyes, allowed: vec![0, 1, 2, 3] };
    assert!(Prediction::from(&face).fulfils(&blue));
    assert!(!Prediction::from(&face.with(Factor::Glasses, "sun")?).fulfils(&blue));
    Ok(())
}

#[test]
fn what_cannot_be_scored_is_an_error() {
    assert!(two([&[0], &[]]).unwrap_err().to_string().contains("a face of each"));
    assert!(attribute_agreement(&[Factor::Sex], &[], key()).is_err());
    let claims = sex(0);
    let judged = vec![Judged { claims: &claims, drawn: two_faces(), real: two_faces()[0] }; 2];
    let message = attribute_agreement(&[Factor::Age], &judged, key()).unwrap_err().to_string();
    assert!(message.contains("no caption claims"), "{message}");
}

fn two_faces() -> Vec<Prediction> {
    faces(2).iter().map(Prediction::from).collect()
}

#[test]
fn a_generator_that_reads_half_of_the_time_scores_a_half() -> Result<()> {
    let faces = faces(800);
    let captions: Vec<Caption> =
        faces.iter().enumerate().map(|(i, face)| caption(face, key().at(i as u64))).collect();
    // Every other face is drawn from its own caption, the rest from the next but one.
    let drawn: Vec<Vec<Prediction>> = (0..faces.len())
        .map(|i| vec![Prediction::from(&faces[if i % 2 == 0 { i } else { (i + 2) % faces.len() }])])
        .collect();
    let judged = judged(&captions, &drawn, &faces);
    let agreement = attribute_agreement(&Factor::ALL, &judged, key())?;
    let normalised = agreement.normalised.unwrap();
    assert!((normalised.value - 0.5).abs() < 0.05, "{agreement:?}");
    assert!(normalised.low < 0.5 && 0.5 < normalised.high && normalised.high - normalised.low < 0.15);
    assert_eq!(agreement.ceiling.value, 1.0);
    assert_eq!(agreement, attribute_agreement(&Factor::ALL, &judged, key())?, "equal keys, equal intervals");
    Ok(())
}

#[test]
fn the_embedded_oracle_sees_what_is_drawn() -> Result<()> {
    let (oracle, faces) = (oracle(), faces(400));
    let seen = oracle.predict(&draw(&faces, "seen"))?;
    for &factor in oracle.scored_factors() {
        let shown = faces.iter().zip(&seen).filter(|(face, _)| face.get(factor).is_some());
        let (right, count) = shown.fold((0, 0), |(r, n), (face, seen)| {
            (r + usize::from(seen.get(factor) == face.get(factor)), n + 1)
        });
        // Four deviations below the gate.
        assert!(right * 100 >= count * 95, "{}: {right} of {count}", factor.name());
        assert!(oracle.record().accuracy[&factor] >= GATE);
    }
    let hidden = faces.iter().zip(&seen).filter(|(face, _)| face.get(Factor::Eyes).is_none());
    assert!(
        hidden.filter(|(_, seen)| seen.get(Factor::Eyes).is_some()).count() <= 2,
        "eyes behind sunglasses"
    );
    Ok(())
}

#[test]
fn another_drawing_of_the_face_agrees_and_one_of_another_face_does_not() -> Result<()> {
    let (oracle, data) = (oracle(), ProceduralFaces::new(Split::Test, 5, 300, SIDE));
    let faces: Vec<Attributes> = (0..300).filter_map(|i| data.attributes(i)).collect();
    let captions: Vec<Caption> = (0..300).map(|i| data.captions(i).unwrap().swap_remove(0)).collect();
    let drawn: Vec<Vec<Prediction>> =
        oracle.predict(&draw(&faces, "again"))?.into_iter().map(|seen| vec![seen]).collect();
    let score = |drawn: &[Vec<Prediction>]| {
        attribute_agreement(oracle.scored_factors(), &judged(&captions, drawn, &faces), key())
    };
    let own = score(&drawn)?.normalised.unwrap();
    assert!(own.value > 0.97, "{own:?}");
    let mut others = drawn.clone();
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
fn larger_faces_are_seen_as_well() -> Result<()> {
    let (oracle, faces) = (Oracle::embedded(64)?.unwrap(), faces(400));
    let seen = oracle.predict(&draw_at(64, &faces, "larger"))?;
    for factor in oracle.scored_factors() {
        let shown: Vec<_> = faces.iter().zip(&seen).filter(|(face, _)| face.get(*factor).is_some()).collect();
        let right = shown.iter().filter(|(face, seen)| seen.get(*factor) == face.get(*factor)).count();
        let share = right as f64 / shown.len() as f64;
        assert!(share > 0.95, "{}: {share} of {}", factor.name(), shown.len());
    }
    Ok(())
}

#[test]
fn what_does_not_fit_the_oracle_is_named() {
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

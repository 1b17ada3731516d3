//! Neck, ears, face, and the marks of age and sun.

use std::f32::consts::TAU;

use t2f_ops::rng::unit;

use super::super::canvas::{Canvas, Xy, curve, line, linear, oval, polygon, radial, rgb};
use super::super::factors::Factor;
use super::portrait::Portrait;

/// The outline of the face: a superellipse that narrows towards the chin, more for women.
pub(super) fn outline(face: &Portrait) -> Vec<Xy> {
    let (half, square) = (face.half, face.is(Factor::Face, "square"));
    let power = if square { 2.0 / 3.2 } else { 2.0 / 2.2 };
    let narrow = 0.17 * if face.is(Factor::Sex, "woman") { 1.35 } else { 0.65 };
    let point = |i: usize| {
        let (sin, cos) = (TAU * i as f32 / 96.0).sin_cos();
        let y = sin.abs().powf(power).copysign(sin);
        let x = cos.abs().powf(power).copysign(cos) * half.0;
        (if y > 0.0 { x * (1.0 - narrow * y * y) } else { x }, y * half.1)
    };
    (0..96).map(point).collect()
}

pub(super) fn neck(canvas: &mut Canvas, face: &Portrait) {
    let wide = if face.is(Factor::Sex, "woman") { 0.074 } else { 0.096 };
    let neck = polygon(&[
        (-wide, 0.1),
        (wide, 0.1),
        (wide * 1.12, 0.33),
        (0.2, 0.5),
        (-0.2, 0.5),
        (-wide * 1.12, 0.33),
    ]);
    let (top, bottom) = (face.half.1 - 0.04, face.half.1 + 0.10);
    let dark = face.skin.mix(rgb(60, 20, 20), 0.38);
    let shader =
        linear((0.0, top), (0.0, bottom), &[(0.0, dark), (1.0, face.skin.mix(rgb(60, 20, 20), 0.12))]);
    canvas.shade(&neck, shader);
}

pub(super) fn ears(canvas: &mut Canvas, face: &Portrait) {
    for side in [-1.0, 1.0] {
        let centre = (side * face.half.0 * 0.98 + face.yaw * 0.2, 0.012);
        canvas.oval(centre, (0.033, 0.056), face.skin.mix(rgb(130, 45, 30), 0.14));
        canvas.oval((centre.0 + side * 0.004, centre.1), (0.016, 0.034), face.shadow.alpha(0.55));
    }
}

pub(super) fn face(canvas: &mut Canvas, face: &Portrait) {
    let shape = polygon(&outline(face));
    let (x, y) = face.half;
    let inks = [
        (0.0, face.skin.lighter(0.10)),
        (0.55, face.skin),
        (0.85, face.skin.mix(face.shadow, 0.35)),
        (1.0, face.skin.mix(face.shadow, 0.85)),
    ];
    canvas.shade(&shape, radial((face.yaw * 0.8, -0.05), (x * 1.16, y * 1.22), &inks));
}

pub(super) fn marks(canvas: &mut Canvas, face: &Portrait) {
    match face.value(Factor::Marks) {
        "rosy" => {
            for side in [-1.0, 1.0] {
                canvas.glow(face.at(side * 0.112, 0.078), (0.062, 0.050), rgb(226, 62, 72).alpha(0.72));
            }
        }
        "freckles" => {
            let ink = face.skin.mix(rgb(112, 46, 14), 0.62);
            let mut stream = face.jitter.key.child("freckles").rng();
            let mut spread = |s: f32| (unit(&mut stream) as f32 * 2.0 - 1.0) * s;
            for i in 0..42 {
                let side = if i % 2 == 0 { -1.0 } else { 1.0 };
                let centre = face.at(side * 0.078 + spread(0.068), 0.066 + spread(0.042));
                canvas.oval(centre, (0.0068, 0.0062), ink);
            }
        }
        "mole" => {
            let (x, y) = face.at(0.108, 0.078);
            canvas.oval((x, y), (0.0165, 0.0165), rgb(52, 26, 20));
            canvas.oval((x - 0.005, y - 0.005), (0.005, 0.005), rgb(110, 70, 60));
        }
        _ => {}
    }
}

/// Folds beside the mouth and bags under the eyes from middle age, wrinkles and crow's feet later.
pub(super) fn age(canvas: &mut Canvas, face: &Portrait) {
    let old = match face.value(Factor::Age) {
        "middle" => false,
        "old" => true,
        _ => return,
    };
    let ink = face.skin.mix(rgb(66, 26, 18), if old { 0.58 } else { 0.40 });
    let width = if old { 0.0095 } else { 0.0075 };
    for side in [-1.0, 1.0] {
        let fold =
            curve(face.at(side * 0.060, 0.082), face.at(side * 0.098, 0.112), face.at(side * 0.102, 0.172));
        canvas.stroke(&fold, ink, width);
        let bag =
            curve(face.at(side * 0.048, 0.002), face.at(side * 0.090, 0.026), face.at(side * 0.132, 0.0));
        canvas.stroke(&bag, ink.alpha(0.8), width * 0.8);
    }
    let furrows = if old { 3 } else { 1 };
    for i in 0..furrows {
        let y = -0.172 + i as f32 * 0.026;
        let furrow = curve(face.at(-0.100, y + 0.010), face.at(0.0, y - 0.006), face.at(0.100, y + 0.010));
        canvas.stroke(&furrow, ink.alpha(0.85), width * 0.75);
    }
    if old {
        for side in [-1.0, 1.0] {
            for spread in [-0.022, 0.0, 0.022] {
                let foot =
                    [face.at(side * 0.148, -0.035 + spread * 0.5), face.at(side * 0.180, -0.035 + spread)];
                canvas.stroke(&line(&foot), ink, 0.006);
            }
            let cheek = curve(
                face.at(side * 0.150, 0.050),
                face.at(side * 0.128, 0.085),
                face.at(side * 0.140, 0.130),
            );
            canvas.stroke(&cheek, ink.alpha(0.5), 0.006);
        }
        canvas.fill(&oval(face.at(-0.075, -0.125), (0.012, 0.009)), ink.alpha(0.25));
    }
}

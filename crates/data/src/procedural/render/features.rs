//! Eyes, brows, nose, beard and mouth.

use super::super::canvas::{Canvas, Xy, along, curve, lens, line, oval, polygon, rgb, smooth};
use super::super::factors::Factor;
use super::head::outline;
use super::portrait::Portrait;

/// The height of the eyes on the mean face, and half the distance between them.
const EYE: Xy = (0.090, -0.035);
/// The height of the mouth on the mean face.
const MOUTH: f32 = 0.152;

pub(super) fn eyes(canvas: &mut Canvas, face: &Portrait) {
    let iris = match face.value(Factor::Eyes) {
        "blue" => rgb(56, 118, 208),
        "green" => rgb(58, 142, 74),
        "grey" => rgb(136, 146, 154),
        _ => rgb(92, 52, 24),
    };
    let open = match face.value(Factor::Age) {
        "young" => 1.10,
        "old" => 0.84,
        _ => 1.0,
    };
    let woman = face.is(Factor::Sex, "woman");
    let lid = face.hair_shade().mix(rgb(24, 14, 12), 0.75);
    for side in [-1.0, 1.0] {
        let (x, y) = face.at(side * EYE.0, EYE.1);
        canvas.glow((x, y - 0.006), (0.066, 0.046), face.shadow.alpha(0.45));
        let (outer, inner) = ((x + side * 0.050, y - 0.002), (x - side * 0.048, y + 0.004));
        canvas.fill(&lens(outer, (x, y - 0.056 * open), inner, (x, y + 0.050 * open)), rgb(252, 252, 250));
        let look = (x + face.yaw * 0.30, y - 0.001);
        canvas.oval(look, (0.0255, 0.0255 * open.min(1.0)), iris.darker(0.45));
        canvas.oval(look, (0.0215, 0.0215 * open.min(1.0)), iris);
        canvas.oval(look, (0.0100, 0.0100), rgb(8, 8, 10));
        canvas.oval((look.0 - 0.008, look.1 - 0.008), (0.0055, 0.0055), rgb(255, 255, 255));
        let lash = curve((outer.0 + side * 0.004, outer.1), (x, y - 0.060 * open), inner);
        canvas.stroke(&lash, lid, if woman { 0.0125 } else { 0.0085 });
        if woman {
            canvas.stroke(&line(&[outer, (outer.0 + side * 0.016, outer.1 - 0.014)]), lid, 0.0075);
        }
        let crease = curve((outer.0, outer.1 - 0.014), (x, y - 0.078 * open), (inner.0, inner.1 - 0.016));
        canvas.stroke(&crease, face.shadow.alpha(0.6), 0.005);
    }
}

pub(super) fn brows(canvas: &mut Canvas, face: &Portrait) {
    let ink = match face.value(Factor::HairColour) {
        "white" | "grey" => face.hair.mix(rgb(92, 92, 94), 0.5),
        "" => rgb(70, 50, 38),
        _ => face.hair_shade().mix(rgb(30, 20, 15), 0.35),
    };
    let (width, rise, drop) = match face.value(Factor::Brows) {
        "thick" => (0.026, 0.018, 0.0),
        "arched" => (0.013, 0.060, -0.006),
        _ => (0.0085, 0.018, 0.0),
    };
    // A frown pulls the inner ends down.
    let frown = if face.is(Factor::Mouth, "frown") { 0.020 } else { 0.0 };
    let raised = if face.is(Factor::Mouth, "open") { -0.010 } else { 0.0 };
    for side in [-1.0, 1.0] {
        let y = EYE.1 - 0.060 + raised;
        let points = along(
            face.at(side * (EYE.0 - 0.047), y + frown + drop + 0.004),
            face.at(side * (EYE.0 + 0.012), y - rise),
            face.at(side * (EYE.0 + 0.056), y + 0.010),
            12,
        );
        // Tapered towards the temple: two strokes, the inner part the thicker.
        canvas.stroke(&line(&points), ink, width * 0.72);
        canvas.stroke(&line(&points[..9]), ink, width);
    }
}

pub(super) fn nose(canvas: &mut Canvas, face: &Portrait) {
    let (length, wide, high) = match face.value(Factor::Nose) {
        "small" => (0.048, 0.022, 0.016),
        "big" => (0.092, 0.062, 0.040),
        _ => (0.072, 0.040, 0.026),
    };
    let (x, y) = (face.yaw * 1.45, length * face.stretch);
    let ink = face.skin.mix(rgb(64, 20, 12), 0.50);
    let side = if face.yaw < 0.0 { -1.0 } else { 1.0 };
    canvas.glow((x * 0.8, y * 0.45), (wide * 0.7 + 0.006, y * 0.8), face.skin.lighter(0.45).alpha(0.45));
    let ridge = curve(
        (face.yaw * 0.6 + side * 0.020, -0.028),
        (x + side * 0.014, y * 0.5),
        (x + side * wide * 0.78, y),
    );
    canvas.stroke(&ridge, ink.alpha(0.8), 0.008);
    canvas.oval((x, y + 0.006), (wide, high), face.skin.mix(rgb(168, 64, 44), 0.22));
    canvas.glow(
        (x - wide * 0.15, y - high * 0.2),
        (wide * 0.6, high * 0.7),
        face.skin.lighter(0.6).alpha(0.6),
    );
    for side in [-1.0, 1.0] {
        canvas.oval(
            (x + side * wide * 0.48, y + high * 0.66),
            (0.004 + wide * 0.15, 0.0070),
            ink.darker(0.5),
        );
        let wing = curve(
            (x + side * wide * 0.86, y - high * 0.45),
            (x + side * wide * 1.25, y + high * 0.30),
            (x + side * wide * 0.72, y + high * 0.80),
        );
        canvas.stroke(&wing, ink, 0.0075);
    }
}

/// The region of a full beard: along the jaw, up to the ears, below the cheeks.
fn jaw(face: &Portrait, grow: f32) -> Vec<Xy> {
    let around = outline(face).into_iter().filter(|point| point.1 > 0.03 * face.stretch);
    let mut shape: Vec<Xy> =
        around.map(|(x, y)| (x * (1.0 + grow * 0.5), y + grow * 1.2 * (y / face.half.1).max(0.0))).collect();
    let (x, y) = face.half;
    let cheek =
        [(-0.93, 0.13), (-0.70, 0.26), (-0.45, 0.42), (0.0, 0.40), (0.45, 0.42), (0.70, 0.26), (0.93, 0.13)];
    shape.extend(cheek.map(|(u, v)| (u * x + face.yaw * (1.0 - u.abs()), v * y)));
    shape
}

pub(super) fn beard(canvas: &mut Canvas, face: &Portrait) {
    let ink = face.beard_ink();
    match face.value(Factor::FacialHair) {
        "full" => {
            canvas.fill(&smooth(&jaw(face, 0.030)), ink.darker(0.12));
            canvas.fill(&smooth(&jaw(face, 0.012)), ink);
            for i in 0..15 {
                let x = (i as f32 - 7.0) * 0.021;
                let depth = face.half.1 * (1.06 - 9.0 * x * x);
                let strand = curve((x * 0.9, depth - 0.060), (x * 1.06, depth - 0.030), (x, depth));
                canvas.stroke(&strand, ink.darker(0.30), 0.005);
            }
            moustache(canvas, face);
        }
        "stubble" => {
            canvas.fill(&smooth(&jaw(face, 0.0)), ink.mix(face.skin, 0.25).alpha(0.48));
            stubble_dots(canvas, face);
        }
        "moustache" => moustache(canvas, face),
        "goatee" => {
            moustache(canvas, face);
            let (x, y) = face.at(0.0, 0.222);
            let chin = [
                (-0.052, -0.026),
                (0.052, -0.026),
                (0.050, 0.020),
                (0.022, 0.066),
                (-0.022, 0.066),
                (-0.050, 0.020),
            ];
            canvas.fill(&smooth(&chin.map(|(u, v)| (x + u, y + v))), ink);
        }
        _ => {}
    }
}

fn stubble_dots(canvas: &mut Canvas, face: &Portrait) {
    let ink = face.beard_ink().mix(rgb(20, 16, 14), 0.4).alpha(0.5);
    let outline = outline(face);
    for (i, (x, y)) in outline.into_iter().enumerate().filter(|(_, point)| point.1 > 0.05) {
        for step in 0..4 {
            let t = 0.94 - 0.085 * step as f32 - 0.03 * (i % 3) as f32;
            canvas.oval((x * t + face.yaw * (1.0 - t), y * t), (0.0036, 0.0036), ink);
        }
    }
}

fn moustache(canvas: &mut Canvas, face: &Portrait) {
    let ink = face.beard_ink();
    for side in [-1.0, 1.0] {
        let shape =
            [(0.0, 0.112), (0.045, 0.104), (0.088, 0.128), (0.098, 0.158), (0.055, 0.140), (0.0, 0.138)];
        canvas.fill(&smooth(&shape.map(|(x, y)| face.at(side * x, y))), ink);
        canvas.stroke(
            &curve(face.at(side * 0.010, 0.124), face.at(side * 0.05, 0.118), face.at(side * 0.086, 0.148)),
            ink,
            0.014,
        );
    }
}

pub(super) fn mouth(canvas: &mut Canvas, face: &Portrait) {
    let (ink, thick) = match face.value(Factor::Lips) {
        "red" => (rgb(206, 16, 44), 0.024),
        "full" => (face.skin.mix(rgb(168, 56, 66), 0.62), 0.029),
        _ => (face.skin.mix(rgb(150, 52, 52), 0.50), 0.011),
    };
    let dark = ink.mix(rgb(48, 6, 10), 0.65);
    let at = |x: f32, y: f32| face.at(x, MOUTH + y);
    match face.value(Factor::Mouth) {
        "grin" => {
            let (left, right) = (at(-0.092, -0.022), at(0.092, -0.022));
            let shape = lens(left, at(0.0, 0.004), right, at(0.0, 0.098));
            canvas.fill(&shape, rgb(252, 251, 248));
            canvas.stroke(
                &curve(at(-0.072, 0.006), at(0.0, 0.034), at(0.072, 0.006)),
                rgb(208, 204, 200),
                0.004,
            );
            canvas.stroke(&shape, ink, thick * 0.75);
            for (side, end) in [(-1.0, left), (1.0, right)] {
                let dimple = curve(
                    (end.0 - side * 0.004, end.1 - 0.016),
                    (end.0 + side * 0.014, end.1),
                    (end.0, end.1 + 0.018),
                );
                canvas.stroke(&dimple, face.shadow, 0.006);
            }
        }
        "open" => {
            canvas.oval(at(0.0, 0.018), (0.043 + thick * 0.4, 0.050 + thick * 0.4), ink);
            canvas.oval(at(0.0, 0.018), (0.034, 0.040), rgb(58, 10, 16));
            canvas.oval(at(0.0, 0.040), (0.022, 0.014), rgb(176, 70, 78));
        }
        shape => {
            let bend = match shape {
                "smile" => 0.050,
                "frown" => -0.052,
                _ => 0.0,
            };
            let (left, right) = (at(-0.074, -bend * 0.40), at(0.074, -bend * 0.40));
            let middle = at(0.0, bend);
            let lower = at(0.0, bend + thick * 1.6);
            let upper = [
                left,
                at(-0.020, bend * 0.45 - thick * 0.75),
                at(0.0, bend * 0.48 - thick * 0.5),
                at(0.020, bend * 0.45 - thick * 0.75),
                right,
            ];
            let mut lips: Vec<Xy> = upper.to_vec();
            lips.extend(along(right, lower, left, 10));
            canvas.fill(&polygon(&lips), ink);
            canvas.stroke(&curve(left, middle, right), ink, thick * 0.7);
            canvas.stroke(&curve(left, middle, right), dark, 0.0065);
            if shape == "smile" {
                for (side, end) in [(-1.0, left), (1.0, right)] {
                    let cheek = curve(
                        (end.0 - side * 0.002, end.1 - 0.014),
                        (end.0 + side * 0.012, end.1 - 0.002),
                        (end.0 + side * 0.004, end.1 + 0.012),
                    );
                    canvas.stroke(&cheek, face.shadow, 0.006);
                }
            }
            canvas.fill(
                &oval(at(-0.012, bend * 0.5 + thick * 0.42), (0.020, thick * 0.16)),
                ink.lighter(0.4).alpha(0.45),
            );
        }
    }
}

//! Hair: a layer behind the head and a layer before it.

use std::f32::consts::{PI, TAU};

use super::super::canvas::{Canvas, Ink, Xy, along, curve, line, linear, oval, polygon, smooth};
use super::super::factors::Factor;
use super::portrait::Portrait;

impl Portrait<'_> {
    /// The hair's colour in its own shadow.
    pub(super) fn hair_shade(&self) -> Ink {
        self.hair.darker(0.34)
    }

    /// The colour of the beard: the hair's, or brown where the head is bald.
    pub(super) fn beard_ink(&self) -> Ink {
        let light = self.is(Factor::HairColour, "white");
        if light { self.hair.darker(0.12) } else { self.hair.darker(0.22) }
    }

    /// The visible length: short where a hat hides it.
    fn hair_length(&self) -> &'static str {
        match self.face.value(Factor::HairLength) {
            Some(length) => length,
            None if self.face.value(Factor::HairColour).is_none() => "bald",
            None => "short",
        }
    }

    /// The size of the waves or curls of the outline.
    fn curl(&self) -> f32 {
        match self.value(Factor::HairTexture) {
            "wavy" => 0.014,
            "curly" => 0.026,
            _ => 0.0,
        }
    }
}

/// Waves or curls along the edge of a mass of hair.
fn ruffle(canvas: &mut Canvas, face: &Portrait, edge: &[Xy], ink: Ink) {
    match face.value(Factor::HairTexture) {
        "curly" => {
            for (i, point) in spaced(edge, 0.034).into_iter().enumerate() {
                let size = face.curl() * (1.0 + 0.22 * ((i * 7 % 5) as f32 - 2.0) / 2.0);
                canvas.oval(point, (size, size), ink);
            }
        }
        "wavy" => {
            for point in spaced(edge, 0.052) {
                canvas.oval(point, (face.curl(), face.curl() * 1.5), ink);
            }
        }
        _ => {}
    }
}

/// Points along an open line, about `gap` apart.
fn spaced(points: &[Xy], gap: f32) -> Vec<Xy> {
    let mut result = Vec::new();
    let mut rest = 0.0;
    for pair in points.windows(2) {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let length = dx.hypot(dy);
        while rest < length {
            let t = rest / length;
            result.push((pair[0].0 + dx * t, pair[0].1 + dy * t));
            rest += gap;
        }
        rest -= length;
    }
    result
}

/// Hair that falls behind the neck, and the knot of a bun.
pub(super) fn back(canvas: &mut Canvas, face: &Portrait) {
    let (x, y) = face.half;
    let shade = face.hair_shade();
    let bottom = match face.hair_length() {
        "long" => 0.46,
        "bob" => 0.205,
        "bun" => {
            let (knot, texture) = ((0.0, -y * 1.13), face.curl());
            canvas.oval(knot, (0.088 + texture, 0.078 + texture), shade);
            canvas.oval((knot.0, knot.1 - 0.006), (0.074 + texture, 0.064 + texture), face.hair);
            for i in 0..3 {
                let r = 0.022 + 0.018 * i as f32;
                canvas.stroke(&curve((-r, knot.1), (0.0, knot.1 - r * 1.3), (r, knot.1)), shade, 0.006);
            }
            return;
        }
        _ => return,
    };
    // Under a hat the hair lies flat.
    let crown = if face.is(Factor::Hat, "none") { 1.10 } else { 0.45 };
    let mut points: Vec<Xy> = (0..=24)
        .map(|i| {
            let (sin, cos) = (PI + PI * i as f32 / 24.0).sin_cos();
            (cos * x * 1.28, -0.05 + sin * y * crown)
        })
        .collect();
    let fall: Vec<Xy> = (1..=14)
        .map(|i| {
            let t = i as f32 / 14.0;
            let wave = face.curl() * 1.1 * (i as f32 * 1.9).sin();
            (x * 1.28 + 0.032 * (t * PI).sin() + wave, -0.05 + (bottom + 0.05) * t)
        })
        .collect();
    points.extend(&fall);
    if bottom < 0.3 {
        points.extend([(x * 0.75, bottom + 0.020), (-x * 0.75, bottom + 0.020)]);
    }
    points.extend(fall.iter().rev().map(|(x, y)| (-x, *y)));
    canvas.fill(&if face.curl() > 0.0 { polygon(&points) } else { smooth(&points) }, shade);
    ruffle(canvas, face, &points, shade);
    for side in [-1.0, 1.0] {
        for i in 0..4 {
            let x = side * x * (1.06 + 0.075 * i as f32);
            strand(
                canvas,
                face,
                (x, -0.02),
                (x * 1.03, bottom - 0.02 - 0.012 * i as f32),
                face.hair.darker(0.10),
            );
        }
    }
}

/// A strand of hair from `start` to `end`: straight, waved, or a row of ringlets.
fn strand(canvas: &mut Canvas, face: &Portrait, start: Xy, end: Xy, ink: Ink) {
    let at = |t: f32| (start.0 + (end.0 - start.0) * t, start.1 + (end.1 - start.1) * t);
    match face.value(Factor::HairTexture) {
        "curly" => {
            for i in 0..=6 {
                canvas.stroke(&oval(at(i as f32 / 6.0), (0.017, 0.017)), ink, 0.006);
            }
        }
        "wavy" => {
            let points: Vec<Xy> = (0..=20)
                .map(|i| {
                    let (x, y) = at(i as f32 / 20.0);
                    (x + 0.012 * (i as f32 * TAU * 2.5 / 20.0).sin(), y)
                })
                .collect();
            canvas.stroke(&line(&points), ink, 0.007);
        }
        _ => canvas.stroke(&line(&[start, end]), ink, 0.006),
    }
}

/// Hair on the skull, its fringe, and the locks beside the face.
pub(super) fn front(canvas: &mut Canvas, face: &Portrait) {
    let length = face.hair_length();
    let (top, wide, low) = match length {
        "bald" => return shine(canvas, face),
        "cropped" => (1.045, 1.03, -0.06),
        "bob" => (1.14, 1.14, 0.10),
        "long" => (1.14, 1.14, 0.16),
        "bun" => (1.10, 1.05, -0.06),
        _ => (1.15, 1.09, -0.02),
    };
    let (x, y) = face.half;
    let crown: Vec<Xy> = (0..=32)
        .map(|i| {
            let (sin, cos) = (PI + PI * i as f32 / 32.0).sin_cos();
            (cos * x * wide, -0.045 + sin * (y * top - 0.045))
        })
        .collect();
    let inner = hairline(face, length, low);
    let shade = face.hair_shade();
    let mut shape = crown.clone();
    shape.push((x * wide, low));
    shape.extend(&inner);
    shape.push((-x * wide, low));
    let path = polygon(&shape);
    let bare = face.is(Factor::Hat, "none");
    if face.curl() > 0.0 && bare {
        ruffle(canvas, face, &crown, face.hair);
        for (i, point) in spaced(&inner, 0.036).into_iter().enumerate().filter(|(i, _)| *i > 0) {
            let size = face.curl() * (0.55 + 0.10 * (i % 3) as f32);
            if (point.0.abs() < x * 0.99 || low > 0.0) && point.1 < low {
                canvas.oval((point.0, point.1 - 0.004), (size, size), face.hair);
            }
        }
    }
    canvas.fill(&path, face.hair);
    let cap = linear(
        (0.0, -y * top),
        (0.0, 0.05),
        &[(0.0, face.hair.lighter(0.16)), (0.55, face.hair.alpha(0.4)), (1.0, shade.alpha(0.55))],
    );
    canvas.shade(&path, cap);
    if length != "cropped" && bare {
        gloss(canvas, face, top, wide);
    }
}

/// The edge of the hair against the face, from right to left.
fn hairline(face: &Portrait, length: &str, low: f32) -> Vec<Xy> {
    let (x, y) = (face.half.0, face.half.1);
    let style = if length == "cropped" { "back" } else { face.value(Factor::Fringe) };
    let mut edge = vec![(x * 0.955, low), (x * 0.90, -0.085)];
    let high = -y * 0.74;
    match style {
        "parted" => {
            let part = (-x * 0.30, -y * 0.86);
            edge.extend(along((x * 0.88, -0.095), (x * 0.66, -y * 0.70), part, 10));
            edge.extend(along(part, (-x * 0.72, -y * 0.74), (-x * 0.88, -0.095), 8));
        }
        "fringe" => {
            for i in 0..=16 {
                let t = i as f32 / 16.0;
                let notch = if i % 2 == 0 { 0.0 } else { 0.020 };
                edge.push((x * 0.88 * (1.0 - 2.0 * t), -0.104 - notch - 0.012 * (t * PI).sin()));
            }
        }
        _ => edge.extend(along((x * 0.88, -0.105), (0.0, 2.0 * high + 0.105), (-x * 0.88, -0.105), 16)),
    }
    edge.extend([(-x * 0.90, -0.085), (-x * 0.955, low)]);
    edge
}

/// Lighter and darker locks that show the texture on the crown.
fn gloss(canvas: &mut Canvas, face: &Portrait, top: f32, wide: f32) {
    let (x, y) = face.half;
    let (light, dark) = (face.hair.lighter(0.30), face.hair.darker(0.32));
    for i in 0..9 {
        let u = (i as f32 - 4.0) / 4.6;
        let ink = if i % 2 == 0 { light.alpha(0.65) } else { dark.alpha(0.65) };
        let lift = (1.0 - u * u).max(0.0).sqrt();
        let start = (u * x * wide * 0.62, -0.03 - lift * (y * top - 0.09));
        let end = (u * x * wide * 0.93, -0.06 - lift * (y * 0.82 - 0.06));
        match face.value(Factor::HairTexture) {
            "curly" => {
                for (t, r) in [(0.1, 0.019), (0.55, 0.016), (1.0, 0.018)] {
                    let centre = (start.0 + (end.0 - start.0) * t, start.1 + (end.1 - start.1) * t);
                    canvas.stroke(&oval(centre, (r, r)), ink, 0.0065);
                }
            }
            "wavy" => strand(canvas, face, start, end, ink),
            _ => canvas.stroke(&curve(start, (end.0, start.1 * 0.96), end), ink, 0.0065),
        }
    }
}

/// The highlight on a bald head.
fn shine(canvas: &mut Canvas, face: &Portrait) {
    let y = -face.half.1 * 0.72;
    canvas.glow((face.yaw * 0.5 - 0.04, y), (0.085, 0.045), face.skin.lighter(0.75).alpha(0.65));
}

//! Clothes, hats, glasses and earrings.

use super::super::canvas::{Canvas, Ink, Xy, curve, lens, line, oval, polygon, rgb, rounded, smooth};
use super::super::factors::Factor;
use super::portrait::Portrait;

const CLOTHS: [Ink; 6] = [
    rgb(42, 64, 120),
    rgb(160, 44, 48),
    rgb(42, 116, 84),
    rgb(206, 200, 190),
    rgb(62, 62, 70),
    rgb(216, 152, 60),
];
const HATS: [Ink; 5] =
    [rgb(34, 56, 132), rgb(178, 32, 42), rgb(32, 98, 64), rgb(58, 58, 64), rgb(196, 156, 96)];

pub(super) fn clothes(canvas: &mut Canvas, face: &Portrait) {
    // The collar keeps its distance from the chin.
    let top = face.half.1 + 0.045;
    let ink = CLOTHS[face.jitter.cloth % CLOTHS.len()];
    let shoulders = polygon(&[
        (-0.62, 0.75),
        (-0.56, top + 0.09),
        (-0.34, top + 0.035),
        (-0.125, top - 0.012),
        (0.125, top - 0.012),
        (0.34, top + 0.035),
        (0.56, top + 0.09),
        (0.62, 0.75),
    ]);
    let skin = face.skin.mix(rgb(60, 20, 20), 0.16);
    match face.value(Factor::Clothes) {
        "suit" => {
            canvas.fill(&shoulders, rgb(40, 44, 60));
            canvas.fill(
                &polygon(&[(-0.115, top - 0.02), (0.115, top - 0.02), (0.0, top + 0.30)]),
                rgb(248, 248, 248),
            );
            let tie = [(-0.026, top + 0.012), (0.026, top + 0.012), (0.036, top + 0.3), (-0.036, top + 0.3)];
            canvas.fill(&polygon(&tie), rgb(168, 28, 40));
            for side in [-1.0, 1.0] {
                let collar =
                    [(side * 0.118, top - 0.028), (side * 0.012, top + 0.018), (side * 0.080, top + 0.058)];
                canvas.fill(&polygon(&collar), rgb(228, 230, 236));
                canvas.stroke(
                    &line(&[(side * 0.13, top - 0.01), (side * 0.02, top + 0.26)]),
                    rgb(20, 22, 32),
                    0.008,
                );
            }
        }
        "turtleneck" => {
            canvas.fill(&shoulders, ink);
            let roll =
                [(-0.118, top - 0.065), (0.118, top - 0.065), (0.142, top + 0.030), (-0.142, top + 0.030)];
            canvas.fill(
                &smooth(&[roll[0], (0.0, top - 0.055), roll[1], roll[2], (0.0, top + 0.05), roll[3]]),
                ink.darker(0.16),
            );
            canvas.fill(&polygon(&roll), ink.darker(0.16));
            canvas.stroke(
                &curve((-0.128, top - 0.012), (0.0, top + 0.006), (0.128, top - 0.012)),
                ink.darker(0.40),
                0.006,
            );
        }
        "vneck" => {
            canvas.fill(&shoulders, ink);
            let neckline = [(-0.150, top - 0.02), (0.150, top - 0.02), (0.0, top + 0.115)];
            canvas.fill(&polygon(&neckline), skin);
            canvas.stroke(&line(&[neckline[0], neckline[2], neckline[1]]), ink.darker(0.35), 0.010);
        }
        _ => {
            canvas.fill(&shoulders, ink);
            let neckline =
                lens((-0.128, top - 0.014), (0.0, top - 0.05), (0.128, top - 0.014), (0.0, top + 0.070));
            canvas.fill(&neckline, skin);
            canvas.stroke(
                &curve((-0.130, top - 0.014), (0.0, top + 0.076), (0.130, top - 0.014)),
                ink.darker(0.30),
                0.013,
            );
        }
    }
}

pub(super) fn hat(canvas: &mut Canvas, face: &Portrait) {
    let ink = HATS[face.jitter.hat % HATS.len()];
    let (x, y) = face.half;
    // The lower edge of every hat, above the brows.
    let edge = -0.128 * face.stretch;
    let dome = |wide: f32, top: f32| {
        let mut points: Vec<Xy> = (0..=24)
            .map(|i| {
                let (sin, cos) = (std::f32::consts::PI * (1.0 + i as f32 / 24.0)).sin_cos();
                (cos * x * wide, edge + sin.abs().powf(0.85) * (top - edge))
            })
            .collect();
        points.push((x * wide, edge + 0.004));
        points.push((-x * wide, edge + 0.004));
        polygon(&points)
    };
    match face.value(Factor::Hat) {
        "cap" => {
            canvas.fill(&dome(1.15, -y * 1.30), ink);
            canvas.stroke(&curve((0.0, -y * 1.29), (0.0, edge - 0.05), (0.0, edge)), ink.darker(0.3), 0.006);
            for side in [-1.0, 1.0] {
                let seam = curve((0.0, -y * 1.29), (side * x * 0.75, -y * 1.15), (side * x * 0.72, edge));
                canvas.stroke(&seam, ink.darker(0.3), 0.006);
            }
            canvas.oval((0.0, -y * 1.30), (0.016, 0.010), ink.darker(0.35));
            let shift = face.yaw * 1.5;
            let peak = lens(
                (-x * 1.22 + shift, edge + 0.018),
                (shift, edge - 0.085),
                (x * 1.22 + shift, edge + 0.018),
                (shift, edge - 0.020),
            );
            canvas.fill(&peak, ink.darker(0.42));
            canvas.stroke(&peak, ink.darker(0.42), 0.020);
        }
        "beanie" => {
            canvas.fill(&dome(1.15, -y * 1.36), ink);
            for i in -3i8..=3 {
                let u = f32::from(i) / 3.4;
                let rib = curve((u * x * 0.35, -y * 1.30), (u * x * 1.0, -y * 1.15), (u * x * 1.12, edge));
                canvas.stroke(&rib, ink.darker(0.25), 0.006);
            }
            canvas.fill(&rounded((0.0, edge - 0.028), (x * 1.19, 0.040), 0.020), ink.lighter(0.28));
            for i in -6i8..=6 {
                let u = f32::from(i) * x * 0.175;
                canvas.stroke(&line(&[(u, edge - 0.055), (u, edge - 0.002)]), ink.lighter(0.05), 0.006);
            }
            canvas.oval((0.0, -y * 1.36), (0.046, 0.042), ink.lighter(0.55));
        }
        "brim" => {
            let crown = smooth(&[
                (-x * 1.02, edge),
                (-x * 0.96, -y * 1.18),
                (-x * 0.60, -y * 1.36),
                (0.0, -y * 1.25),
                (x * 0.60, -y * 1.36),
                (x * 0.96, -y * 1.18),
                (x * 1.02, edge),
                (x * 0.5, edge + 0.01),
                (-x * 0.5, edge + 0.01),
            ]);
            canvas.fill(&crown, ink);
            canvas.fill(&rounded((0.0, edge - 0.040), (x * 0.99, 0.024), 0.004), rgb(24, 22, 24));
            canvas.oval((0.0, edge - 0.012), (x * 1.78, 0.036), ink.darker(0.20));
            canvas.oval((0.0, edge - 0.020), (x * 1.74, 0.028), ink);
            canvas.fill(
                &lens((-x, edge - 0.040), (0.0, edge - 0.090), (x, edge - 0.040), (0.0, edge - 0.006)),
                rgb(24, 22, 24),
            );
        }
        _ => {}
    }
}

pub(super) fn glasses(canvas: &mut Canvas, face: &Portrait) {
    let shape = face.value(Factor::Glasses);
    if !matches!(shape, "round" | "square" | "sun") {
        return;
    }
    let frame = rgb(24, 24, 28);
    let y = -0.035 * face.stretch;
    for side in [-1.0, 1.0] {
        let (x, _) = face.at(side * 0.090, 0.0);
        let temple = line(&[(x + side * 0.060, y - 0.012), (side * face.half.0 * 1.0, y - 0.020)]);
        canvas.stroke(&temple, frame, 0.010);
        match shape {
            "round" => {
                let rim = oval((x, y), (0.064, 0.064));
                canvas.fill(&rim, rgb(225, 240, 255).alpha(0.14));
                canvas.stroke(&rim, frame, 0.012);
            }
            "square" => {
                let rim = rounded((x, y + 0.002), (0.070, 0.050), 0.010);
                canvas.fill(&rim, rgb(225, 240, 255).alpha(0.14));
                canvas.stroke(&rim, frame, 0.018);
            }
            _ => {
                canvas.fill(&rounded((x, y + 0.006), (0.072, 0.056), 0.036), rgb(16, 16, 20));
                canvas.stroke(
                    &line(&[(x - 0.034, y + 0.016), (x + 0.004, y - 0.026)]),
                    Ink::WHITE.alpha(0.28),
                    0.012,
                );
            }
        }
    }
    let gap = if shape == "round" { 0.026 } else { 0.020 };
    canvas.stroke(
        &curve((face.yaw - gap, y - 0.008), (face.yaw, y - 0.020), (face.yaw + gap, y - 0.008)),
        frame,
        0.012,
    );
}

pub(super) fn earrings(canvas: &mut Canvas, face: &Portrait) {
    let (gold, edge) = (rgb(244, 204, 72), rgb(128, 92, 20));
    for side in [-1.0, 1.0] {
        let x = side * face.half.0 * 1.03 + face.yaw * 0.2;
        match face.value(Factor::Earrings) {
            "studs" => {
                canvas.oval((x, 0.066), (0.0185, 0.0185), edge);
                canvas.oval((x, 0.066), (0.0150, 0.0150), rgb(255, 232, 140));
            }
            "hoops" => {
                let hoop = oval((x, 0.112), (0.036, 0.046));
                canvas.stroke(&hoop, edge, 0.0155);
                canvas.stroke(&hoop, gold, 0.0105);
            }
            _ => {}
        }
    }
}

//! The background and the light.

use super::super::canvas::{Canvas, Ink, linear, radial, rgb};
use super::super::factors::Factor;
use super::portrait::Portrait;

pub(super) fn background(canvas: &mut Canvas, face: &Portrait) {
    let ink = match face.value(Factor::Background) {
        "blue" => rgb(92, 132, 196),
        "green" => rgb(88, 142, 90),
        "warm" => rgb(212, 164, 108),
        "dark" => rgb(42, 42, 50),
        "white" => rgb(240, 240, 238),
        _ => rgb(150, 152, 156),
    };
    canvas.flood(linear((0.0, 0.0), (0.0, 1.0), &[(0.0, ink), (1.0, ink.darker(0.25))]));
    let glow = ink.lighter(0.35);
    canvas.flood(radial((0.5, 0.42), (0.6, 0.6), &[(0.0, glow.alpha(0.6)), (1.0, glow.alpha(0.0))]));
}

pub(super) fn light(canvas: &mut Canvas, face: &Portrait) {
    let (bright, black) = (Ink::WHITE.alpha(0.10), Ink::BLACK);
    let from_left = [(0.0, bright), (0.35, black.alpha(0.0)), (1.0, black.alpha(0.58))];
    match face.value(Factor::Light) {
        "left" => canvas.flood(linear((0.05, 0.3), (0.95, 0.7), &from_left)),
        "right" => canvas.flood(linear((0.95, 0.3), (0.05, 0.7), &from_left)),
        "dim" => canvas.flood(linear(
            (0.0, 0.0),
            (0.0, 1.0),
            &[(0.0, black.alpha(0.27)), (1.0, black.alpha(0.33))],
        )),
        _ => {}
    }
}

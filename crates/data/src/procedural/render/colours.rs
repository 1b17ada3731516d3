//! The colours of skin and hair.

use super::super::canvas::{Ink, rgb};
use super::super::factors::{Face, Factor};

pub(super) fn skin(face: &Face) -> Ink {
    match face.value(Factor::Skin) {
        Some("pale") => rgb(250, 226, 214),
        Some("olive") => rgb(214, 174, 128),
        Some("tan") => rgb(194, 138, 92),
        Some("brown") => rgb(146, 95, 62),
        Some("dark") => rgb(88, 57, 42),
        _ => rgb(240, 198, 170),
    }
}

pub(super) fn hair(face: &Face) -> Ink {
    match face.value(Factor::HairColour) {
        Some("black") => rgb(30, 26, 28),
        Some("blond") => rgb(230, 192, 108),
        Some("red") => rgb(190, 78, 30),
        Some("grey") => rgb(142, 143, 148),
        Some("white") => rgb(238, 238, 236),
        _ => rgb(104, 64, 36),
    }
}

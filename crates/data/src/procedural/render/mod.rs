//! From factors to pixels: layers of antialiased paths, back to front.
//!
//! Back hair, clothes, neck, ears, face, marks, eyes, nose, beard, mouth, front hair, hat, glasses,
//! earrings, light. The shapes are rasterised at least at twice the requested size and averaged down.

mod colours;
mod features;
mod hair;
mod head;
mod portrait;
mod scene;
mod wear;

use t2f_ops::rng::Key;
use tiny_skia::Transform;

use super::canvas::{Canvas, Xy};
use super::factors::Face;
use crate::image::Image;
use portrait::Portrait;

/// The part of the plane that the frame shows, in face units.
const FRAME: f32 = 0.78;
/// The face's origin in the frame, in face units from the upper left corner.
const ORIGIN: Xy = (0.39, 0.395);

/// Renders a face at `resolution` pixels a side.
///
/// Equal arguments give equal images on one machine; between processor architectures bytes may
/// differ by rounding. Equal faces and keys give the same picture at every resolution.
pub fn render(face: &Face, resolution: usize, key: Key) -> Image {
    let factor = 128usize.div_ceil(resolution.max(1)).max(2);
    let side = (resolution * factor) as f32;
    let portrait = Portrait::new(face, key);
    let jitter = &portrait.jitter;
    let unit = side / FRAME * jitter.scale;
    // The head tilts about a point in the neck.
    let place = Transform::from_translate(0.0, -0.2)
        .post_rotate(jitter.tilt)
        .post_translate(jitter.shift.0, jitter.shift.1 + 0.2)
        .post_scale(unit, unit)
        .post_translate(ORIGIN.0 * side / FRAME, ORIGIN.1 * side / FRAME);
    let Some(mut canvas) = Canvas::new(side as u32, place) else {
        return Image::filled(resolution, resolution, [0; 3]);
    };
    scene::background(&mut canvas, &portrait);
    hair::back(&mut canvas, &portrait);
    head::neck(&mut canvas, &portrait);
    wear::clothes(&mut canvas, &portrait);
    head::ears(&mut canvas, &portrait);
    head::face(&mut canvas, &portrait);
    head::marks(&mut canvas, &portrait);
    head::age(&mut canvas, &portrait);
    features::eyes(&mut canvas, &portrait);
    features::nose(&mut canvas, &portrait);
    features::beard(&mut canvas, &portrait);
    features::mouth(&mut canvas, &portrait);
    hair::front(&mut canvas, &portrait);
    features::brows(&mut canvas, &portrait);
    wear::hat(&mut canvas, &portrait);
    wear::glasses(&mut canvas, &portrait);
    wear::earrings(&mut canvas, &portrait);
    scene::light(&mut canvas, &portrait);
    canvas.finish(factor)
}

//! From factors to pixels: layers of antialiased paths, back to front.
//!
//! Back hair, clothes, neck, ears, face, marks, eyes, nose, beard, mouth, front hair, hat, glasses,
//! earrings, light. The shapes are drawn at least twice as large as asked for and averaged down.

mod features;
mod hair;
mod head;
mod scene;
mod wear;

use t2f_ops::rng::{Key, unit};
use tiny_skia::Transform;

use super::canvas::{Canvas, Ink, Xy};
use super::factors::{Attributes, Factor};
use crate::image::Image;

/// The part of the plane that the frame shows, in face units.
const FRAME: f32 = 0.78;
/// The face's origin in the frame, in face units from the upper left corner.
const ORIGIN: Xy = (0.39, 0.395);

/// Everything the layers share: the factors, the measures of the head, its colours.
struct Portrait<'a> {
    attributes: &'a Attributes,
    /// Half the width and half the height of the face.
    half: Xy,
    /// How much longer than the mean the face is; its features are spread by as much.
    stretch: f32,
    /// How far the features are moved by a turned head.
    yaw: f32,
    skin: Ink,
    /// The darker tone of the skin, for shadows and lines.
    shadow: Ink,
    hair: Ink,
    /// Positions that differ between faces of equal factors.
    jitter: Jitter,
}

/// What the factors leave open, drawn from the key in this order.
struct Jitter {
    shift: Xy,
    scale: f32,
    tilt: f32,
    half: Xy,
    cloth: usize,
    hat: usize,
    key: Key,
}

impl Jitter {
    fn new(key: Key) -> Self {
        let mut stream = key.child("jitter").rng();
        let mut spread = |s: f32| (unit(&mut stream) as f32 * 2.0 - 1.0) * s;
        let (shift, scale, tilt) = ((spread(0.018), spread(0.012)), 1.0 + spread(0.03), spread(5.0));
        let half = (1.0 + spread(0.03), 1.0 + spread(0.02));
        let mut choose = |n: usize| t2f_ops::rng::below(&mut stream, n);
        Self { shift, scale, tilt, half, cloth: choose(6), hat: choose(5), key: key.child("spots") }
    }
}

impl<'a> Portrait<'a> {
    fn new(attributes: &'a Attributes, key: Key) -> Self {
        let jitter = Jitter::new(key);
        let (width, height) = match attributes.value(Factor::Face) {
            Some("round") => (0.226, 0.242),
            Some("square") => (0.214, 0.262),
            Some("long") => (0.180, 0.302),
            _ => (0.198, 0.270),
        };
        let half = (width * jitter.half.0, height * jitter.half.1);
        let skin = head::skin(attributes);
        let yaw = match attributes.value(Factor::Gaze) {
            Some("left") => -0.046,
            Some("right") => 0.046,
            _ => 0.0,
        };
        Self {
            attributes,
            half,
            stretch: half.1 / 0.268,
            yaw,
            skin,
            shadow: skin.mix(super::canvas::rgb(70, 22, 18), 0.32),
            hair: hair::colour(attributes),
            jitter,
        }
    }

    fn is(&self, factor: Factor, value: &str) -> bool {
        self.attributes.is(factor, value)
    }

    fn value(&self, factor: Factor) -> &'static str {
        self.attributes.value(factor).unwrap_or("")
    }

    /// Where a point of the mean face lies on this one: stretched, and moved by the turn.
    fn at(&self, x: f32, y: f32) -> Xy {
        (x + self.yaw, y * self.stretch)
    }
}

/// Draws a face of `resolution` pixels a side.
///
/// Equal arguments give equal images on one machine; between processor architectures bytes may
/// differ by rounding. Equal attributes and keys give the same face at every resolution.
pub fn render(attributes: &Attributes, resolution: usize, key: Key) -> Image {
    let factor = 128usize.div_ceil(resolution.max(1)).max(2);
    let side = (resolution * factor) as f32;
    let portrait = Portrait::new(attributes, key);
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

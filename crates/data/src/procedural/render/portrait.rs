//! The measures and colours of one face.

use t2f_ops::rng::{Key, unit};

use super::super::canvas::{Ink, Xy, rgb};
use super::super::factors::{Face, Factor};
use super::colours;

/// The data that all layers share: the factors, the measures of the head, its colours.
pub(super) struct Portrait<'a> {
    pub(super) face: &'a Face,
    /// Half the width and half the height of the face.
    pub(super) half: Xy,
    /// The height relative to the mean face, which also scales the distances of the features.
    pub(super) stretch: f32,
    /// The horizontal shift of the features of a turned head.
    pub(super) yaw: f32,
    pub(super) skin: Ink,
    /// The darker tone of the skin, for shadows and lines.
    pub(super) shadow: Ink,
    pub(super) hair: Ink,
    /// Positions that differ between faces of equal factors.
    pub(super) jitter: Jitter,
}

/// The measures that factors do not decide, drawn from the key in this order.
pub(super) struct Jitter {
    pub(super) shift: Xy,
    pub(super) scale: f32,
    pub(super) tilt: f32,
    pub(super) half: Xy,
    pub(super) cloth: usize,
    pub(super) hat: usize,
    pub(super) key: Key,
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
    pub(super) fn new(face: &'a Face, key: Key) -> Self {
        let jitter = Jitter::new(key);
        let (width, height) = match face.value(Factor::Face) {
            Some("round") => (0.226, 0.242),
            Some("square") => (0.214, 0.262),
            Some("long") => (0.180, 0.302),
            _ => (0.198, 0.270),
        };
        let half = (width * jitter.half.0, height * jitter.half.1);
        let skin = colours::skin(face);
        let yaw = match face.value(Factor::Gaze) {
            Some("left") => -0.046,
            Some("right") => 0.046,
            _ => 0.0,
        };
        Self {
            face,
            half,
            stretch: half.1 / 0.268,
            yaw,
            skin,
            shadow: skin.mix(rgb(70, 22, 18), 0.32),
            hair: colours::hair(face),
            jitter,
        }
    }

    pub(super) fn is(&self, factor: Factor, value: &str) -> bool {
        self.face.is(factor, value)
    }

    pub(super) fn value(&self, factor: Factor) -> &'static str {
        self.face.value(factor).unwrap_or("")
    }

    /// The position of a point of the mean face on this face, after stretch and turn.
    pub(super) fn at(&self, x: f32, y: f32) -> Xy {
        (x + self.yaw, y * self.stretch)
    }
}

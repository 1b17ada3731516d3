//! Shapes and colours on a supersampled pixmap, in the units of the face.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Paint, Path, PathBuilder, Pixmap,
    Point, RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

use crate::image::Image;

/// A point in face units.
pub(super) type Xy = (f32, f32);

/// A colour with its opacity, all in `[0, 1]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    rgb: [f32; 3],
    alpha: f32,
}

impl Ink {
    pub(super) const BLACK: Self = rgb(0, 0, 0);
    pub(super) const WHITE: Self = rgb(255, 255, 255);

    /// A mixture with a share `t` in `[0, 1]` of another colour.
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        let mixed = |i: usize| self.rgb[i] + (other.rgb[i] - self.rgb[i]) * t;
        Self { rgb: [mixed(0), mixed(1), mixed(2)], alpha: self.alpha }
    }

    pub(super) fn darker(self, t: f32) -> Self {
        self.mix(Self::BLACK, t)
    }

    pub(super) fn lighter(self, t: f32) -> Self {
        self.mix(Self::WHITE, t)
    }

    pub(super) fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    fn color(self) -> Color {
        let [r, g, b] = self.rgb.map(|channel| channel.clamp(0.0, 1.0));
        Color::from_rgba(r, g, b, self.alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
    }
}

/// The opaque ink of eight-bit channels.
pub(super) const fn rgb(r: u8, g: u8, b: u8) -> Ink {
    Ink { rgb: [r as f32 / 255.0, g as f32 / 255.0, b as f32 / 255.0], alpha: 1.0 }
}

/// A pixmap in face coordinates: the origin is between eyes and mouth, x points to the right and y
/// down, and the frame is 0.78 wide.
pub(super) struct Canvas {
    pixmap: Pixmap,
    place: Transform,
}

impl Canvas {
    /// A pixmap of `side` pixels a side; `place` maps face units to pixels.
    pub(super) fn new(side: u32, place: Transform) -> Option<Self> {
        Some(Self { pixmap: Pixmap::new(side, side)?, place })
    }

    fn paint(shader: Shader<'_>) -> Paint<'_> {
        Paint { shader, ..Paint::default() }
    }

    /// Fills the whole pixmap.
    pub(super) fn flood(&mut self, shader: Option<Shader<'_>>) {
        let side = self.pixmap.width() as f32;
        if let (Some(shader), Some(all)) = (shader, Rect::from_xywh(0.0, 0.0, side, side)) {
            let unit = Transform::from_scale(side, side);
            let paint = Self::paint(shader);
            if let Some(all) = all.transform(Transform::from_scale(1.0 / side, 1.0 / side)) {
                self.pixmap.fill_rect(all, &paint, unit, None);
            }
        }
    }

    pub(super) fn shade(&mut self, path: &Option<Path>, shader: Option<Shader<'_>>) {
        if let (Some(path), Some(shader)) = (path, shader) {
            self.pixmap.fill_path(path, &Self::paint(shader), FillRule::Winding, self.place, None);
        }
    }

    pub(super) fn fill(&mut self, path: &Option<Path>, ink: Ink) {
        self.shade(path, Some(Shader::SolidColor(ink.color())));
    }

    /// Strokes a path with round ends.
    pub(super) fn stroke(&mut self, path: &Option<Path>, ink: Ink, width: f32) {
        if let Some(path) = path {
            let stroke =
                Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
            let paint = Self::paint(Shader::SolidColor(ink.color()));
            self.pixmap.stroke_path(path, &paint, &stroke, self.place, None);
        }
    }

    pub(super) fn oval(&mut self, centre: Xy, radii: Xy, ink: Ink) {
        self.fill(&oval(centre, radii), ink);
    }

    /// A blurred oval with the opacity of `ink` at its centre and 0 at its rim.
    pub(super) fn glow(&mut self, centre: Xy, radii: Xy, ink: Ink) {
        let stops = [(0.0, ink), (0.45, ink.alpha(ink.alpha * 0.75)), (1.0, ink.alpha(0.0))];
        self.shade(&oval(centre, radii), radial(centre, radii, &stops));
    }

    /// The image averaged over boxes of `factor` pixels. Every pixel must be opaque.
    pub(super) fn finish(&self, factor: usize) -> Image {
        let side = self.pixmap.width() as usize;
        let pixels =
            self.pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
        Image { width: side, height: side, pixels }.shrink(factor)
    }
}

fn stops(inks: &[(f32, Ink)]) -> Vec<GradientStop> {
    inks.iter().map(|(position, ink)| GradientStop::new(*position, ink.color())).collect()
}

/// A gradient along the line from `start` to `end`.
pub(super) fn linear(start: Xy, end: Xy, inks: &[(f32, Ink)]) -> Option<Shader<'static>> {
    let (start, end) = (Point::from_xy(start.0, start.1), Point::from_xy(end.0, end.1));
    LinearGradient::new(start, end, stops(inks), SpreadMode::Pad, Transform::identity())
}

/// A gradient from the centre of an oval to its rim.
pub(super) fn radial(centre: Xy, radii: Xy, inks: &[(f32, Ink)]) -> Option<Shader<'static>> {
    let place = Transform::from_row(radii.0, 0.0, 0.0, radii.1, centre.0, centre.1);
    let zero = Point::from_xy(0.0, 0.0);
    RadialGradient::new(zero, 0.0, zero, 1.0, stops(inks), SpreadMode::Pad, place)
}

pub(super) fn oval(centre: Xy, radii: Xy) -> Option<Path> {
    let rect = Rect::from_xywh(centre.0 - radii.0, centre.1 - radii.1, 2.0 * radii.0, 2.0 * radii.1)?;
    PathBuilder::from_oval(rect)
}

pub(super) fn polygon(points: &[Xy]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(first.0, first.1);
    rest.iter().for_each(|point| path.line_to(point.0, point.1));
    path.close();
    path.finish()
}

/// An open line through the points.
pub(super) fn line(points: &[Xy]) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    path.move_to(first.0, first.1);
    rest.iter().for_each(|point| path.line_to(point.0, point.1));
    path.finish()
}

/// The quadratic curve from `start` to `end`, bent towards `middle`.
pub(super) fn curve(start: Xy, middle: Xy, end: Xy) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(start.0, start.1);
    path.quad_to(middle.0, middle.1, end.0, end.1);
    path.finish()
}

/// A closed shape of two curves with common ends, one bent towards `upper`, the other towards
/// `lower`.
pub(super) fn lens(start: Xy, upper: Xy, end: Xy, lower: Xy) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(start.0, start.1);
    path.quad_to(upper.0, upper.1, end.0, end.1);
    path.quad_to(lower.0, lower.1, start.0, start.1);
    path.close();
    path.finish()
}

/// A closed curve that touches the middle of every side of the polygon.
pub(super) fn smooth(points: &[Xy]) -> Option<Path> {
    let middle = |a: Xy, b: Xy| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let (first, last) = (*points.first()?, *points.last()?);
    let start = middle(last, first);
    let mut path = PathBuilder::new();
    path.move_to(start.0, start.1);
    for (i, point) in points.iter().enumerate() {
        let end = middle(*point, points[(i + 1) % points.len()]);
        path.quad_to(point.0, point.1, end.0, end.1);
    }
    path.close();
    path.finish()
}

/// Points on the quadratic curve from `start` to `end`, both included.
pub(super) fn along(start: Xy, middle: Xy, end: Xy, pieces: usize) -> Vec<Xy> {
    let at = |t: f32| {
        let (a, b, c) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
        (a * start.0 + b * middle.0 + c * end.0, a * start.1 + b * middle.1 + c * end.1)
    };
    (0..=pieces).map(|i| at(i as f32 / pieces as f32)).collect()
}

/// A rectangle with round corners.
pub(super) fn rounded(centre: Xy, half: Xy, radius: f32) -> Option<Path> {
    let ((x, y), (w, h), r) = (centre, half, radius.min(half.0).min(half.1));
    let mut path = PathBuilder::new();
    path.move_to(x - w + r, y - h);
    path.line_to(x + w - r, y - h);
    path.quad_to(x + w, y - h, x + w, y - h + r);
    path.line_to(x + w, y + h - r);
    path.quad_to(x + w, y + h, x + w - r, y + h);
    path.line_to(x - w + r, y + h);
    path.quad_to(x - w, y + h, x - w, y + h - r);
    path.line_to(x - w, y - h + r);
    path.quad_to(x - w, y - h, x - w + r, y - h);
    path.close();
    path.finish()
}

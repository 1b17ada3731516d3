//! Text in pictures, with one embedded font: measuring, wrapping and rendering. System fonts are not used.
//!
//! Characters without a glyph in the font, and scripts that are written from right to left, which need an
//! order and shapes that this module does not have, are not drawn; see [`drawable`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use unicode_script::{Script, UnicodeScript};

use t2f_data::Image;

use crate::canvas::{Rgb, blend};

/// The font file, DejaVu Sans 2.37; its licence is in the same folder.
pub(crate) const FONT: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");

static FACE: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the embedded font is whole"));

/// The font at a size in pixels, from the top of the ascender to the bottom of the descender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lettering {
    scale: PxScale,
}

impl Lettering {
    /// Letters of `size` pixels.
    pub(crate) fn new(size: f32) -> Self {
        Self { scale: PxScale::from(size) }
    }

    /// The distance of two baselines, in pixels.
    pub(crate) fn line_height(self) -> usize {
        (self.scale.y * 1.12).ceil() as usize
    }

    /// Width of a line, in pixels.
    pub(crate) fn width(self, text: &str) -> usize {
        let font = FACE.as_scaled(self.scale);
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum::<f32>().ceil() as usize
    }

    /// Wraps text between words into lines of at most `width` pixels; a wider word is broken. Beyond
    /// `max_lines` the last line ends in an ellipsis.
    pub(crate) fn wrapped(self, text: &str, width: usize, max_lines: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last_mut().expect("never empty");
            let joined = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
            if self.width(&joined) <= width {
                *line = joined;
                continue;
            }
            if !line.is_empty() {
                lines.push(String::new());
            }
            for c in word.chars() {
                let line = lines.last_mut().expect("never empty");
                if !line.is_empty() && self.width(&format!("{line}{c}")) > width {
                    lines.push(c.to_string());
                } else {
                    line.push(c);
                }
            }
        }
        if lines.len() > max_lines {
            lines.truncate(max_lines);
            if let Some(last) = lines.last_mut() {
                while !last.is_empty() && self.width(&format!("{last}…")) > width {
                    last.pop();
                }
                *last = format!("{}…", last.trim_end_matches([' ', '.', ',', '…']));
            }
        }
        lines
    }

    /// Renders one line with its top left corner at `(left, top)`.
    pub(crate) fn draw(self, on: &mut Image, text: &str, left: usize, top: usize, colour: Rgb) {
        let font = FACE.as_scaled(self.scale);
        let baseline = top as f32 + font.ascent().round();
        let mut x = left as f32;
        for c in text.chars() {
            let mut glyph = font.scaled_glyph(c);
            glyph.position = ab_glyph::point(x, baseline);
            x += font.h_advance(glyph.id);
            let Some(outline) = FACE.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, coverage| {
                let (x, y) = (corner.x + dx as f32, corner.y + dy as f32);
                if x >= 0.0 && y >= 0.0 {
                    blend(on, x as usize, y as usize, colour, coverage.min(1.0));
                }
            });
        }
    }
}

/// The mark in place of characters that are not drawn.
const UNDRAWN: &str = "[…]";

/// Scripts from right to left.
const RIGHT_TO_LEFT: [Script; 13] = [
    Script::Adlam,
    Script::Arabic,
    Script::Hanifi_Rohingya,
    Script::Hebrew,
    Script::Mandaic,
    Script::Mende_Kikakui,
    Script::Nko,
    Script::Old_Hungarian,
    Script::Phoenician,
    Script::Samaritan,
    Script::Syriac,
    Script::Thaana,
    Script::Yezidi,
];

/// Text as it is drawn: one space between words, without invisible characters, and with `[…]` in place of
/// words that cannot be drawn.
pub(crate) fn drawable(text: &str) -> String {
    let mut drawn = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars().filter(|&c| !is_invisible(c)) {
        if c.is_whitespace() {
            space = true;
            continue;
        }
        // A mark on a character that is not drawn is not drawn either.
        let marks = c.script() == Script::Inherited && !space && drawn.ends_with(UNDRAWN);
        if marks || !is_drawn(c) {
            // Words that are not drawn share a mark.
            if !drawn.ends_with(UNDRAWN) {
                drawn.push_str(if space && !drawn.is_empty() { " " } else { "" });
                drawn.push_str(UNDRAWN);
            }
        } else {
            drawn.push_str(if space && !drawn.is_empty() { " " } else { "" });
            drawn.push(c);
        }
        space = false;
    }
    drawn
}

/// The scripts of the characters that [`drawable`] leaves out; emoji and signs of no script are `symbols`.
pub(crate) fn undrawn_scripts(text: &str) -> BTreeSet<&'static str> {
    let undrawn = text.chars().filter(|&c| !c.is_whitespace() && !is_invisible(c) && !is_drawn(c));
    let name = |c: char| match c.script() {
        Script::Common | Script::Inherited | Script::Unknown => "symbols",
        script => script.full_name(),
    };
    undrawn.map(name).collect()
}

fn is_drawn(c: char) -> bool {
    FACE.glyph_id(c).0 != 0 && !RIGHT_TO_LEFT.contains(&c.script())
}

/// Whether a character has no glyph by its nature: controls, joiners, marks of order, variation selectors.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_cannot_be_drawn_are_replaced_and_named() {
        for (text, drawn, scripts) in [
            ("a bald man, né Zoë", "a bald man, né Zoë", &[][..]),
            ("лысый мужчина", "лысый мужчина", &[]),
            ("赤い髪の男", "[…]", &["Han", "Hiragana"]),
            ("a 红 hat", "a […] hat", &["Han"]),
            ("رجل بشعر أحمر", "[…]", &["Arabic"]),
            ("איש a קירח", "[…] a […]", &["Hebrew"]),
            ("ผู้หญิง ผมแดง", "[…]", &["Thai"]),
            ("be\u{ad}ard\u{200b}\u{feff}", "beard", &[]),
            ("  ", "", &[]),
        ] {
            assert_eq!(drawable(text), drawn);
            assert_eq!(undrawn_scripts(text).into_iter().collect::<Vec<_>>(), scripts, "{text}");
        }
        assert!(undrawn_scripts("👩🏽\u{200d}🦰 smiling").contains("symbols"));
        assert!(drawable("👩🏽\u{200d}🦰 smiling").ends_with("] smiling"));
    }

    #[test]
    fn nothing_that_is_drawn_is_a_box() {
        let letters = Lettering::new(12.0);
        let draw = |text: &str| {
            let mut page = Image::filled(60, 20, [255; 3]);
            letters.draw(&mut page, &drawable(text), 0, 0, [0; 3]);
            page
        };
        let mark = draw("[…]");
        for text in ["赤", "رجل", "ผู้", "𓂀"] {
            assert_eq!(draw(text), mark, "{text}");
        }
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word_in_order() {
        let letters = Lettering::new(12.0);
        let text = "a bald man with a beard, round glasses and an incomprehensibilitiesatonce smile";
        let lines = letters.wrapped(text, 90, 99);
        assert!(lines.iter().all(|line| letters.width(line) <= 90), "{lines:?}");
        let joined: String = lines.concat().split_whitespace().collect();
        assert_eq!(joined, text.split_whitespace().collect::<String>());
    }

    #[test]
    fn too_many_lines_end_in_an_ellipsis() {
        let lines = Lettering::new(12.0).wrapped("one two three four five six seven eight", 50, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…'));
        assert!(Lettering::new(12.0).width(&lines[1]) <= 50);
    }

    #[test]
    fn drawing_darkens_pixels_inside_the_measured_box_only() {
        let letters = Lettering::new(14.0);
        let mut page = Image::filled(80, 30, [255, 255, 255]);
        letters.draw(&mut page, "face", 10, 5, [0, 0, 0]);
        let dark = |x, y| page.pixel(x, y) != [255, 255, 255];
        let (right, bottom) = (11 + letters.width("face"), 5 + letters.line_height());
        assert!((0..80).any(|x| (0..30).any(|y| dark(x, y))));
        assert!(
            (0..80).all(
                |x| (0..30).all(|y| !dark(x, y) || (9..=right).contains(&x) && (5..=bottom).contains(&y))
            )
        );
    }
}

//! Pictures in a terminal: by kitty's, iTerm2's or the sixel protocol where the terminal has one, otherwise two
//! pixels a cell, as the upper half block in two colours.

use image::{DynamicImage, RgbImage, imageops::FilterType};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::Resize;
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use t2f_data::Image;

/// The fewest columns of a face, at which its parts are seen.
const LEAST: u16 = 20;

/// How a terminal shows pictures.
#[derive(Default)]
pub struct Pictures {
    /// The protocol; none for half blocks.
    picker: Option<Picker>,
    /// The pictures on the screen, encoded: the name of their sheet and the cells of each.
    encoded: Option<(String, Size, Vec<Protocol>)>,
}

impl Pictures {
    /// Half blocks, which every terminal with colours shows.
    pub fn blocks() -> Self {
        Self::default()
    }

    /// By this protocol, with this number of pixels in a cell.
    pub fn by(picker: Picker) -> Self {
        let picker = (picker.protocol_type() != ProtocolType::Halfblocks).then_some(picker);
        Self { picker, encoded: None }
    }

    /// As the terminal answers to a question about its protocols. It has to be in raw mode, and no key may have
    /// been read.
    pub(crate) fn of_terminal() -> Self {
        // A terminal that does not answer shows half blocks.
        Picker::from_query_stdio().map_or_else(|_| Self::blocks(), Self::by)
    }

    /// Encodes the faces of a sheet for places of a size, unless they are.
    fn encode(&mut self, name: &str, faces: &[Image], size: Size) -> &[Protocol] {
        let known = self.encoded.as_ref().is_some_and(|(of, cells, _)| of == name && *cells == size);
        if let (Some(picker), false) = (&self.picker, known) {
            let encode = |face: &Image| {
                let pixels = RgbImage::from_raw(face.width as u32, face.height as u32, face.pixels.clone())?;
                let resize = Resize::Scale(Some(FilterType::Triangle));
                picker.new_protocol(DynamicImage::ImageRgb8(pixels), size, resize).ok()
            };
            self.encoded = Some((name.to_owned(), size, faces.iter().filter_map(encode).collect()));
        }
        self.encoded.as_ref().map_or(&[], |(.., encoded)| encoded)
    }
}

impl std::fmt::Debug for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pictures").field("picker", &self.picker).finish_non_exhaustive()
    }
}

/// Draws as many faces of a sheet beside and below one another as the area has room for, at least one.
pub(crate) fn draw(pictures: &mut Pictures, name: &str, faces: &[Image], area: Rect, buffer: &mut Buffer) {
    let side = area.width.min(2 * area.height);
    if side == 0 || faces.is_empty() {
        return;
    }
    let (columns, rows, side) = grid(faces.len() as u16, area.width, 2 * area.height, side);
    let height = side / 2;
    let shown = &faces[..faces.len().min(usize::from(columns * rows))];
    let place = |at: usize| {
        let (row, column) = (at as u16 / columns, at as u16 % columns);
        Rect::new(area.x + column * (side + 1), area.y + row * (height + 1), side, height)
    };
    if pictures.picker.is_none() {
        shown.iter().enumerate().for_each(|(at, face)| one(face, place(at), buffer));
        return;
    }
    for (at, encoded) in pictures.encode(name, shown, Size::new(side, height)).iter().enumerate() {
        ratatui_image::Image::new(encoded).render(place(at), buffer);
    }
}

/// Columns, rows and side of the grid that shows the most faces of at least [`LEAST`] columns, in `width` by
/// `height` square pixels; the largest faces of these.
fn grid(faces: u16, width: u16, height: u16, largest: u16) -> (u16, u16, u16) {
    let fits = |side: u16| ((width + 1) / (side + 1), (height + 2) / (side + 2));
    let shown = |side: u16| {
        let (columns, rows) = fits(side);
        (columns * rows).min(faces)
    };
    let sides = (LEAST.min(largest)..=largest).filter(|side| side % 2 == 0);
    let side = sides.max_by_key(|&side| (shown(side), side)).unwrap_or(largest & !1).max(2);
    let (columns, rows) = fits(side);
    (columns.clamp(1, faces), rows.max(1), side)
}

/// Draws a face into an area with half as many rows as columns.
fn one(face: &Image, area: Rect, buffer: &mut Buffer) {
    for y in 0..area.height {
        for x in 0..area.width {
            let pixel = |row: u16| {
                let [red, green, blue] = mean(face, (x, row), area.width);
                Color::Rgb(red, green, blue)
            };
            if let Some(cell) = buffer.cell_mut((area.x + x, area.y + y)) {
                cell.set_symbol("▀").set_fg(pixel(2 * y)).set_bg(pixel(2 * y + 1));
            }
        }
    }
}

/// The mean colour of the part of a square picture that is pixel `(x, y)` of `side`.
fn mean(face: &Image, (x, y): (u16, u16), side: u16) -> [u8; 3] {
    let part = |at: u16, length: usize| {
        let of = |at: u16| usize::from(at) * length / usize::from(side);
        of(at)..(of(at) + 1).max(of(at + 1)).min(length)
    };
    let (mut sum, mut count) = ([0u32; 3], 0);
    for row in part(y, face.height) {
        for column in part(x, face.width) {
            for (sum, byte) in sum.iter_mut().zip(face.pixel(column, row)) {
                *sum += u32::from(byte);
            }
            count += 1;
        }
    }
    sum.map(|sum| (sum / count.max(1)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_shows_the_most_faces_that_fit_and_enlarges_them() {
        assert_eq!(grid(6, 64, 40, 40), (3, 1, 20));
        assert_eq!(grid(6, 64, 42, 42), (3, 2, 20));
        assert_eq!(grid(1, 64, 40, 40), (1, 1, 40));
        assert_eq!(grid(6, 10, 8, 8), (1, 1, 8));
    }

    #[test]
    fn a_cell_has_the_mean_colours_of_its_two_halves() {
        let mut face = Image::filled(4, 4, [10, 20, 30]);
        face.pixels[3 * 4 * 2..].fill(200);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2, 1));
        draw(&mut Pictures::blocks(), "a", &[face], buffer.area, &mut buffer);
        let cell = &buffer[(1, 0)];
        assert_eq!(
            (cell.symbol(), cell.fg, cell.bg),
            ("▀", Color::Rgb(10, 20, 30), Color::Rgb(200, 200, 200))
        );
    }

    #[test]
    fn an_area_without_room_is_left_alone() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        let faces = [Image::filled(4, 4, [9; 3])];
        draw(&mut Pictures::blocks(), "a", &faces, Rect::new(0, 0, 0, 1), &mut buffer);
        assert_eq!(buffer, Buffer::empty(buffer.area));
    }

    #[test]
    fn a_protocol_has_its_escape_sequence_in_the_first_cell_of_a_face() {
        let faces = [Image::filled(8, 8, [200, 20, 20]), Image::filled(8, 8, [20, 20, 200])];
        let drawn = |protocol: ProtocolType, size: (u16, u16)| {
            let mut picker = Picker::halfblocks();
            picker.set_protocol_type(protocol);
            let mut pictures = Pictures::by(picker);
            let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
            draw(&mut pictures, "a", &faces, buffer.area, &mut buffer);
            let encoded = pictures.encoded.map_or(0, |(.., encoded)| encoded.len());
            (buffer[(0, 0)].symbol().to_owned(), buffer[(size.0 - 1, 0)].symbol().to_owned(), encoded)
        };
        for (protocol, start) in [
            (ProtocolType::Kitty, "\u{1b}_G"),
            (ProtocolType::Sixel, "\u{1b}P"),
            (ProtocolType::Iterm2, "\u{1b}]1337;File="),
        ] {
            let (first, _, encoded) = drawn(protocol, (41, 10));
            assert!(first.contains(start) && encoded == 2, "{protocol:?}: {first:?}");
        }
        assert_eq!(drawn(ProtocolType::Halfblocks, (41, 10)).2, 0);
    }

    #[test]
    fn faces_are_encoded_again_for_another_sheet_or_size_alone() {
        let mut picker = Picker::halfblocks();
        picker.set_protocol_type(ProtocolType::Sixel);
        let mut pictures = Pictures::by(picker);
        let mut encode = |name, side, colour| {
            let faces = [Image::filled(8, 8, [colour; 3])];
            pictures.encode(name, &faces, Size::new(side, side / 2));
            let (of, size, _) = pictures.encoded.as_ref().unwrap();
            (of.clone(), size.width)
        };
        assert_eq!(encode("a", 20, 0), ("a".into(), 20));
        assert_eq!(encode("a", 22, 0), ("a".into(), 22));
        assert_eq!(encode("b", 22, 0), ("b".into(), 22));
    }
}

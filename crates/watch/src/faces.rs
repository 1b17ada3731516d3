//! Pictures in a terminal: two pixels a cell, as the upper half block in two colours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use t2f_data::Image;

/// The fewest columns of a face, at which its parts are seen.
const LEAST: u16 = 20;

/// Draws as many faces beside and below one another as the area has room for, at least one.
pub(crate) fn draw(faces: &[Image], area: Rect, buffer: &mut Buffer) {
    let side = area.width.min(2 * area.height);
    if side == 0 || faces.is_empty() {
        return;
    }
    let (columns, rows, side) = grid(faces.len() as u16, area.width, 2 * area.height, side);
    for (at, face) in faces.iter().take(usize::from(columns * rows)).enumerate() {
        let (row, column) = (at as u16 / columns, at as u16 % columns);
        let height = side / 2;
        let place = Rect::new(area.x + column * (side + 1), area.y + row * (height + 1), side, height);
        one(face, place, buffer);
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
        draw(&[face], buffer.area, &mut buffer);
        let cell = &buffer[(1, 0)];
        assert_eq!(
            (cell.symbol(), cell.fg, cell.bg),
            ("▀", Color::Rgb(10, 20, 30), Color::Rgb(200, 200, 200))
        );
    }

    #[test]
    fn an_area_without_room_is_left_alone() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 1));
        draw(&[Image::filled(4, 4, [9; 3])], Rect::new(0, 0, 0, 1), &mut buffer);
        assert_eq!(buffer, Buffer::empty(buffer.area));
    }
}

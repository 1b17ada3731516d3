//! Contact sheets: pictures side by side with their captions.
//!
//! [`contact_sheet`] prints a caption below every tile (real images, samples of a run);
//! [`caption_grid`] has a row for each caption and a column for each seed. Tiles are enlarged by whole
//! factors to the same size, so the sheets of a run have the same size at every level. Text that the
//! built-in font cannot draw is replaced by `[…]`; [`undrawn`] names its scripts.

use std::collections::BTreeSet;

use t2f_data::Image;

use crate::canvas::{Rgb, enlarged, paste};
use crate::error::{Error, Result};
use crate::lettering::{Lettering, drawable, undrawn_scripts};

const PAPER: Rgb = [255, 255, 255];
const INK: Rgb = [34, 34, 34];
const FAINT: Rgb = [110, 110, 110];

/// A picture with its caption.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The picture.
    pub image: Image,
    /// The caption; may be empty.
    pub caption: String,
}

/// A caption and its pictures, one for each column.
#[derive(Clone, Debug)]
pub struct Row {
    /// The caption, printed to the left.
    pub caption: String,
    /// The pictures.
    pub images: Vec<Image>,
}

/// The layout of a sheet. All lengths are in pixels.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The largest side of enlarged pictures; the factor is whole. Default 128; at least 1. Larger pictures
    /// keep their size.
    pub tile: usize,
    /// Tiles in a row of [`contact_sheet`]. Default none: an aspect ratio of about 3:2.
    pub columns: Option<usize>,
    /// Height of the letters. Default 12.
    pub letters: f32,
    /// The maximum of caption lines below a tile; longer captions end in an ellipsis. Default 7.
    pub max_lines: usize,
    /// The title at the top of the sheet. Default none.
    pub title: Option<String>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { tile: 128, columns: None, letters: 12.0, max_lines: 7, title: None }
    }
}

impl Layout {
    const GAP: usize = 10;

    /// The side of a tile's square, which fits the largest of `images`.
    fn cell<'a>(&self, images: impl Iterator<Item = &'a Image>) -> usize {
        images.map(|image| image.width.max(image.height)).max().unwrap_or(1).max(self.tile)
    }

    /// Renders the title, if any, and returns the first free row of pixels.
    fn head(&self, page: &mut Image) -> usize {
        if let Some(title) = &self.title {
            let letters = Lettering::new(self.letters + 2.0);
            letters.draw(page, &drawable(title), Self::GAP, Self::GAP, INK);
        }
        Self::GAP + self.head_height()
    }

    fn head_height(&self) -> usize {
        self.title.as_ref().map_or(0, |_| Lettering::new(self.letters + 2.0).line_height() + Self::GAP / 2)
    }
}

/// Tiles in rows, each above its caption.
///
/// # Errors
/// If there are no tiles.
pub fn contact_sheet(tiles: &[Tile], layout: &Layout) -> Result<Image> {
    if tiles.is_empty() {
        return Err(Error::Empty("a contact sheet without tiles".into()));
    }
    let letters = Lettering::new(layout.letters);
    let cell = layout.cell(tiles.iter().map(|tile| &tile.image));
    let columns = layout.columns.unwrap_or_else(|| even_columns(tiles.len())).clamp(1, tiles.len());
    let texts: Vec<Vec<String>> = tiles
        .iter()
        .map(|tile| match tile.caption.trim() {
            "" => Vec::new(),
            caption => letters.wrapped(&drawable(caption), cell, layout.max_lines),
        })
        .collect();
    let row_heights: Vec<usize> = texts
        .chunks(columns)
        .map(|row| {
            let lines = row.iter().map(Vec::len).max().unwrap_or(0);
            cell + if lines > 0 { 4 + lines * letters.line_height() } else { 0 }
        })
        .collect();

    let title_width =
        layout.title.as_ref().map_or(0, |title| Lettering::new(layout.letters + 2.0).width(title));
    let width = (columns * (cell + Layout::GAP)).max(title_width + Layout::GAP) + Layout::GAP;
    let height =
        row_heights.iter().map(|h| h + Layout::GAP).sum::<usize>() + Layout::GAP + layout.head_height();
    let mut page = Image::filled(width, height, PAPER);
    let mut top = layout.head(&mut page);
    for ((tiles, texts), row_height) in tiles.chunks(columns).zip(texts.chunks(columns)).zip(row_heights) {
        for (column, (tile, lines)) in tiles.iter().zip(texts).enumerate() {
            let left = Layout::GAP + column * (cell + Layout::GAP);
            place(&mut page, &tile.image, cell, left, top);
            for (i, line) in lines.iter().enumerate() {
                letters.draw(&mut page, line, left, top + cell + 4 + i * letters.line_height(), INK);
            }
        }
        top += row_height + Layout::GAP;
    }
    Ok(page)
}

/// The pictures of the first row of a [`contact_sheet`] without a title, with the default layout, of pictures of at
/// most `side` pixels; none of another picture.
pub fn first_row(sheet: &Image, side: usize) -> Vec<Image> {
    let cell = side.max(Layout::default().tile);
    let gap = Layout::GAP;
    let columns = if sheet.height < cell + 2 * gap { 0 } else { (sheet.width - gap) / (cell + gap) };
    let of = |column: usize| {
        let left = gap + column * (cell + gap);
        let rows = (gap..gap + cell).flat_map(|y| {
            let from = 3 * (y * sheet.width + left);
            sheet.pixels[from..from + 3 * cell].iter().copied()
        });
        Image { width: cell, height: cell, pixels: rows.collect() }
    };
    (0..columns).map(of).collect()
}

/// The number of columns for an aspect ratio of about 3:2 (captions make tiles high): of the three nearest
/// numbers the one with the fewest empty places.
fn even_columns(tiles: usize) -> usize {
    let ideal = ((tiles as f64 * 2.0).sqrt().round() as usize).clamp(2, 11);
    let empty = |columns: usize| columns * tiles.div_ceil(columns) - tiles;
    [ideal, ideal - 1, ideal + 1].into_iter().min_by_key(|&columns| empty(columns)).unwrap_or(ideal)
}

/// The scripts of these captions that sheets do not draw, in alphabetical order: scripts that the built-in
/// font lacks, and those from right to left. Signs and emoji are `symbols`.
pub fn undrawn<S: AsRef<str>>(captions: impl IntoIterator<Item = S>) -> Vec<&'static str> {
    let scripts = captions.into_iter().flat_map(|caption| undrawn_scripts(caption.as_ref()));
    scripts.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The measures of a caption grid, in pixels.
struct Grid {
    cell: usize,
    margin: usize,
    heading_height: usize,
    width: usize,
    height: usize,
}

impl Grid {
    /// A grid of rows with these captions, each [`drawable`], and of columns of pictures of at most `side`
    /// pixels.
    fn new<S: AsRef<str>>(
        captions: &[S],
        columns: usize,
        side: usize,
        headings: bool,
        layout: &Layout,
    ) -> Self {
        let letters = Lettering::new(layout.letters);
        let cell = side.max(layout.tile);
        let widest = captions.iter().map(|caption| letters.width(caption.as_ref())).max().unwrap_or(0);
        let margin = widest.min(180) + if widest > 0 { 2 * Layout::GAP } else { Layout::GAP };
        let heading_height = if headings { letters.line_height() + 4 } else { 0 };
        let rows_height = captions.len().saturating_mul(cell + Layout::GAP);
        Self {
            cell,
            margin,
            heading_height,
            width: margin.saturating_add(columns.saturating_mul(cell + Layout::GAP)),
            height: (Layout::GAP + layout.head_height() + heading_height).saturating_add(rows_height),
        }
    }
}

/// Width and height of a [`caption_grid`] with headings, in pixels, without its pictures: for a row of each
/// caption and a number of columns of pictures with sides of `side` pixels.
pub fn caption_grid_size<S: AsRef<str>>(
    captions: &[S],
    columns: usize,
    side: usize,
    layout: &Layout,
) -> (usize, usize) {
    let captions: Vec<String> = captions.iter().map(|caption| drawable(caption.as_ref())).collect();
    let grid = Grid::new(&captions, columns, side, true, layout);
    (grid.width, grid.height)
}

/// A grid with a row for each caption, printed to the left, and a heading for each column.
///
/// # Errors
/// If no row has a picture.
pub fn caption_grid(rows: &[Row], headings: &[String], layout: &Layout) -> Result<Image> {
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(0);
    if columns == 0 {
        return Err(Error::Empty("a grid without pictures".into()));
    }
    let letters = Lettering::new(layout.letters);
    let side = layout.cell(rows.iter().flat_map(|row| &row.images));
    let captions: Vec<String> = rows.iter().map(|row| drawable(&row.caption)).collect();
    let Grid { cell, margin, heading_height, width, height } =
        Grid::new(&captions, columns, side, !headings.is_empty(), layout);
    let max_lines = (cell / letters.line_height()).max(1);

    let mut page = Image::filled(width, height, PAPER);
    let mut top = layout.head(&mut page);
    for (column, heading) in headings.iter().take(columns).enumerate() {
        let indent = cell.saturating_sub(letters.width(heading)) / 2;
        let left = margin + column * (cell + Layout::GAP) + indent;
        letters.draw(&mut page, heading, left, top, FAINT);
    }
    top += heading_height;
    for (row, caption) in rows.iter().zip(&captions) {
        let lines = letters.wrapped(caption, margin.saturating_sub(2 * Layout::GAP).max(1), max_lines);
        let text_height = lines.len() * letters.line_height();
        let first = top + cell.saturating_sub(text_height) / 2;
        for (i, line) in lines.iter().enumerate() {
            letters.draw(&mut page, line, Layout::GAP, first + i * letters.line_height(), INK);
        }
        for (column, image) in row.images.iter().enumerate() {
            place(&mut page, image, cell, margin + column * (cell + Layout::GAP), top);
        }
        top += cell + Layout::GAP;
    }
    Ok(page)
}

/// Enlarges `image` by the largest whole factor that fits and centres it in a square of side `cell`.
fn place(page: &mut Image, image: &Image, cell: usize, left: usize, top: usize) {
    let factor = cell / image.width.max(image.height).max(1);
    let large = enlarged(image, factor);
    let (indent, drop) = (cell.saturating_sub(large.width) / 2, cell.saturating_sub(large.height) / 2);
    paste(page, &large, left + indent, top + drop);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(side: usize, caption: &str) -> Tile {
        Tile { image: Image::filled(side, side, [200, 30, 30]), caption: caption.into() }
    }

    #[test]
    fn the_first_row_of_a_sheet_has_its_pictures() {
        let tiles: Vec<Tile> = (0..5)
            .map(|shade| Tile { image: Image::filled(64, 64, [shade; 3]), caption: "a man".into() })
            .collect();
        let layout = Layout { columns: Some(3), ..Layout::default() };
        let row = first_row(&contact_sheet(&tiles, &layout).unwrap(), 64);
        let expected: Vec<Image> = (0..3).map(|shade| Image::filled(128, 128, [shade; 3])).collect();
        assert_eq!(row, expected);
        assert!(first_row(&Image::filled(4, 4, [0; 3]), 64).is_empty());
    }

    #[test]
    fn sheets_of_every_level_have_the_same_size() {
        let sheet = |side| {
            let tiles: Vec<Tile> =
                (0..6).map(|_| tile(side, "a woman with long red hair and a hat")).collect();
            let layout = Layout { title: Some("12.0 kimg".into()), ..Layout::default() };
            contact_sheet(&tiles, &layout).unwrap()
        };
        let sizes: Vec<_> = [4, 8, 16, 32, 64].map(|side| (sheet(side).width, sheet(side).height)).into();
        assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
    }

    #[test]
    fn captions_are_printed_below_the_tiles() {
        let plain = contact_sheet(&[tile(8, "")], &Layout::default()).unwrap();
        let captioned = contact_sheet(&[tile(8, "a smiling man")], &Layout::default()).unwrap();
        assert_eq!(plain.height, 128 + 2 * Layout::GAP);
        assert!(captioned.height > plain.height);
        let below = plain.height - Layout::GAP..captioned.height;
        assert!(below.into_iter().any(|y| (0..captioned.width).any(|x| captioned.pixel(x, y)[0] < 90)));
    }

    #[test]
    fn grid_has_a_row_for_each_caption_and_a_column_for_each_seed() {
        let image = Image::filled(16, 16, [0, 0, 255]);
        let row = |caption: &str, n| Row { caption: caption.into(), images: vec![image.clone(); n] };
        let headings: Vec<String> = (0..3).map(|seed| format!("seed {seed}")).collect();
        let grid = |rows: &[Row]| caption_grid(rows, &headings, &Layout::default()).unwrap();
        let (one, two) = (grid(&[row("a man", 3)]), grid(&[row("a man", 3), row("a woman", 3)]));
        assert_eq!(two.height - one.height, 128 + Layout::GAP);
        assert_eq!(
            (two.width, two.height),
            caption_grid_size(&["a man", "a woman"], 3, 16, &Layout::default())
        );
        let blue = one.pixels.chunks(3).filter(|pixel| *pixel == [0, 0, 255]).count();
        assert_eq!(blue, 3 * 128 * 128);
    }

    #[test]
    fn captions_in_any_script_give_a_grid_of_the_stated_size() {
        let captions = ["رجل", "赤い髪の男", "a bald man with a long beard and a very wide hat", ""];
        assert_eq!(undrawn(captions), ["Arabic", "Han", "Hiragana"]);
        let image = Image::filled(200, 200, [0; 3]);
        let row = |caption: &str| Row { caption: caption.into(), images: vec![image.clone(); 2] };
        let headings = ["seed 0".to_owned(), "seed 1".to_owned()];
        let grid = caption_grid(&captions.map(row), &headings, &Layout::default()).unwrap();
        assert_eq!((grid.width, grid.height), caption_grid_size(&captions, 2, 200, &Layout::default()));
    }

    #[test]
    fn columns_leave_few_empty_places() {
        assert_eq!([1, 8, 12, 24, 36, 100].map(even_columns), [1, 4, 4, 6, 9, 10]);
    }

    #[test]
    fn an_empty_sheet_is_an_error() {
        assert!(contact_sheet(&[], &Layout::default()).is_err());
        assert!(caption_grid(&[], &[], &Layout::default()).is_err());
    }
}

//! Drawing on 8-bit pictures: pasting, mixing colours, enlarging by whole factors.

use t2f_data::Image;

/// A colour, one byte each of red, green and blue.
pub(crate) type Rgb = [u8; 3];

/// Blends `colour` into the pixel at `(x, y)` with weight `opacity` in `[0, 1]`; pixels outside are ignored.
pub(crate) fn blend(on: &mut Image, x: usize, y: usize, colour: Rgb, opacity: f32) {
    if x >= on.width || y >= on.height {
        return;
    }
    let at = 3 * (y * on.width + x);
    for (byte, wanted) in on.pixels[at..at + 3].iter_mut().zip(colour) {
        let mixed = f32::from(*byte) + (f32::from(wanted) - f32::from(*byte)) * opacity;
        *byte = mixed.round() as u8;
    }
}

/// Copies `picture` onto another with its top left corner at `(left, top)` and crops it at the edges.
pub(crate) fn paste(on: &mut Image, picture: &Image, left: usize, top: usize) {
    let columns = picture.width.min(on.width.saturating_sub(left));
    for y in 0..picture.height.min(on.height.saturating_sub(top)) {
        let (from, to) = (3 * y * picture.width, 3 * ((top + y) * on.width + left));
        on.pixels[to..to + 3 * columns].copy_from_slice(&picture.pixels[from..from + 3 * columns]);
    }
}

/// Enlarges a picture by a whole factor, without interpolation. A factor of 0 counts as 1.
pub fn enlarged(picture: &Image, factor: usize) -> Image {
    let factor = factor.max(1);
    let (width, height) = (picture.width * factor, picture.height * factor);
    let mut pixels = Vec::with_capacity(3 * width * height);
    for row in picture.pixels.chunks_exact(3 * picture.width.max(1)) {
        let wide: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(factor)).collect();
        for _ in 0..factor {
            pixels.extend_from_slice(&wide);
        }
    }
    Image { width, height, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes() -> Image {
        Image { width: 2, height: 1, pixels: vec![255, 0, 0, 0, 0, 255] }
    }

    #[test]
    fn enlarging_repeats_pixels_as_squares() {
        let large = enlarged(&stripes(), 3);
        assert_eq!((large.width, large.height), (6, 3));
        assert_eq!((large.pixel(2, 2), large.pixel(3, 0)), ([255, 0, 0], [0, 0, 255]));
    }

    #[test]
    fn pasting_crops_at_the_edges() {
        let mut page = Image::filled(2, 2, [9, 9, 9]);
        paste(&mut page, &stripes(), 1, 1);
        paste(&mut page, &stripes(), 7, 7);
        assert_eq!((page.pixel(1, 1), page.pixel(0, 1)), ([255, 0, 0], [9, 9, 9]));
    }
}

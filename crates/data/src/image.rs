//! Eight-bit RGB images.

use crate::error::{Error, Result};

/// An RGB image, eight bits a channel, rows from top to bottom, channels interleaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `3 * width * height` bytes in `[0, 255]`.
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, pixels: colour.repeat(width * height) }
    }

    /// The colour at column `x` of row `y`; black outside the image.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let start = 3 * (y * self.width + x);
        match self.pixels.get(start..start + 3) {
            Some(&[r, g, b]) if x < self.width => [r, g, b],
            _ => [0; 3],
        }
    }

    /// The image as `3 * side * side` numbers in `[-1, 1]`, channel by channel (CHW), averaged
    /// over boxes of `width / side` pixels. `side` must divide both sides of the image.
    ///
    /// The average is not rounded, so that a downscaled image is the exact box average of the
    /// eight-bit one.
    pub(crate) fn to_planes(&self, side: usize) -> Vec<f32> {
        let factor = self.width / side;
        let scale = 1.0 / (127.5 * (factor * factor) as f32);
        let mut planes = vec![0f32; 3 * side * side];
        let mut sums = vec![0u32; 3 * side];
        for row in 0..side {
            sums.fill(0);
            for y in row * factor..(row + 1) * factor {
                let line = &self.pixels[3 * y * self.width..3 * (y * self.width + side * factor)];
                for (sum, pixels) in sums.chunks_exact_mut(3).zip(line.chunks_exact(3 * factor)) {
                    for pixel in pixels.chunks_exact(3) {
                        for channel in 0..3 {
                            sum[channel] += u32::from(pixel[channel]);
                        }
                    }
                }
            }
            for (x, sum) in sums.chunks_exact(3).enumerate() {
                for channel in 0..3 {
                    planes[(channel * side + row) * side + x] = sum[channel] as f32 * scale - 1.0;
                }
            }
        }
        planes
    }

    /// The image averaged over boxes of `factor` by `factor` pixels, rounded to the nearest byte.
    /// Rows and columns that fill no whole box are dropped.
    pub fn shrink(&self, factor: usize) -> Self {
        let factor = factor.max(1);
        let (width, height) = (self.width / factor, self.height / factor);
        let area = (factor * factor) as u32;
        let mut pixels = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let mut sum = area / 2;
                    for dy in 0..factor {
                        let row = 3 * ((y * factor + dy) * self.width + x * factor) + channel;
                        sum += (0..factor).map(|dx| u32::from(self.pixels[row + 3 * dx])).sum::<u32>();
                    }
                    pixels.push((sum / area) as u8);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// The image as a PNG file.
    ///
    /// # Errors
    /// If the number of bytes does not match the sides.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        let expected = 3 * self.width * self.height;
        if self.pixels.len() != expected || expected == 0 {
            let (width, height, bytes) = (self.width, self.height, self.pixels.len());
            let reason =
                format!("an image of {width}x{height} pixels has {bytes} bytes, expected {expected}");
            return Err(Error::file("PNG in memory", reason));
        }
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::write_buffer_with_format(
            &mut bytes,
            &self.pixels,
            self.width as u32,
            self.height as u32,
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(|error| Error::file("PNG in memory", error))?;
        Ok(bytes.into_inner())
    }
}

/// Images side by side in rows of `columns`, two pixels of near-black between them.
///
/// Every cell has the size of the largest image; smaller images are in its upper left corner.
pub fn contact_sheet(images: &[Image], columns: usize) -> Image {
    const GAP: usize = 2;
    let columns = columns.clamp(1, images.len().max(1));
    let width = images.iter().map(|image| image.width).max().unwrap_or(0);
    let height = images.iter().map(|image| image.height).max().unwrap_or(0);
    let rows = images.len().div_ceil(columns);
    let mut sheet = Image::filled(columns * (width + GAP) + GAP, rows * (height + GAP) + GAP, [20, 20, 20]);
    for (cell, image) in images.iter().enumerate() {
        let left = GAP + (cell % columns) * (width + GAP);
        let top = GAP + (cell / columns) * (height + GAP);
        for (y, line) in image.pixels.chunks_exact(3 * image.width.max(1)).enumerate() {
            let start = 3 * ((top + y) * sheet.width + left);
            sheet.pixels[start..start + line.len()].copy_from_slice(line);
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_box_averages_between_minus_one_and_one() {
        let image =
            Image { width: 2, height: 2, pixels: vec![0, 255, 0, 255, 255, 0, 0, 255, 0, 255, 255, 0] };
        assert_eq!(image.to_planes(1), vec![0.0, 1.0, -1.0]);
        let full = image.to_planes(2);
        assert_eq!(full[..4], [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(image.shrink(2).pixels, vec![128, 255, 0]);
    }

    #[test]
    fn an_encoded_png_decodes_to_the_same_image() {
        let image = Image { width: 3, height: 1, pixels: vec![1, 2, 3, 40, 50, 60, 255, 0, 255] };
        let decoded = image::load_from_memory(&image.encode_png().unwrap()).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (3, 1));
        assert_eq!(decoded.into_raw(), image.pixels);
        assert!(Image { width: 9, height: 9, pixels: vec![0; 3] }.encode_png().is_err());
    }

    #[test]
    fn a_contact_sheet_has_every_image_in_reading_order() {
        let images: Vec<Image> = (0..3u8).map(|i| Image::filled(4, 4, [100 + i, 0, 0])).collect();
        let sheet = contact_sheet(&images, 2);
        assert_eq!((sheet.width, sheet.height), (14, 14));
        assert_eq!([sheet.pixel(2, 2)[0], sheet.pixel(8, 2)[0], sheet.pixel(2, 8)[0]], [100, 101, 102]);
        assert_eq!(sheet.pixel(8, 8), [20, 20, 20]);
    }
}

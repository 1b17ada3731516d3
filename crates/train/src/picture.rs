//! Finished pictures: 8-bit RGB on the host, and PNG as their file format.
//!
//! A [`Picture`] is what a person looks at: a generated face, a contact sheet, a plot. It is
//! enlarged by whole factors with nearest neighbour only, so that every generated pixel stays
//! visible as it is; images that a network or a metric reads are resized elsewhere. Encoding is
//! deterministic: the same pixels and texts give the same bytes.

use std::io::Cursor;

use candle_core::{DType, Device, Tensor};

use crate::provenance::Provenance;

/// A colour, one byte each of red, green and blue.
pub type Rgb = [u8; 3];

/// What can be wrong with a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The number of bytes does not fit the size.
    #[error("{bytes} bytes of pixels, expected {width}x{height}x3")]
    Size {
        /// Width, in pixels.
        width: u32,
        /// Height, in pixels.
        height: u32,
        /// Bytes given.
        bytes: usize,
    },
    /// A tensor is not an image.
    #[error("a tensor of shape {0:?} is not an image, expected (3, H, W)")]
    Shape(Vec<usize>),
    /// A file or a buffer is not a PNG that can be read.
    #[error("not a readable 8-bit RGB PNG: {0}")]
    Decode(String),
    /// A PNG could not be written.
    #[error("PNG encoding: {0}")]
    Encode(#[from] png::EncodingError),
    /// A GIF could not be written.
    #[error("GIF encoding: {0}")]
    Gif(#[from] gif::EncodingError),
    /// Nothing to draw.
    #[error("nothing to draw: {0}")]
    Empty(String),
    /// A plot could not be drawn.
    #[error("plot: {0}")]
    Plot(String),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Pixels, row by row from the top, three bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: u32, height: u32, colour: Rgb) -> Self {
        let count = width as usize * height as usize;
        Self { width, height, pixels: colour.iter().copied().cycle().take(3 * count).collect() }
    }

    /// A picture from its bytes.
    ///
    /// # Errors
    /// If there are not `3 * width * height` bytes.
    pub fn from_pixels(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, PictureError> {
        if pixels.len() != 3 * width as usize * height as usize {
            return Err(PictureError::Size { width, height, bytes: pixels.len() });
        }
        Ok(Self { width, height, pixels })
    }

    /// A picture of an image in `[-1, 1]`: `round(127.5 * (x + 1))`, clamped to a byte.
    ///
    /// # Shapes
    /// `image`: `(3, H, W)`
    ///
    /// # Errors
    /// If the shape is another, or the device fails.
    pub fn from_tensor(image: &Tensor) -> Result<Self, PictureError> {
        let &[3, height, width] = image.dims() else {
            return Err(PictureError::Shape(image.dims().to_vec()));
        };
        let bytes = image.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.permute((1, 2, 0))?;
        let bytes = bytes.flatten_all()?.to_vec1::<f32>()?;
        let pixels = bytes.into_iter().map(|x| ((x + 1.0) * 127.5).round() as u8).collect();
        Self::from_pixels(width as u32, height as u32, pixels)
    }

    /// The pictures of a batch.
    ///
    /// # Shapes
    /// `images`: `(B, 3, H, W)`
    ///
    /// # Errors
    /// If the shape is another, or the device fails.
    pub fn from_batch(images: &Tensor) -> Result<Vec<Self>, PictureError> {
        if images.rank() != 4 {
            return Err(PictureError::Shape(images.dims().to_vec()));
        }
        (0..images.dim(0)?).map(|i| Self::from_tensor(&images.get(i)?)).collect()
    }

    /// Width, in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height, in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row by row from the top, three a pixel.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The colour at `(x, y)`, or none outside.
    pub fn get(&self, x: u32, y: u32) -> Option<Rgb> {
        let at = self.offset(x, y)?;
        Some([self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
    }

    /// Mixes `colour` into the pixel at `(x, y)` with weight `opacity` in `[0, 1]`; outside: nothing.
    pub fn blend(&mut self, x: u32, y: u32, colour: Rgb, opacity: f32) {
        let Some(at) = self.offset(x, y) else { return };
        for (byte, wanted) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            let mixed = f32::from(*byte) + (f32::from(wanted) - f32::from(*byte)) * opacity;
            *byte = mixed.round() as u8;
        }
    }

    /// Copies `other` onto this picture, its corner at `(left, top)`; what hangs over is cut off.
    pub fn paste(&mut self, other: &Self, left: u32, top: u32) {
        let columns = other.width.min(self.width.saturating_sub(left)) as usize;
        for y in 0..other.height.min(self.height.saturating_sub(top)) {
            let from = 3 * y as usize * other.width as usize;
            let to = 3 * ((top + y) as usize * self.width as usize + left as usize);
            self.pixels[to..to + 3 * columns].copy_from_slice(&other.pixels[from..from + 3 * columns]);
        }
    }

    /// Each pixel as a square of `factor` by `factor`. A factor of 0 counts as 1.
    pub fn enlarged(&self, factor: u32) -> Self {
        let factor = factor.max(1);
        let (width, height) = (self.width * factor, self.height * factor);
        let mut pixels = Vec::with_capacity(3 * width as usize * height as usize);
        for row in self.pixels.chunks_exact(3 * (self.width as usize).max(1)) {
            let wide: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(factor as usize)).collect();
            for _ in 0..factor {
                pixels.extend_from_slice(&wide);
            }
        }
        Self { width, height, pixels }
    }

    /// The PNG file of this picture, with what it says about its origin, if anything.
    ///
    /// # Errors
    /// If the picture has no pixels.
    pub fn to_png(&self, provenance: Option<&Provenance>) -> Result<Vec<u8>, PictureError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        for (keyword, text) in provenance.map(Provenance::texts).unwrap_or_default() {
            encoder.add_itxt_chunk(keyword.into(), text)?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// The picture in a PNG file of 8-bit RGB (as [`Picture::to_png`] writes).
    ///
    /// # Errors
    /// If the bytes are not such a file.
    pub fn from_png(bytes: &[u8]) -> Result<Self, PictureError> {
        let decode = |error: png::DecodingError| PictureError::Decode(error.to_string());
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(decode)?;
        let size = reader.output_buffer_size().ok_or_else(|| PictureError::Decode("too large".into()))?;
        let mut pixels = vec![0; size];
        let info = reader.next_frame(&mut pixels).map_err(decode)?;
        if (info.color_type, info.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
            return Err(PictureError::Decode(format!("{:?} at {:?} bits", info.color_type, info.bit_depth)));
        }
        pixels.truncate(info.buffer_size());
        Self::from_pixels(info.width, info.height, pixels)
    }

    fn offset(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then(|| 3 * (y as usize * self.width as usize + x as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes() -> Picture {
        Picture::from_pixels(2, 1, vec![255, 0, 0, 0, 0, 255]).unwrap()
    }

    #[test]
    fn tensor_values_become_the_nearest_byte_and_clamp() {
        let image = Tensor::new(&[[[-1f32, 1.0]], [[0.0, -3.0]], [[2.0, f32::NAN]]], &Device::Cpu).unwrap();
        let picture = Picture::from_tensor(&image).unwrap();
        assert_eq!((picture.get(0, 0), picture.get(1, 0)), (Some([0, 128, 255]), Some([255, 0, 0])));
        let flat = Tensor::zeros((1, 4, 4), DType::F32, &Device::Cpu).unwrap();
        assert!(Picture::from_tensor(&flat).unwrap_err().to_string().contains("(3, H, W)"));
    }

    #[test]
    fn enlarging_repeats_pixels_as_squares() {
        let large = stripes().enlarged(3);
        assert_eq!((large.width(), large.height()), (6, 3));
        assert_eq!((large.get(2, 2), large.get(3, 0)), (Some([255, 0, 0]), Some([0, 0, 255])));
    }

    #[test]
    fn pasting_cuts_what_hangs_over() {
        let mut page = Picture::filled(2, 2, [9, 9, 9]);
        page.paste(&stripes(), 1, 1);
        page.paste(&stripes(), 7, 7);
        assert_eq!((page.get(1, 1), page.get(0, 1)), (Some([255, 0, 0]), Some([9, 9, 9])));
    }

    #[test]
    fn png_round_trips_and_equal_input_gives_equal_bytes() {
        let provenance = Provenance::generated("abc", "a bald man", 7);
        let bytes = stripes().to_png(Some(&provenance)).unwrap();
        assert_eq!(bytes, stripes().to_png(Some(&provenance)).unwrap());
        assert_eq!(Picture::from_png(&bytes).unwrap(), stripes());
        assert_ne!(bytes, stripes().to_png(None).unwrap());
    }

    #[test]
    fn damaged_png_is_an_error() {
        let bytes = stripes().to_png(None).unwrap();
        for length in 0..bytes.len() - 12 {
            assert!(Picture::from_png(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}

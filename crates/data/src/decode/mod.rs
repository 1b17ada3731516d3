//! From the bytes of a file to an upright sRGB image, or the reason of a failure.
//!
//! The format is told by content. The size is checked before memory is allocated. Colours with an ICC
//! profile become sRGB, the orientation in the metadata is applied, transparent pixels are blended with
//! a colour, and sixteen bits are rounded to eight. A file of which pixels are missing is refused: half
//! a face over gray is no face. A lost end marker and bytes after the end do no harm.

mod colour;
mod jpeg;
mod kind;
mod orientation;
mod picture;
mod png;
mod raster;
mod tiff;

use crate::error::{Error, Result as CrateResult};
use crate::image::Image;

use kind::Kind;

/// How files are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoding {
    /// The most pixels of an image.
    pub(crate) max_pixels: u64,
    /// The colour behind transparent pixels.
    pub(crate) background: [u8; 3],
}

impl Default for Decoding {
    /// 64 megapixels, white.
    fn default() -> Self {
        Self { max_pixels: 64_000_000, background: [255; 3] }
    }
}

/// An image, and what was wrong with its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) image: Image,
    /// One clause each, without the path.
    pub(crate) warnings: Vec<String>,
}

/// Decodes a JPEG, PNG, WebP, BMP, GIF or TIFF file; its name does not matter.
///
/// On failure, the reason, without the path.
pub(crate) fn decode(bytes: &[u8], options: &Decoding) -> Result<Decoded, String> {
    let max = options.max_pixels;
    let mut picture = match kind::kind(bytes)? {
        Kind::Jpeg => jpeg::decode(bytes, max),
        Kind::Png => png::decode(bytes, max),
        Kind::WebP => raster::webp(bytes, max),
        Kind::Bmp => raster::bmp(bytes, max),
        Kind::Gif => raster::gif(bytes, max),
        Kind::Tiff => tiff::decode(bytes, max),
    }?;
    colour::to_srgb(&mut picture);
    let warnings = std::mem::take(&mut picture.warnings);
    Ok(Decoded { image: picture.flatten(options.background)?, warnings })
}

impl Image {
    /// Decodes a JPEG, PNG, WebP, BMP, GIF or TIFF file as the data sets of this crate do: upright, in
    /// sRGB, transparent pixels blended with white, and of an animation the first frame.
    ///
    /// What is wrong with a file that can be read is a `tracing` event.
    ///
    /// # Errors
    /// If the file is no such image, if pixels are missing, or if there are more than 64 megapixels.
    ///
    /// ```
    /// use t2f_data::Image;
    ///
    /// let image = Image::filled(2, 1, [10, 20, 30]);
    /// assert_eq!(Image::decode(&image.encode_png()?)?, image);
    /// # Ok::<(), t2f_data::Error>(())
    /// ```
    pub fn decode(bytes: &[u8]) -> CrateResult<Self> {
        let decoded = decode(bytes, &Decoding::default());
        let Decoded { image, warnings } = decoded.map_err(|reason| Error::file("image in memory", reason))?;
        for warning in warnings {
            tracing::warn!("image in memory: {warning}");
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{ExtendedColorType, ImageEncoder, ImageFormat};

    fn with_background(bytes: &[u8], background: [u8; 3]) -> Result<Image, String> {
        decode(bytes, &Decoding { background, ..Decoding::default() }).map(|decoded| decoded.image)
    }

    fn of(bytes: &[u8]) -> Result<Image, String> {
        with_background(bytes, [0; 3])
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        let mut bytes = Vec::new();
        let encoder = ::image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn encoded(format: ImageFormat, pixels: &[u8], width: u32, colour: ExtendedColorType) -> Vec<u8> {
        let height = (pixels.len() as u32 * 8) / u32::from(colour.bits_per_pixel()) / width;
        let mut bytes = std::io::Cursor::new(Vec::new());
        ::image::write_buffer_with_format(&mut bytes, pixels, width, height, colour, format).unwrap();
        bytes.into_inner()
    }

    fn png(pixels: &[u8], colour: ExtendedColorType) -> Vec<u8> {
        let width = (pixels.len() as u32 * 8) / u32::from(colour.bits_per_pixel());
        encoded(ImageFormat::Png, pixels, width, colour)
    }

    fn noise(length: u32) -> Vec<u8> {
        (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    #[test]
    fn half_a_jpeg_is_an_error_and_a_lost_end_marker_is_not() {
        let whole = jpeg(64, 48);
        let image = of(&whole).unwrap();
        assert_eq!((image.width, image.height), (64, 48));
        let half = &whole[..whole.len() / 2];
        assert!(of(half).unwrap_err().contains("not a whole JPEG"));
        let closed = [half, b"\xff\xd9"].concat();
        assert!(of(&closed).unwrap_err().contains("not a whole JPEG"));
        assert_eq!(of(&whole[..whole.len() - 2]).unwrap(), image);
        let padded = [whole.as_slice(), &[0; 64]].concat();
        assert_eq!(of(&padded).unwrap(), image);
    }

    #[test]
    fn every_lossless_format_keeps_the_pixels_and_half_a_file_is_an_error() {
        let pixels = noise(3 * 40 * 30);
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
            let whole = encoded(format, &pixels, 40, ExtendedColorType::Rgb8);
            let image = of(&whole).unwrap();
            assert_eq!((image.width, image.height), (40, 30));
            assert!(image.pixels == pixels, "{format:?}");
            let reason = of(&whole[..whole.len() / 2]).unwrap_err();
            assert!(reason.contains("not a whole"), "{format:?}: {reason}");
        }
        let gif = encoded(ImageFormat::Gif, &[7, 8, 9, 255, 0, 0, 0, 0], 2, ExtendedColorType::Rgba8);
        assert_eq!(with_background(&gif, [1, 2, 3]).unwrap().pixels, [7, 8, 9, 1, 2, 3]);
    }

    #[test]
    fn sizes_are_checked_before_memory_is_allocated() {
        let few = Decoding { max_pixels: 3071, ..Decoding::default() };
        assert!(decode(&jpeg(64, 48), &few).unwrap_err().contains("64x48 pixels"));
        for format in [ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Gif] {
            let bytes = encoded(format, &[0; 4 * 3072], 64, ExtendedColorType::Rgba8);
            let reason = decode(&bytes, &few).unwrap_err();
            assert!(reason.contains("64x48 pixels") && reason.contains("max_megapixels"), "{reason}");
        }
        // A PNG header that promises 30000 x 30000 pixels and holds none.
        let mut huge = png(&[0, 0, 0], ExtendedColorType::Rgb8);
        huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        let crc = crc32fast::hash(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        let reason = of(&huge).unwrap_err();
        assert!(reason.contains("30000x30000"), "{reason}");
    }

    #[test]
    fn gray_sixteen_bit_and_transparent_images_become_rgb() {
        let decode = |bytes: &[u8]| with_background(bytes, [100, 200, 0]).unwrap().pixels;
        assert_eq!(decode(&png(&[7, 9], ExtendedColorType::L8)), [7, 7, 7, 9, 9, 9]);
        let sixteen = [0x1234u16, 0xff00, 0].map(u16::to_ne_bytes).concat();
        assert_eq!(decode(&png(&sixteen, ExtendedColorType::Rgb16)), [18, 254, 0]);
        assert_eq!(
            decode(&png(&[255, 0, 0, 255, 9, 9, 9, 0], ExtendedColorType::Rgba8)),
            [255, 0, 0, 100, 200, 0]
        );
    }

    /// A JPEG with a segment after its start marker.
    fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xff, marker], &length, body, &jpeg[2..]].concat()
    }

    #[test]
    fn the_orientation_in_the_metadata_is_applied() {
        let whole = jpeg(64, 48);
        // Exif: little-endian TIFF with one entry, orientation (0x0112) = 6, a quarter turn.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let xmp = b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"6\"/>";
        let upright = of(&whole).unwrap();
        for body in [exif.as_slice(), xmp] {
            let turned = of(&with_segment(&whole, 0xe1, body)).unwrap();
            assert_eq!((turned.width, turned.height), (48, 64));
            assert_eq!(turned.pixel(47, 0), upright.pixel(0, 0));
        }
    }

    #[test]
    fn a_profile_in_pieces_is_applied_and_a_missing_piece_is_a_warning() {
        let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
        let (first, second) = profile.split_at(profile.len() / 2);
        let piece = |number: u8, data: &[u8]| [b"ICC_PROFILE\0".as_slice(), &[number, 2], data].concat();
        let whole = jpeg(64, 48);
        let half = with_segment(&whole, 0xe2, &piece(2, second));
        let both = with_segment(&half, 0xe2, &piece(1, first));
        let [plain, half, both] = [whole, half, both].map(|it| decode(&it, &Decoding::default()).unwrap());
        assert!(both.image != plain.image && both.warnings.is_empty(), "{:?}", both.warnings);
        assert_eq!(half.image, plain.image);
        assert!(half.warnings[0].contains("pieces are missing"), "{:?}", half.warnings);
    }
}

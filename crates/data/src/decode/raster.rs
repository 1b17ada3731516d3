//! Formats that the `image` library decodes: the size is checked first, and memory is limited.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::orientation::orientation;
use super::picture::{Picture, check_size};

/// Memory beside the pixels, in bytes.
const EXTRA: u64 = 64 << 20;

/// The metadata of a file: ICC profile, EXIF and XMP.
pub(super) type Metadata = [Option<Vec<u8>>; 3];

/// Decodes a WebP file; of an animation, the first frame.
pub(super) fn webp(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    let (mut picture, [profile, exif, xmp]) = read(bytes, ImageFormat::WebP, "WebP", max_pixels)?;
    picture.profile = profile.map(Ok);
    picture.orientation = orientation(exif.as_deref(), xmp.as_deref());
    Ok(picture)
}

/// Decodes a BMP file.
pub(super) fn bmp(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    Ok(read(bytes, ImageFormat::Bmp, "BMP", max_pixels)?.0)
}

/// Decodes the first frame of a GIF file.
pub(super) fn gif(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    Ok(read(bytes, ImageFormat::Gif, "GIF", max_pixels)?.0)
}

/// The pixels and the metadata of a file.
pub(super) fn read(
    bytes: &[u8],
    format: ImageFormat,
    name: &str,
    max_pixels: u64,
) -> Result<(Picture, Metadata), String> {
    let broken = |error: image::ImageError| format!("not a whole {name}: {error}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(max_pixels.saturating_mul(8).saturating_add(EXTRA));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), max_pixels)?;
    // Metadata that cannot be read are none.
    let metadata = [decoder.icc_profile(), decoder.exif_metadata(), decoder.xmp_metadata()]
        .map(|found| found.ok().flatten());
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    Ok((Picture::from_image(image), metadata))
}

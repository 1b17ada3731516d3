//! From the bytes of a file to an RGB image, or the reason of a failure.
//!
//! Decoders are lenient by default: half a JPEG becomes half a face over grey, without an error. Here
//! JPEG is decoded strictly, the size is checked before memory is allocated, the orientation in the
//! metadata is applied, transparent pixels are blended with a colour, and files that are no images
//! (error pages, git-lfs pointers) are identified.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::image::Image;

/// Decodes a JPEG or PNG file; its name does not matter.
///
/// `background` is the colour behind transparent pixels. On failure, the reason, without the path.
pub(crate) fn decode(bytes: &[u8], max_pixels: u64, background: [u8; 3]) -> Result<Image, String> {
    let image = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes, max_pixels)?,
        Ok(ImageFormat::Png) => decode_png(bytes, max_pixels)?,
        Ok(other) => return Err(format!("a {} file: expected JPEG or PNG", other.extensions_str()[0])),
        Err(_) => return Err(name_non_image(bytes)),
    };
    Ok(flatten(&image, background))
}

fn decode_jpeg(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage, String> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| format!("not a whole JPEG: {error}"))?;
    let (width, height) = decoder.dimensions().ok_or("a JPEG without dimensions")?;
    check_size(width as u64, height as u64, max_pixels)?;
    let gray = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => true,
        Some(ColorSpace::YCCK) => {
            return Err("a YCCK JPEG, whose colours cannot be trusted: save it as RGB".into());
        }
        _ => false,
    };
    let colours = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|error| format!("not a whole JPEG: {error}"))?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let (width, height) = (width as u32, height as u32);
    let image = if gray {
        image::GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
    } else {
        image::RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
    };
    let mut image = image.ok_or("a JPEG with the wrong number of pixels")?;
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(image)
}

fn decode_png(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage, String> {
    let reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut decoder = reader.into_decoder().map_err(|error| format!("not a whole PNG: {error}"))?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), max_pixels)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|error| format!("not a whole PNG: {error}"))?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn check_size(width: u64, height: u64, max_pixels: u64) -> Result<(), String> {
    if width * height <= max_pixels {
        return Ok(());
    }
    Err(format!("{width}x{height} pixels: expected at most {} megapixels", max_pixels as f64 / 1e6))
}

/// Eight-bit RGB; transparent pixels are blended with the background.
fn flatten(image: &DynamicImage, background: [u8; 3]) -> Image {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if !image.color().has_alpha() {
        return Image { width, height, pixels: image.to_rgb8().into_raw() };
    }
    let blend = |pixel: &image::Rgba<u8>| {
        let [r, g, b, alpha] = pixel.0.map(u32::from);
        let over =
            |front: u32, back: u8| ((front * alpha + u32::from(back) * (255 - alpha) + 127) / 255) as u8;
        [over(r, background[0]), over(g, background[1]), over(b, background[2])]
    };
    Image { width, height, pixels: image.to_rgba8().pixels().flat_map(blend).collect() }
}

/// A description of a file that no decoder knows.
fn name_non_image(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).trim_start().to_lowercase();
    if bytes.is_empty() {
        "an empty file".into()
    } else if start.starts_with("version https://git-lfs") {
        "a git-lfs pointer, not an image: run `git lfs pull`".into()
    } else if start.starts_with('<') {
        "a web page, not an image: the download failed".into()
    } else {
        let first: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("not an image: expected JPEG or PNG, starts with {}", first.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder};

    const LIMIT: u64 = 64_000_000;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn png(pixels: &[u8], colour: ExtendedColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let width = (pixels.len() as u32 * 8) / u32::from(colour.bits_per_pixel());
        image::codecs::png::PngEncoder::new(&mut bytes).write_image(pixels, width, 1, colour).unwrap();
        bytes
    }

    fn reason(bytes: &[u8]) -> String {
        decode(bytes, LIMIT, [0; 3]).unwrap_err()
    }

    #[test]
    fn half_a_jpeg_is_an_error_and_a_lost_end_marker_is_not() {
        let whole = jpeg(64, 48);
        let image = decode(&whole, LIMIT, [0; 3]).unwrap();
        assert_eq!((image.width, image.height), (64, 48));
        assert!(reason(&whole[..whole.len() / 2]).contains("not a whole JPEG"));
        assert_eq!(decode(&whole[..whole.len() - 2], LIMIT, [0; 3]).unwrap(), image);
        let padded = [whole.as_slice(), &[0; 64]].concat();
        assert_eq!(decode(&padded, LIMIT, [0; 3]).unwrap(), image);
    }

    #[test]
    fn half_a_png_is_an_error() {
        let noise: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let whole = png(&noise, ExtendedColorType::Rgb8);
        assert!(decode(&whole, LIMIT, [0; 3]).is_ok());
        assert!(reason(&whole[..whole.len() / 2]).contains("not a whole PNG"));
    }

    #[test]
    fn files_that_are_no_images_are_identified() {
        assert_eq!(reason(b""), "an empty file");
        assert!(reason(b"<!DOCTYPE html><p>404").contains("web page"));
        assert!(reason(b"version https://git-lfs.github.com/spec/v1\noid sha256:00").contains("git-lfs"));
        assert!(reason(b"GIF89a").contains("gif file"));
        assert!(reason(&[1, 2, 3, 4, 5]).contains("01 02 03 04"));
    }

    #[test]
    fn sizes_are_checked_before_memory_is_allocated() {
        assert!(decode(&jpeg(64, 48), 3071, [0; 3]).unwrap_err().contains("64x48 pixels"));
        // A PNG header that promises 30000 x 30000 pixels and holds none.
        let mut huge = png(&[0, 0, 0], ExtendedColorType::Rgb8);
        huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        let crc = crc32fast::hash(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        let reason = reason(&huge);
        assert!(reason.contains("30000x30000"), "{reason}");
    }

    #[test]
    fn gray_sixteen_bit_and_transparent_images_become_rgb() {
        let decode = |bytes: &[u8]| decode(bytes, LIMIT, [100, 200, 0]).unwrap().pixels;
        assert_eq!(decode(&png(&[7, 9], ExtendedColorType::L8)), [7, 7, 7, 9, 9, 9]);
        let sixteen = [0x1234u16, 0xff00, 0].map(u16::to_ne_bytes).concat();
        assert_eq!(decode(&png(&sixteen, ExtendedColorType::Rgb16)), [18, 254, 0]);
        assert_eq!(
            decode(&png(&[255, 0, 0, 255, 9, 9, 9, 0], ExtendedColorType::Rgba8)),
            [255, 0, 0, 100, 200, 0]
        );
    }

    #[test]
    fn the_orientation_in_the_metadata_is_applied() {
        let whole = jpeg(64, 48);
        // Exif: little-endian TIFF with one entry, orientation (0x0112) = 6, a quarter turn.
        let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let mut turned = whole[..2].to_vec();
        turned.extend([0xff, 0xe1, length[0], length[1]]);
        turned.append(&mut exif);
        turned.extend(&whole[2..]);
        let (upright, turned) =
            (decode(&whole, LIMIT, [0; 3]).unwrap(), decode(&turned, LIMIT, [0; 3]).unwrap());
        assert_eq!((turned.width, turned.height), (48, 64));
        assert_eq!(turned.pixel(47, 0), upright.pixel(0, 0));
    }
}

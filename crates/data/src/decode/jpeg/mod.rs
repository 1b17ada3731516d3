//! JPEG files, as libjpeg and Pillow show them.
//!
//! Files of the usual forms take `zune-jpeg`, after a check that every block is there: that library
//! accepts files that end within a row of blocks. Of files of the other forms (several sequential scans,
//! unusual sampling factors, stray bytes, contradicting colour spaces, chroma of two columns) it shows
//! many wrong without an error, and `jpeg-decoder` shows some wrong and takes zeros for missing data.
//! They and CMYK take the decoder of this module, whose results are those of libjpeg bit for bit.
//!
//! Arithmetic coding, 12 bits, lossless and hierarchical files are refused by name.

mod bits;
mod coefficients;
mod colours;
mod headers;
#[cfg(test)]
mod tests;
mod transform;
mod upsample;

pub(super) use colours::rgb;

use image::DynamicImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use headers::{Colours, Extent, Headers};

use super::orientation::orientation;
use super::picture::{Picture, check_size};

/// Decodes a JPEG file.
pub(super) fn decode(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    let headers = Headers::parse(bytes)?;
    check_size(headers.frame.width as u64, headers.frame.height as u64, max_pixels)?;
    let extent = headers.extent();
    if extent == Extent::Partial || (extent == Extent::Coarse && !headers.ended) {
        return Err("not a whole JPEG: scans are missing".into());
    }
    let mut picture = pixels(bytes, &headers)?;
    if extent == Extent::Coarse {
        picture.warnings.push("scans of the JPEG are missing, it has less detail".into());
    }
    picture.orientation = orientation(headers.exif.as_deref(), headers.xmp);
    picture.profile = headers.profile;
    Ok(picture)
}

fn pixels(bytes: &[u8], headers: &Headers) -> Result<Picture, String> {
    if is_usual(headers) {
        // The fast library takes zeros for blocks that are missing before an end marker.
        coefficients::check(headers)?;
        if let Ok(picture) = quick(bytes, headers) {
            return Ok(picture);
        }
    }
    exact(headers)
}

/// Whether the fast library decodes the file right.
fn is_usual(headers: &Headers) -> bool {
    let frame = &headers.frame;
    let factors: Vec<(usize, usize)> = frame.components.iter().map(|it| (it.h, it.v)).collect();
    let usual_factors = match factors[..] {
        [(1, 1)] | [(1, 1), (1, 1), (1, 1)] => true,
        // Chroma of one or two columns is wrong.
        [(1 | 2, 1 | 2), (1, 1), (1, 1)] => frame.width >= 16,
        _ => false,
    };
    let interleaved = headers.scans[0].components.len() == frame.components.len();
    matches!(headers.colours, Colours::Gray | Colours::YCbCr)
        && matches!(headers.adobe, None | Some(1))
        && usual_factors
        && interleaved
        && (frame.progressive || headers.scans.len() == 1)
        && !headers.stray
}

/// The fast library.
fn quick(bytes: &[u8], headers: &Headers) -> Result<Picture, String> {
    let gray = headers.colours == Colours::Gray;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(if gray { ColorSpace::Luma } else { ColorSpace::RGB });
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = (headers.frame.width as u32, headers.frame.height as u32);
    let image = if gray {
        image::GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
    } else {
        image::RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
    };
    image.map(Picture::from_image).ok_or_else(|| "the wrong number of pixels".into())
}

/// The decoder of this module.
fn exact(headers: &Headers) -> Result<Picture, String> {
    let planes = coefficients::decode(headers)?;
    let samples = upsample::interleave(&headers.frame, &planes);
    let (layout, samples) = colours::convert(samples, headers.colours);
    Ok(Picture::new(headers.frame.width, headers.frame.height, layout, samples))
}

/// The components of a picture, interleaved, without a change of their colours.
#[derive(Debug)]
pub(super) struct Components {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) count: usize,
    pub(super) samples: Vec<u8>,
}

/// The components of a JPEG file within another format, of at most the given size.
pub(super) fn components(bytes: &[u8], width: usize, height: usize) -> Result<Components, String> {
    let headers = Headers::parse(bytes)?;
    let frame = &headers.frame;
    if frame.width > width.next_multiple_of(32) || frame.height > height.next_multiple_of(32) {
        return Err(format!("a JPEG of {}x{} in a tile of {width}x{height}", frame.width, frame.height));
    }
    if headers.extent() != Extent::Whole {
        return Err("not a whole JPEG: scans are missing".into());
    }
    let samples = upsample::interleave(frame, &coefficients::decode(&headers)?);
    Ok(Components { width: frame.width, height: frame.height, count: frame.components.len(), samples })
}

//! Pictures as files: PNG of 8-bit RGB, with [`Provenance`].
//!
//! Encoding is deterministic: the same pixels and texts give the same bytes.

use std::io::Cursor;
use std::path::Path;

use t2f_data::Image;

use crate::error::{Error, Result};
use crate::palette::quantized;
use crate::provenance::Provenance;
use t2f_files::disk::{self, OsDisk};

/// The PNG file of a picture, with its provenance if given.
///
/// # Errors
/// If the picture has no pixels, or not `3 * width * height` bytes.
pub fn to_png(picture: &Image, provenance: Option<&Provenance>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = encoder(&mut bytes, picture, provenance)?.write_header()?;
    writer.write_image_data(&picture.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// An encoder of 8-bit RGB for a picture of that size, with its provenance if given.
pub(crate) fn encoder<'a>(
    bytes: &'a mut Vec<u8>,
    of: &Image,
    provenance: Option<&Provenance>,
) -> Result<png::Encoder<'a, &'a mut Vec<u8>>> {
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(0);
    let mut encoder = png::Encoder::new(bytes, side(of.width), side(of.height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    for (keyword, text) in provenance.map(Provenance::texts).unwrap_or_default() {
        encoder.add_itxt_chunk(keyword.into(), text)?;
    }
    Ok(encoder)
}

/// The PNG file of a picture with at most 256 colours, a third of the size of [`to_png`] for a sheet of samples.
/// [`from_png`] does not read it.
///
/// # Errors
/// If the picture has no pixels, or not `3 * width * height` bytes.
pub fn to_indexed_png(picture: &Image) -> Result<Vec<u8>> {
    if picture.pixels.is_empty() || picture.pixels.len() != 3 * picture.width * picture.height {
        return Err(Error::Empty(format!("a picture of {}x{} pixels", picture.width, picture.height)));
    }
    let (palette, indices) = quantized(picture);
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(picture.width), side(picture.height));
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(bytes)
}

/// The picture in a PNG file of 8-bit RGB (as [`to_png`] writes).
///
/// # Errors
/// If the bytes are not such a file.
pub fn from_png(bytes: &[u8]) -> Result<Image> {
    let decode = |error: png::DecodingError| Error::Decode(error.to_string());
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().map_err(decode)?;
    let size = reader.output_buffer_size().ok_or_else(|| Error::Decode("too large".into()))?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(decode)?;
    if (info.color_type, info.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(Error::Decode(format!("{:?} at {:?} bits", info.color_type, info.bit_depth)));
    }
    pixels.truncate(info.buffer_size());
    Ok(Image { width: info.width as usize, height: info.height as usize, pixels })
}

/// Writes a PNG file atomically.
///
/// # Errors
/// As [`to_png`], or if the file cannot be written.
pub fn write(path: &Path, picture: &Image, provenance: Option<&Provenance>) -> Result<()> {
    write_whole(path, &to_png(picture, provenance)?)
}

/// Whether a path has the extension `.png`, in any case.
pub fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// Writes the file of a picture, a timelapse or a plot atomically.
///
/// # Errors
/// If the file cannot be written; an older file of that name is then unchanged.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(disk::replace(&OsDisk, path, bytes)?)
}

/// Reads a PNG file that [`write`](fn@write) wrote.
///
/// # Errors
/// If the file cannot be read or is not an 8-bit RGB PNG.
pub fn read(path: &Path) -> Result<Image> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    from_png(&bytes).map_err(|error| Error::file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes() -> Image {
        Image { width: 2, height: 1, pixels: vec![255, 0, 0, 0, 0, 255] }
    }

    #[test]
    fn png_round_trips_and_equal_input_gives_equal_bytes() {
        let provenance = Provenance::generated("abc", "a bald man", "7");
        let bytes = to_png(&stripes(), Some(&provenance)).unwrap();
        assert_eq!(bytes, to_png(&stripes(), Some(&provenance)).unwrap());
        assert_eq!(from_png(&bytes).unwrap(), stripes());
        assert_ne!(bytes, to_png(&stripes(), None).unwrap());
    }

    #[test]
    fn an_indexed_png_has_the_exact_colours_of_a_picture_of_few() {
        let bytes = to_indexed_png(&stripes()).unwrap();
        assert_eq!(bytes, to_indexed_png(&stripes()).unwrap());
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, stripes().pixels);
        assert!(to_indexed_png(&Image { width: 0, height: 0, pixels: Vec::new() }).is_err());
    }

    #[test]
    fn damaged_png_is_an_error() {
        let bytes = to_png(&stripes(), None).unwrap();
        for length in 0..bytes.len() - 12 {
            assert!(from_png(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(to_png(&Image { width: 3, height: 3, pixels: vec![0; 5] }, None).is_err());
    }

    #[test]
    fn writing_replaces_the_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("face.png");
        write(&path, &Image::filled(4, 4, [9; 3]), None).unwrap();
        write(&path, &stripes(), None).unwrap();
        assert_eq!(read(&path).unwrap(), stripes());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let message = write(&folder.path().join("no/face.png"), &stripes(), None).unwrap_err().to_string();
        assert!(message.contains("no/face.png"), "{message}");
    }
}

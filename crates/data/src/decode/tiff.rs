//! The first page of TIFF files.
//!
//! Gray, palette, RGB, CMYK and YCbCr of 1 to 16 bits, in strips or tiles, interleaved or in planes,
//! without compression or with LZW, Deflate, PackBits, Group 4 or JPEG.

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, Tag};
use tiff::{ColorType, TiffError};

use super::jpeg;
use super::orientation::orientation;
use super::picture::{Layout, Picture, check_size};

/// Memory beside the pixels, in bytes.
const EXTRA: usize = 64 << 20;

const DNG_VERSION: Tag = Tag::Unknown(50706);
const XMP: Tag = Tag::Unknown(700);
const PALETTE: u16 = 3;
const YCBCR: u16 = 6;
const JPEG: u16 = 7;
const PLANAR: u16 = 2;

type File<'a> = Decoder<Cursor<&'a [u8]>>;

fn broken(error: TiffError) -> String {
    match error {
        TiffError::UnsupportedError(error) => format!("a TIFF that is not read: {error}"),
        error => format!("not a whole TIFF: {error}"),
    }
}

/// Decodes the first page of a TIFF file.
pub(super) fn decode(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    let mut file = open(bytes, max_pixels)?;
    let (width, height) = file.dimensions().map_err(broken)?;
    check_size(width.into(), height.into(), max_pixels)?;
    let number = |file: &mut File, tag| file.find_tag_unsigned::<u16>(tag).ok().flatten();
    if file.find_tag(DNG_VERSION).ok().flatten().is_some()
        || number(&mut file, Tag::NewSubfileType).is_some_and(|kind| kind & 1 == 1)
    {
        return Err("a TIFF that begins with a preview, as cameras' raw files do: convert it to PNG".into());
    }
    let size = (width as usize, height as usize);
    let photometric = number(&mut file, Tag::PhotometricInterpretation);
    let (layout, samples) = if number(&mut file, Tag::Compression) == Some(JPEG) {
        jpeg_pixels(bytes, &mut file, size, photometric)?
    } else if photometric == Some(PALETTE) {
        palette_pixels(bytes, &mut file, size, max_pixels)?
    } else {
        pixels(&mut file, size)?
    };
    let mut picture = Picture::new(size.0, size.1, layout, samples);
    picture.profile = file.get_tag_u8_vec(Tag::IccProfile).ok().map(Ok);
    let turned = number(&mut file, Tag::Orientation).and_then(|value| u8::try_from(value).ok());
    picture.orientation = match turned.and_then(image::metadata::Orientation::from_exif) {
        Some(turned) => turned,
        None => orientation(None, file.get_tag_u8_vec(XMP).ok().as_deref()),
    };
    Ok(picture)
}

fn open(bytes: &[u8], max_pixels: u64) -> Result<File<'_>, String> {
    let most = usize::try_from(max_pixels).unwrap_or(usize::MAX).saturating_mul(10);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = most;
    limits.intermediate_buffer_size = most.saturating_add(EXTRA);
    limits.ifd_value_size = EXTRA;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(broken)?.with_limits(limits))
}

/// The samples of all planes, interleaved, with their depth; deeper samples are rounded to eight bits.
fn samples(file: &mut File, (width, height): (usize, usize)) -> Result<(ColorType, Vec<u8>), String> {
    let colour = file.colortype().map_err(broken)?;
    let mut result = DecodingResult::U8(Vec::new());
    let layout = file.read_image_to_buffer(&mut result).map_err(broken)?;
    if result.as_buffer(0).as_bytes().len() < layout.complete_len {
        return Err("not a whole TIFF: planes are missing".into());
    }
    let samples: Vec<u8> = match result {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => {
            samples.iter().map(|sample| ((u32::from(*sample) + 128) / 257) as u8).collect()
        }
        _ => {
            return Err(format!(
                "a TIFF of {} bits a sample or of fractions, expected 1 to 16 bits",
                colour.bit_depth()
            ));
        }
    };
    let count = usize::from(colour.num_samples());
    let samples = match colour.bit_depth() {
        bits @ (1 | 2 | 4) if count == 1 => unpack(&samples, bits.into(), width),
        8 | 16 => samples,
        bits => return Err(format!("a TIFF of {count} samples of {bits} bits, expected 8 or 16")),
    };
    let area = width * height;
    if samples.len() != area * count {
        return Err("not a whole TIFF: the number of samples is wrong".into());
    }
    let planar = file.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).ok().flatten() == Some(PLANAR);
    if !planar || count == 1 {
        return Ok((colour, samples));
    }
    let mut interleaved = vec![0; samples.len()];
    for (channel, plane) in samples.chunks_exact(area).enumerate() {
        for (pixel, sample) in interleaved.chunks_exact_mut(count).zip(plane) {
            pixel[channel] = *sample;
        }
    }
    Ok((colour, interleaved))
}

/// Samples of 1, 2 or 4 bits, of which each line begins with a new byte.
fn unpack(packed: &[u8], bits: usize, width: usize) -> Vec<u8> {
    let mask = (1u8 << bits) - 1;
    let lines = packed.chunks_exact((width * bits).div_ceil(8));
    let sample = |line: &[u8], x: usize| line[x * bits / 8] >> (8 - bits - x * bits % 8) & mask;
    lines.flat_map(|line| (0..width).map(move |x| sample(line, x))).collect()
}

fn pixels(file: &mut File, size: (usize, usize)) -> Result<(Layout, Vec<u8>), String> {
    let (colour, mut samples) = samples(file, size)?;
    let alpha = file.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
    let alpha = alpha.and_then(|extra| extra.first().copied());
    let unread = || format!("a TIFF of the colours {colour:?}: save it as RGB");
    let layout = match colour {
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            let most = (1u8 << bits) - 1;
            samples.iter_mut().for_each(|sample| *sample *= 255 / most);
            Layout::Gray
        }
        ColorType::Gray(_) => Layout::Gray,
        ColorType::Multiband { num_samples: 2, .. } => Layout::GrayAlpha,
        ColorType::RGB(_) => Layout::Rgb,
        ColorType::RGBA(_) => Layout::Rgba,
        ColorType::CMYK(_) => Layout::Cmyk,
        _ => return Err(unread()),
    };
    match (layout, alpha) {
        // Extra samples that are no opacity.
        (Layout::GrayAlpha, None | Some(0)) => {
            return Ok((Layout::Gray, samples.iter().step_by(2).copied().collect()));
        }
        (Layout::GrayAlpha | Layout::Rgba, Some(1)) => unmultiply(&mut samples, layout.channels()),
        _ => {}
    }
    Ok((layout, samples))
}

/// Colours that are multiplied with their opacity, as colours alone.
fn unmultiply(samples: &mut [u8], channels: usize) {
    for pixel in samples.chunks_exact_mut(channels) {
        let (alpha, colours) = pixel.split_last_mut().expect("a pixel has channels");
        for colour in colours.iter_mut().filter(|_| *alpha > 0) {
            *colour = (u32::from(*colour) * 255 / u32::from(*alpha)).min(255) as u8;
        }
    }
}

/// The colours of a palette. The library reads no palettes, but gray values, which the indices become
/// in a copy of the file.
fn palette_pixels(
    bytes: &[u8],
    file: &mut File,
    size: (usize, usize),
    max_pixels: u64,
) -> Result<(Layout, Vec<u8>), String> {
    let map = file.get_tag_u16_vec(Tag::ColorMap).map_err(broken)?;
    let gray = as_gray(bytes, file.byte_order()).ok_or("a BigTIFF with a palette: save it as RGB")?;
    let (_, indices) = samples(&mut open(&gray, max_pixels)?, size)?;
    let colours = map.len() / 3;
    // Some programs write eight bits instead of sixteen.
    let shift = if map.iter().all(|value| *value < 256) { 0 } else { 8 };
    let pixel = |index: u8| {
        let index = usize::from(index);
        let channel = |channel: usize| map.get(channel * colours + index).map(|value| (value >> shift) as u8);
        if index < colours { Some([channel(0)?, channel(1)?, channel(2)?]) } else { None }
    };
    let pixels: Option<Vec<[u8; 3]>> = indices.iter().map(|index| pixel(*index)).collect();
    let pixels = pixels.ok_or("not a whole TIFF: a pixel is outside the palette")?;
    Ok((Layout::Rgb, pixels.into_flattened()))
}

/// A copy of a file whose first page is gray, with black at zero.
fn as_gray(bytes: &[u8], order: ByteOrder) -> Option<Vec<u8>> {
    let little = order == ByteOrder::LittleEndian;
    let short = |at: usize| {
        let value: &[u8; 2] = bytes.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(*value) } else { u16::from_be_bytes(*value) })
    };
    let start: &[u8; 4] = bytes.get(4..)?.first_chunk()?;
    let start = if little { u32::from_le_bytes(*start) } else { u32::from_be_bytes(*start) } as usize;
    if short(2)? != 42 {
        return None;
    }
    let mut entries = (0..usize::from(short(start)?)).map(|i| start + 2 + 12 * i);
    let entry = entries.find(|at| short(*at) == Some(Tag::PhotometricInterpretation.to_u16()))?;
    let mut copy = bytes.to_vec();
    let value = if little { 1u16.to_le_bytes() } else { 1u16.to_be_bytes() };
    copy.get_mut(entry + 8..entry + 10)?.copy_from_slice(&value);
    Some(copy)
}

/// The pixels of strips or tiles that are JPEG files without their tables.
fn jpeg_pixels(
    bytes: &[u8],
    file: &mut File,
    (width, height): (usize, usize),
    photometric: Option<u16>,
) -> Result<(Layout, Vec<u8>), String> {
    let whole = |offsets, lengths, file: &mut File| -> Option<Vec<(u64, u64)>> {
        let offsets = file.get_tag_u64_vec(offsets).ok()?;
        Some(offsets.into_iter().zip(file.get_tag_u64_vec(lengths).ok()?).collect())
    };
    let chunks = whole(Tag::StripOffsets, Tag::StripByteCounts, file)
        .or_else(|| whole(Tag::TileOffsets, Tag::TileByteCounts, file))
        .ok_or("a TIFF without pixels")?;
    let tables = file.get_tag_u8_vec(Tag::JPEGTables).unwrap_or_default();
    let tables = tables.strip_suffix(b"\xff\xd9").unwrap_or(&tables);
    let (across, down) = file.chunk_dimensions();
    let (across, down) = (across as usize, down as usize);
    let columns = width.div_ceil(across);
    if chunks.len() != columns * height.div_ceil(down) {
        return Err("a TIFF of JPEG planes: save it as RGB".into());
    }
    let (mut channels, mut samples) = (0, Vec::new());
    for (i, (offset, length)) in chunks.into_iter().enumerate() {
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(length)).ok());
        let chunk = range.and_then(|(start, end)| bytes.get(start..end));
        let chunk = chunk.ok_or("not a whole TIFF: it ends early")?;
        let chunk = match tables {
            [] => chunk.to_vec(),
            _ => [tables, chunk.get(2..).unwrap_or_default()].concat(),
        };
        let (left, top) = (i % columns * across, i / columns * down);
        let (columns, rows) = (across.min(width - left), down.min(height - top));
        let tile = jpeg::components(&chunk, across, down.min(height))?;
        if channels == 0 {
            channels = tile.count;
            samples = vec![0; width * height * channels];
        }
        if tile.count != channels || tile.width < columns || tile.height < rows {
            return Err("not a whole TIFF: a tile is too small".into());
        }
        for y in 0..rows {
            let line = &tile.samples[y * tile.width * channels..][..columns * channels];
            samples[((top + y) * width + left) * channels..][..line.len()].copy_from_slice(line);
        }
    }
    match (channels, photometric) {
        (1, Some(0)) => samples.iter_mut().for_each(|sample| *sample = 255 - *sample),
        (3, Some(YCBCR)) => samples.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = jpeg::rgb(*pixel)),
        _ => {}
    }
    let layout = match channels {
        1 => Layout::Gray,
        3 => Layout::Rgb,
        _ => Layout::Cmyk,
    };
    Ok((layout, samples))
}

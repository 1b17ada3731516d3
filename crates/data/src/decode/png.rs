//! PNG files: pixels through the library, and the chunks that change their look.

use std::io::Read;

use super::orientation::orientation;
use super::picture::Picture;
use super::raster;

/// The longest metadata that are decompressed, in bytes.
const MOST_METADATA: u64 = 16 << 20;

/// What the chunks of a file say about the look of its pixels.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metadata {
    profile: Option<Result<Vec<u8>, String>>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
}

/// Decodes a PNG file; of an animation, the default image.
pub(super) fn decode(bytes: &[u8], max_pixels: u64) -> Result<Picture, String> {
    let (mut picture, _) = raster::read(bytes, image::ImageFormat::Png, "PNG", max_pixels)?;
    let Metadata { profile, exif, xmp } = metadata(bytes);
    picture.profile = profile;
    picture.orientation = orientation(exif.as_deref(), xmp.as_deref());
    Ok(picture)
}

fn metadata(bytes: &[u8]) -> Metadata {
    let (mut found, mut is_srgb) = (Metadata::default(), false);
    for (kind, data) in chunks(bytes) {
        match &kind {
            b"sRGB" => is_srgb = true,
            // Primaries of BT.709 with the transfer function of sRGB.
            b"cICP" => is_srgb |= data.starts_with(&[1, 13]),
            b"iCCP" => found.profile = Some(profile(data)),
            b"eXIf" => found.exif = Some(data.to_vec()),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let Some((name, text)) = text(&kind, data) else { continue };
                match name {
                    b"XML:com.adobe.xmp" | b"Raw profile type xmp" if found.xmp.is_none() => {
                        found.xmp = Some(raw_profile(&text).unwrap_or(text));
                    }
                    b"Raw profile type exif" | b"Raw profile type APP1" if found.exif.is_none() => {
                        found.exif = raw_profile(&text);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // PNG (third edition), 4.3: sRGB and cICP come before iCCP.
    if is_srgb {
        found.profile = None;
    }
    found
}

/// The chunks of a file by type.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (data, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after.get(4..).unwrap_or_default();
        Some((*kind, data))
    })
}

/// Splits at the first zero.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|byte| *byte == 0)?;
    Some((&data[..at], &data[at + 1..]))
}

fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut result = Vec::new();
    flate2::read::ZlibDecoder::new(data).take(MOST_METADATA + 1).read_to_end(&mut result).ok()?;
    (result.len() as u64 <= MOST_METADATA).then_some(result)
}

/// The profile of an `iCCP` chunk: a name, the method, and compressed data.
fn profile(data: &[u8]) -> Result<Vec<u8>, String> {
    let data = split(data).and_then(|(_, data)| data.strip_prefix(&[0]));
    data.and_then(inflate).ok_or_else(|| "it cannot be decompressed".into())
}

/// The keyword and the text of a text chunk.
fn text<'a>(kind: &[u8; 4], data: &'a [u8]) -> Option<(&'a [u8], Vec<u8>)> {
    let (name, data) = split(data)?;
    let text = match kind {
        b"tEXt" => data.to_vec(),
        b"zTXt" => inflate(data.get(1..)?)?,
        _ => {
            let (flags, data) = data.split_first_chunk::<2>()?;
            let (_language, data) = split(data)?;
            let (_translated, data) = split(data)?;
            if flags[0] == 1 { inflate(data)? } else { data.to_vec() }
        }
    };
    Some((name, text))
}

/// ImageMagick's form of a profile: a name, a length, and hexadecimal digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.split_whitespace();
    let (_name, length) = (lines.next()?, lines.next()?.parse::<usize>().ok()?);
    let digits: Vec<u8> = lines.flat_map(str::bytes).collect();
    let digit = |byte: u8| (byte as char).to_digit(16);
    let pairs = digits.as_chunks::<2>().0.iter();
    let bytes: Option<Vec<u8>> =
        pairs.map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect();
    bytes.filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in chunks {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend([kind.as_slice(), data, &[0; 4]].concat());
        }
        bytes
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::read::ZlibEncoder::new(data, flate2::Compression::fast());
        let mut result = Vec::new();
        encoder.read_to_end(&mut result).unwrap();
        result
    }

    #[test]
    fn srgb_comes_before_a_profile() {
        let iccp = [b"name\0\0".as_slice(), &deflate(b"profile")].concat();
        let found = metadata(&file(&[(b"iCCP", &iccp)]));
        assert_eq!(found.profile, Some(Ok(b"profile".to_vec())));
        for chunk in [(b"sRGB", b"\0".as_slice()), (b"cICP", &[1, 13, 0, 1])] {
            assert_eq!(metadata(&file(&[chunk, (b"iCCP", &iccp)])).profile, None);
        }
        let broken = metadata(&file(&[(b"iCCP", b"name\0\0no zlib")])).profile.unwrap();
        assert!(broken.unwrap_err().contains("decompressed"));
    }

    #[test]
    fn metadata_are_found_in_every_kind_of_text_chunk() {
        let hex = b"\nexif\n       4\n49492a\n00\n";
        let exif = Some(b"II*\0".to_vec());
        let compressed = [b"Raw profile type exif\0\0".as_slice(), &deflate(hex)].concat();
        assert_eq!(metadata(&file(&[(b"zTXt", &compressed)])).exif, exif);
        let plain = [b"Raw profile type exif\0".as_slice(), hex].concat();
        assert_eq!(metadata(&file(&[(b"tEXt", &plain)])).exif, exif);
        assert_eq!(metadata(&file(&[(b"IDAT", b""), (b"eXIf", b"II*\0")])).exif, exif);
        let xmp = b"XML:com.adobe.xmp\0\0\0en\0\0<x/>".as_slice();
        assert_eq!(metadata(&file(&[(b"iTXt", xmp)])).xmp, Some(b"<x/>".to_vec()));
        assert_eq!(metadata(&file(&[(b"iTXt", &xmp[..19])])), Metadata::default());
    }

    #[test]
    fn bombs_of_metadata_are_not_decompressed() {
        let bomb = deflate(&vec![0; MOST_METADATA as usize + 1]);
        assert_eq!(inflate(&bomb), None);
    }
}

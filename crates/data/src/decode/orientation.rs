//! Which side of a picture is up: EXIF, and XMP where EXIF does not say.

use image::metadata::Orientation;

/// The orientation of EXIF (with or without its `Exif` header), else that of XMP.
pub(super) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    exif.and_then(Orientation::from_exif_chunk)
        .or_else(|| xmp.and_then(of_xmp))
        .unwrap_or(Orientation::NoTransforms)
}

/// `tiff:Orientation` as an attribute or an element.
fn of_xmp(xmp: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let places = xmp.windows(NAME.len()).enumerate().filter(|(_, found)| *found == NAME);
    places.filter_map(|(at, _)| value(&xmp[at + NAME.len()..])).next()
}

/// The value after the name: `="6"`, `='6'` or `>6<`, with spaces anywhere.
fn value(text: &[u8]) -> Option<Orientation> {
    let text = text.trim_ascii_start();
    let text = match text.split_first()? {
        (b'=', rest) => rest
            .trim_ascii_start()
            .strip_prefix(b"\"")
            .or_else(|| rest.trim_ascii_start().strip_prefix(b"'"))?,
        (b'>', rest) => rest,
        _ => return None,
    };
    match text.trim_ascii_start() {
        [digit @ b'1'..=b'8', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => {
            Orientation::from_exif(digit - b'0')
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian EXIF with one entry.
    fn exif(tag: u16, value: u8) -> Vec<u8> {
        let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend(tag.to_le_bytes());
        exif.extend([3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0]);
        exif
    }

    #[test]
    fn exif_comes_before_xmp() {
        let xmp = b"<rdf:Description tiff:Orientation=\"8\"/>".as_slice();
        let six = exif(0x112, 6);
        assert_eq!(orientation(Some(&six), Some(xmp)), Orientation::Rotate90);
        let headed = [b"Exif\0\0", six.as_slice()].concat();
        assert_eq!(orientation(Some(&headed), None), Orientation::Rotate90);
        assert_eq!(orientation(Some(&exif(0x100, 6)), Some(xmp)), Orientation::Rotate270);
        assert_eq!(orientation(Some(b"II"), None), Orientation::NoTransforms);
    }

    #[test]
    fn xmp_has_it_as_attribute_or_element() {
        for text in
            ["tiff:Orientation=\"6\"", "tiff:Orientation = '6'", "<tiff:Orientation>6</tiff:Orientation>"]
        {
            assert_eq!(of_xmp(text.as_bytes()), Some(Orientation::Rotate90), "{text}");
        }
        for text in ["tiff:Orientation=\"16\"", "tiff:Orientation=\"9\"", "tiff:Orientation", "Orientation=6"]
        {
            assert_eq!(of_xmp(text.as_bytes()), None, "{text}");
        }
    }
}

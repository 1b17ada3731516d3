//! The kind of a file, told by its first bytes.

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Gif,
    Tiff,
}

/// What is read, for messages.
const READ: &str = "JPEG, PNG, WebP, BMP, GIF or TIFF";

/// Formats that are known and not read: the place of a signature, the signature, and the name.
const OTHERS: [(usize, &[u8], &str); 18] = [
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIC or AVIF"),
    (4, b"ftypmsf1", "a HEIC or AVIF"),
    (4, b"ftyp", "a video or camera"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (0, b"8BPS", "a Photoshop"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"qoif", "a QOI"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR"),
    (0, b"#?RADIANCE", "a Radiance HDR"),
    (0, b"DDS ", "a DDS"),
];

/// The kind of a file. On failure, a description of the file, and the next step.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind, String> {
    let starts = |signature: &[u8]| bytes.starts_with(signature);
    if starts(b"\xff\xd8\xff") {
        return Ok(Kind::Jpeg);
    }
    if starts(b"\x89PNG\r\n\x1a\n") {
        return Ok(Kind::Png);
    }
    if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(Kind::WebP);
    }
    if starts(b"GIF87a") || starts(b"GIF89a") {
        return Ok(Kind::Gif);
    }
    // Canon's raw files are TIFF files with a thumbnail in front.
    if bytes.get(8..10) == Some(b"CR") && starts(b"II*\0") {
        return Err(refusal("a camera's raw"));
    }
    if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        return Ok(Kind::Tiff);
    }
    if starts(b"BM") && bytes.len() >= 26 {
        return Ok(Kind::Bmp);
    }
    Err(describe(bytes))
}

fn refusal(name: &str) -> String {
    format!("{name} file, expected {READ}: convert it, for example with `magick FILE FILE.png`")
}

/// A description of a file that no decoder reads.
fn describe(bytes: &[u8]) -> String {
    let found = OTHERS
        .iter()
        .find(|(at, signature, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(signature)));
    if let Some((.., name)) = found {
        return refusal(name);
    }
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return refusal("a Netpbm");
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).to_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if bytes.is_empty() {
        "an empty file".into()
    } else if start.starts_with("version https://git-lfs") {
        "a git-lfs pointer, not an image: run `git lfs pull`".into()
    } else if start.starts_with("<svg") || (start.starts_with("<?xml") && start.contains("<svg")) {
        refusal("an SVG")
    } else if start.starts_with('<') {
        "a web page, not an image: the download failed".into()
    } else {
        let first: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("not an image: expected {READ}, starts with {}", first.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_images_are_identified() {
        let reason = |bytes: &[u8]| kind(bytes).unwrap_err();
        assert_eq!(reason(b""), "an empty file");
        assert!(reason(b"<!DOCTYPE html><p>404").contains("web page"));
        assert!(reason(b"version https://git-lfs.github.com/spec/v1\noid sha256:00").contains("git-lfs"));
        assert!(reason(&[1, 2, 3, 4, 5]).contains("01 02 03 04"));
        assert!(reason(b"BM").contains("42 4d"));
    }

    #[test]
    fn formats_that_are_not_read_are_named_with_the_next_step() {
        for (bytes, name) in [
            (b"\0\0\0\x18ftypheic\0\0\0\0".as_slice(), "a HEIC file"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF file"),
            (b"<?xml version=\"1.0\"?>\n<svg width=\"9\">", "an SVG file"),
            (b"\xef\xbb\xbf<svg>", "an SVG file"),
            (b"8BPS\0\x01", "a Photoshop file"),
            (b"%PDF-1.7", "a PDF file"),
            (b"P6\n2 2\n255\n", "a Netpbm file"),
            (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw file"),
        ] {
            let reason = kind(bytes).unwrap_err();
            assert!(reason.starts_with(name) && reason.contains("convert it"), "{reason}");
        }
    }

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Ok(Kind::Jpeg));
        assert_eq!(kind(b"RIFF\x10\0\0\0WEBPVP8 "), Ok(Kind::WebP));
        assert_eq!(kind(b"GIF89a"), Ok(Kind::Gif));
        assert_eq!(kind(b"MM\0*\0\0\0\x08"), Ok(Kind::Tiff));
        assert_eq!(kind(&[b"BM".as_slice(), &[0; 30]].concat()), Ok(Kind::Bmp));
    }
}

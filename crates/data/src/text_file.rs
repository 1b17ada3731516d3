//! Text files: regular files in UTF-8, or in UTF-16 with a byte order mark.

use std::io::{Error, Result};
use std::path::Path;

/// The text of a file, without its byte order mark.
///
/// # Errors
/// If it cannot be read, is not a regular file (a pipe may never end), or is in another encoding; the
/// message names the line.
pub(crate) fn read(path: &Path) -> Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::other("not a regular file: expected text"));
    }
    decoded(std::fs::read(path)?)
}

/// The text in the bytes of a file, without its byte order mark.
///
/// # Errors
/// If it is neither UTF-8 nor UTF-16; the message names the line.
pub fn decoded(bytes: Vec<u8>) -> Result<String> {
    match bytes.as_slice() {
        [0xff, 0xfe, units @ ..] => return wide(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => return wide(units, u16::from_be_bytes),
        _ => {}
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::other(format!("not UTF-8 text at byte {at}, in line {line}: save it as UTF-8"))
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The text of UTF-16 code units after the byte order mark, each of two bytes.
fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for letter in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match letter {
            Ok(letter) => text.push(letter),
            Err(_) => return Err(broken(&text)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(broken(&text)) }
}

fn broken(before: &str) -> Error {
    let line = before.matches('\n').count() + 1;
    Error::other(format!("damaged UTF-16 text in line {line}: save it as UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn utf_16_and_utf_8_give_the_same_text_without_the_mark() {
        let text = "file_name,text\na.png,naïve 脸 😀\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = |mark: &[u8], bytes: &[u8]| decoded([mark, bytes].concat());
        assert_eq!(marked(&[0xff, 0xfe], &little).unwrap(), text);
        assert_eq!(marked(&[0xfe, 0xff], &big).unwrap(), text);
        assert_eq!(marked(&[0xef, 0xbb, 0xbf], text.as_bytes()).unwrap(), text);
        let cut = marked(&[0xff, 0xfe], &little[..little.len() - 1]).unwrap_err().to_string();
        assert!(cut.starts_with("damaged UTF-16 text in line 2"), "{cut}");
        let latin = decoded(b"a\nb\xe9\n".to_vec()).unwrap_err().to_string();
        assert!(latin.contains("at byte 3, in line 2"), "{latin}");
    }
}

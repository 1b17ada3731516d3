//! Text files: regular files in UTF-8, with or without a byte order mark.

use std::io::{Error, Result};
use std::path::Path;

/// The text of a file, without its byte order mark.
///
/// # Errors
/// If it cannot be read, is not a regular file (a pipe may never end), or is not UTF-8; the message
/// names the line.
pub(crate) fn read(path: &Path) -> Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::other("not a regular file: expected text"));
    }
    decoded(std::fs::read(path)?)
}

/// The text in the bytes of a file, without its byte order mark.
///
/// # Errors
/// If it is not UTF-8; the message names the line.
pub fn decoded(bytes: Vec<u8>) -> Result<String> {
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

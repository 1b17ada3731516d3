//! Decodes image files with t2f for the comparison with Pillow (`tests/pillow/compare.py`).
//!
//! For each path it writes a line to standard output: `ok WIDTH HEIGHT`, followed by the pixels (RGB,
//! eight bits, rows from top to bottom), or `error REASON`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use t2f_data::Image;

fn decode(path: &Path) -> Result<Image, Box<dyn std::error::Error>> {
    Ok(Image::decode(&std::fs::read(path)?)?)
}

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for path in std::env::args_os().skip(1) {
        match decode(Path::new(&path)) {
            Ok(image) => {
                writeln!(out, "ok {} {}", image.width, image.height)?;
                out.write_all(&image.pixels)?;
            }
            Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
        }
    }
    out.flush()
}

//! Draws procedural faces into one PNG and prints a caption of each.
//!
//! `cargo run -p t2f-data --example contact_sheet -- faces.png 128 48 8`
//!
//! Arguments: file, pixels a side, faces, faces in a row.

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{Dataset, Result, contact_sheet};

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let path = arguments.get(1).map_or("faces.png", String::as_str);
    let number = |i: usize, default: usize| arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (resolution, count) = (number(2, 128), number(3, 48));
    let faces = ProceduralFaces::new(Split::Train, 0, count, resolution);
    let start = std::time::Instant::now();
    let images = (0..count).map(|i| faces.image(i)).collect::<Result<Vec<_>>>()?;
    println!("{:.2} ms a face", start.elapsed().as_secs_f64() * 1e3 / count as f64);
    for i in 0..count {
        for caption in faces.captions(i)? {
            println!("{i}: {}", caption.text);
        }
    }
    let png = contact_sheet(&images, number(4, 8)).encode_png()?;
    std::fs::write(path, png)
        .map_err(|error| t2f_data::Error::File { path: path.into(), reason: error.to_string() })
}

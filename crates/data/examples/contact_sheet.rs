//! Opens a data set, prints the result of the check and some captions, and writes its first training
//! images as one PNG.
//!
//! ```sh
//! cargo run -p t2f-data --example contact_sheet -- faces.png 128 48 8
//! cargo run -p t2f-data --example contact_sheet -- lfw.png 128 48 8 \
//!     '{"kind": "lfw", "images": "data/lfw", "captions": "data/clean.json"}'
//! ```
//!
//! Arguments: file, pixels a side, images, images in a row, and the `[data]` section as JSON (the
//! procedural faces if it is left out).

use std::error::Error;
use std::time::Instant;

use t2f_data::{DataConfig, contact_sheet};

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let path = arguments.get(1).map_or("faces.png", String::as_str);
    let number = |i: usize, default: usize| arguments.get(i).map_or(Ok(default), |n| n.parse());
    let (resolution, count, columns) = (number(2, 128)?, number(3, 48)?, number(4, 8)?);
    let config: DataConfig =
        arguments.get(5).map_or(Ok(DataConfig::default()), |json| serde_json::from_str(json))?;
    let start = Instant::now();
    let splits = config.open(resolution)?;
    println!("opened in {:.2} s: {:?}", start.elapsed().as_secs_f64(), splits.report);
    println!(
        "{} training, {} validation, {} test images",
        splits.train.len(),
        splits.val.len(),
        splits.test.len()
    );
    let count = count.min(splits.train.len());
    let start = Instant::now();
    let images: Result<Vec<_>, _> = (0..count).map(|i| splits.train.image(i)).collect();
    println!("{:.2} ms an image", start.elapsed().as_secs_f64() * 1e3 / count.max(1) as f64);
    for i in 0..count {
        for caption in splits.train.captions(i)? {
            println!("{i}: {}", caption.text);
        }
    }
    std::fs::write(path, contact_sheet(&images?, columns).encode_png()?)?;
    Ok(())
}

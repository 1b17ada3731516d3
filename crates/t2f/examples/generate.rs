//! Generates faces from captions with a model file, or with the model of this package.
//!
//! `cargo run --release --example generate -- [MODEL]`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use t2f::pictures::picture;
use t2f::pictures::provenance::Provenance;
use t2f::pictures::sheet::{Layout, Row, caption_grid};
use t2f::train::components::Components;
use t2f::train::model::Model;
use t2f::train::pipeline::Sampling;

fn main() -> anyhow::Result<()> {
    t2f::ops::Runtime::install(); // threads and allocator, once in a process
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/faces-64.safetensors");
    let path = std::env::args().nth(1).unwrap_or_else(|| shipped.into());
    let model = Model::load(&path, "auto", &Components::new())?;
    let captions = ["an old man with a full beard", "a young woman with red hair and round glasses"];
    let seeds: Vec<u64> = (0..4).collect();

    let mut rows = Vec::new();
    for caption in captions {
        for word in model.unknown_words(caption) {
            eprintln!("the model ignores the unknown word `{word}`");
        }
        let repeated = vec![caption.to_owned(); seeds.len()];
        let sampling = Sampling { truncation: 0.8, ..Sampling::default() };
        rows.push(Row { caption: caption.into(), images: model.generate(&repeated, &seeds, sampling)? });
    }
    let headings: Vec<String> = seeds.iter().map(|seed| format!("seed {seed}")).collect();
    let grid = caption_grid(&rows, &headings, &Layout::default())?;
    let origin = Provenance::generated(model.hash(), &captions.join("\n"), "0-3");
    picture::write("faces.png".as_ref(), &grid, Some(&origin))?;
    println!("faces.png");
    Ok(())
}

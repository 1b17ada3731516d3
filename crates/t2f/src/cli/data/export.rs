//! `t2f data export`: a data set as a folder.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use t2f_data::Subset;

use super::{Opened, Part};
use crate::cli::failure::because;
use crate::cli::terminal;

/// The options of `t2f data export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data export --out faces
  t2f data export --out faces --count 500 --resolution 128
  t2f train --data folder:faces             train on an export

Writes FOLDER/train, validation, test and test_comb, each with 000000.png and so on and a
metadata.jsonl (file_name, captions, claims of each caption, attributes where known) and, with
attributes, a schema.json.")]
pub struct Export {
    #[command(flatten)]
    opened: Opened,
    /// Only this part
    #[arg(long, value_enum)]
    split: Option<Part>,
    /// Maximum number of images of each part [default: all]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// A new folder
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Writes the folder.
pub fn run(options: &Export) -> anyhow::Result<()> {
    let splits = options.opened.open()?;
    let parts = match options.split {
        Some(part) => vec![part.required(&splits)?],
        None => Part::value_variants().iter().filter_map(|part| part.of(&splits)).collect(),
    };
    for (name, part) in parts {
        let folder = options.out.join(name);
        let count = options.count.unwrap_or(part.len()).min(part.len());
        let part = Subset::new(part, (0..count).collect())?;
        t2f_data::export(&part, &folder)
            .map_err(|error| because(error, "cannot export", "name another folder with `--out`"))?;
        terminal::result(&format!("{count} images in {}", folder.display()));
    }
    Ok(())
}

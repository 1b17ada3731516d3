//! `t2f data preview`: a sheet of images with their captions.

use std::path::PathBuf;

use clap::Args;
use t2f_data::Dataset;
use t2f_pictures::picture;
use t2f_pictures::sheet::{self, Layout, Tile};

use super::{Opened, Part};
use crate::cli::failure::{failure, usage};
use crate::cli::terminal;

/// The options of `t2f data preview`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data preview
  t2f data preview --split test-comb --count 48 --resolution 128 --out unseen.png
  t2f data preview --start 1000 --count 12")]
pub struct Preview {
    #[command(flatten)]
    opened: Opened,
    /// Part of the data set
    #[arg(long, value_enum, default_value = "train")]
    split: Part,
    /// Index of the first image
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    start: usize,
    /// Number of images
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=400), value_name = "N")]
    count: u16,
    /// Output file; an existing file is replaced
    #[arg(short, long, default_value = "preview.png", value_parser = png, value_name = "FILE.png")]
    out: PathBuf,
}

/// Writes the sheet; only the images on it are read.
pub fn run(options: &Preview) -> anyhow::Result<()> {
    let splits = options.opened.open_unread()?;
    let (_, part) = options.split.required(&splits)?;
    let last = (options.start + usize::from(options.count)).min(part.len());
    if part.is_empty() {
        return Err(failure("the part has no images", "choose another with `--split`"));
    }
    if options.start >= last {
        let message =
            format!("`--start {}` is out of range: the part has {} images", options.start, part.len());
        return Err(usage(message, "indices start at 0"));
    }
    let tiles: Vec<Tile> = (options.start..last).filter_map(|index| tile(part.as_ref(), index)).collect();
    if tiles.is_empty() {
        return Err(failure("no image of the sheet can be used", "`t2f data check` lists the reasons"));
    }
    let scripts = sheet::undrawn(tiles.iter().map(|tile| &tile.caption));
    if !scripts.is_empty() {
        let scripts = scripts.join(", ");
        terminal::note(&format!(
            "note: the sheet has […] in place of text that is not drawn: {scripts}; the captions are in the data set"
        ));
    }
    picture::write(&options.out, &sheet::contact_sheet(&tiles, &Layout::default())?, None)?;
    terminal::result(&options.out.display().to_string());
    Ok(())
}

/// An image and its first caption; `None` with a warning if the image cannot be used.
fn tile(part: &dyn Dataset, index: usize) -> Option<Tile> {
    match part.get(index) {
        Ok(example) => {
            let caption = example.captions.into_iter().next().map(|caption| caption.text);
            Some(Tile { image: example.image, caption: caption.unwrap_or_default() })
        }
        Err(error) => {
            terminal::warn(&error.to_string());
            None
        }
    }
}

/// The path of a PNG.
fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match picture::is_png(&path) {
        true => Ok(path),
        false => Err("expected a name that ends in .png".into()),
    }
}

//! `t2f data`: see a dataset, check its files, export the drawn one.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use t2f_data::{Dataset, Splits};
use t2f_train::picture;
use t2f_train::provenance::Provenance;
use t2f_train::sheet::{self, Layout, Tile};

use crate::failure::{because, failure, usage};
use crate::source::Source;
use crate::terminal;

/// The commands under `t2f data`.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  t2f data preview --count 48
  t2f data check --data procedural
  t2f data export --out faces --count 1000")]
pub enum Command {
    /// Draw images and their captions on one sheet
    Preview(Preview),
    /// Read every file once and report what cannot be used
    Check(Check),
    /// Write images and captions as a folder (Hugging Face's `imagefolder` layout)
    Export(Export),
}

/// What every command under `t2f data` opens.
#[derive(Args)]
struct Opened {
    /// The dataset: KIND or KIND:FOLDER
    #[arg(long, default_value = "procedural", value_name = "KIND[:FOLDER]")]
    data: Source,
    /// Pixels on a side, a power of two from 4 to 1024
    #[arg(long, default_value_t = 64, value_parser = resolution, value_name = "N")]
    resolution: usize,
}

impl Opened {
    fn open(&self) -> anyhow::Result<Splits> {
        self.data.config()?.open(self.resolution).map_err(|error| {
            because(error, "cannot open the data", "`--data procedural` needs no files and is always there")
        })
    }
}

/// A power of two that a network can draw.
fn resolution(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if (4..=1024).contains(&side) && side.is_power_of_two() => Ok(side),
        _ => Err("expected a power of two from 4 to 1024".into()),
    }
}

/// A part of a dataset.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// What networks are trained on
    Train,
    /// What choices are made on
    Val,
    /// What is reported
    Test,
    /// Combinations that `train` never shows
    TestComb,
}

impl Part {
    fn of(self, splits: &Splits) -> anyhow::Result<&dyn Dataset> {
        Ok(match self {
            Self::Train => splits.train.as_ref(),
            Self::Val => splits.val.as_ref(),
            Self::Test => splits.test.as_ref(),
            Self::TestComb => splits.test_comb.as_deref().ok_or_else(|| {
                usage(
                    format!("`--split test-comb` does not go with `--data {}`", splits.train.name()),
                    "it has the parts train, val and test",
                )
            })?,
        })
    }
}

/// The options of `t2f data preview`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f data preview
  t2f data preview --split test-comb --count 48 --resolution 128 --out unseen.png
  t2f data preview --start 1000 --count 12")]
pub struct Preview {
    #[command(flatten)]
    opened: Opened,
    /// Which part
    #[arg(long, value_enum, default_value = "train")]
    split: Part,
    /// Index of the first image
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    start: usize,
    /// Number of images
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=400), value_name = "N")]
    count: u16,
    /// Where to draw
    #[arg(short, long, default_value = "preview.png", value_name = "FILE.png")]
    out: PathBuf,
}

/// The options of `t2f data check`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f data check
  t2f data check --data procedural --resolution 128
  t2f data check --out bad_files.tsv        path and reason of every file left out")]
pub struct Check {
    #[command(flatten)]
    opened: Opened,
    /// Where to list the files that cannot be used; written only if there are any
    #[arg(short, long, default_value = "bad_files.tsv", value_name = "FILE.tsv")]
    out: PathBuf,
}

/// The options of `t2f data export`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f data export --out faces
  t2f data export --out faces --count 5000 --resolution 128 --split test

Writes FOLDER/SPLIT/000000.png and so on, and FOLDER/SPLIT/metadata.jsonl with a line for each
image: file_name, text (its first caption), captions (all of them), and attributes where known.")]
pub struct Export {
    #[command(flatten)]
    opened: Opened,
    /// Which part
    #[arg(long, value_enum, default_value = "train")]
    split: Part,
    /// Number of images [default: all]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// A new or empty folder
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Runs a command under `t2f data`.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Preview(options) => preview(options),
        Command::Check(options) => check(options),
        Command::Export(options) => export(options),
    }
}

fn preview(options: &Preview) -> anyhow::Result<()> {
    let splits = options.opened.open()?;
    let part = options.split.of(&splits)?;
    let last = (options.start + usize::from(options.count)).min(part.len());
    if options.start >= last {
        let message =
            format!("`--start {}` is past the end: the part has {} images", options.start, part.len());
        return Err(usage(message, "indices start at 0"));
    }
    let tiles = (options.start..last)
        .map(|index| {
            let example = part.get(index)?;
            let caption = example.captions.first().map(|caption| caption.text.clone()).unwrap_or_default();
            Ok(Tile { image: example.image, caption })
        })
        .collect::<Result<Vec<_>, t2f_data::Error>>()?;
    picture::write(&options.out, &sheet::contact_sheet(&tiles, &Layout::default())?, None)?;
    terminal::result(&options.out.display().to_string());
    Ok(())
}

fn check(options: &Check) -> anyhow::Result<()> {
    let splits = options.opened.open()?;
    let report = &splits.report;
    let parts: Vec<(&str, &dyn Dataset)> = [
        ("train", Some(splits.train.as_ref())),
        ("val", Some(splits.val.as_ref())),
        ("test", Some(splits.test.as_ref())),
        ("test-comb", splits.test_comb.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, part)| Some((name, part?)))
    .collect();
    terminal::result(&format!("dataset           {}", splits.train.name()));
    terminal::result(&format!("images            {} ({} without colour)", report.images, report.gray));
    terminal::result(&format!(
        "captions          {} ({} left out)",
        report.captions, report.dropped_captions
    ));
    terminal::result(&format!("without caption   {}", report.uncaptioned));
    for (name, part) in parts {
        terminal::result(&format!("{name:<17} {} images, content {}", part.len(), part.fingerprint()));
    }
    if !report.bad.is_empty() {
        picture::write_whole(&options.out, report.bad_files_tsv().as_bytes())?;
        terminal::warn(&format!("{} files cannot be used: see {}", report.bad.len(), options.out.display()));
    }
    if splits.train.is_empty() {
        return Err(failure("there is nothing to train on", "the reasons are in the list of files left out"));
    }
    Ok(())
}

fn export(options: &Export) -> anyhow::Result<()> {
    let splits = options.opened.open()?;
    let part = options.split.of(&splits)?;
    let name =
        options.split.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string());
    let folder = options.out.join(name);
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("`{}` is not empty", folder.display());
        return Err(failure(message, "name another folder with `--out`, or remove this one"));
    }
    std::fs::create_dir_all(&folder).map_err(|error| {
        because(error, format!("cannot make `{}`", folder.display()), "check the permissions")
    })?;
    let count = options.count.unwrap_or(part.len()).min(part.len());
    let origin = (part.name() == "procedural").then(|| Provenance::drawn("procedural face"));
    let mut lines = Vec::new();
    for index in 0..count {
        export_one(part, index, &folder, origin.as_ref(), &mut lines)?;
    }
    picture::write_whole(&folder.join("metadata.jsonl"), &lines)?;
    terminal::result(&format!("{count} images in {}", folder.display()));
    Ok(())
}

fn export_one(
    part: &dyn Dataset,
    index: usize,
    folder: &Path,
    origin: Option<&Provenance>,
    lines: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let example = part.get(index)?;
    let file_name = format!("{index:06}.png");
    // The list that names the images is written last, and whole: without it there is no export.
    std::fs::write(folder.join(&file_name), picture::to_png(&example.image, origin)?)?;
    let captions: Vec<&str> = example.captions.iter().map(|caption| caption.text.as_str()).collect();
    let mut line = json!({ "file_name": file_name, "text": captions.first(), "captions": captions });
    if let Some(attributes) = example.attributes {
        let known = t2f_data::Factor::ALL
            .iter()
            .filter_map(|&factor| Some((factor.name().to_string(), attributes.value(factor)?.into())));
        line["attributes"] = serde_json::Value::Object(known.collect());
    }
    writeln!(lines, "{line}")?;
    Ok(())
}

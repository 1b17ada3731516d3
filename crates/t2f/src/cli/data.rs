//! `t2f data`: previews a data set, checks its files, exports it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use t2f_data::{DataConfig, Dataset, PreflightReport, Splits, Subset};
use t2f_pictures::picture;
use t2f_pictures::sheet::{self, Layout, Tile};
use t2f_train::config::Config;

use crate::cli::failure::{because, failure, usage};
use crate::cli::source::Source;
use crate::cli::terminal;

/// The commands under `t2f data`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  t2f data preview --count 48
  t2f data check --data lfw:lfw-deepfunneled,face2text
  t2f data export --out faces --count 1000")]
pub enum Command {
    /// Write a sheet of images with their captions
    Preview(Preview),
    /// Read every file once and report unusable ones
    Check(Check),
    /// Write images and captions as a folder (Hugging Face's `imagefolder` layout)
    Export(Export),
}

/// The data set of a command.
#[derive(Debug, Args)]
pub struct ChosenData {
    /// The data set: procedural, folder:PATH or lfw:IMAGES,CAPTIONS [default: procedural]
    #[arg(long, value_name = "SOURCE")]
    data: Option<Source>,
    /// A configuration; only the section [data] is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as data.crop=0.8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl ChosenData {
    /// The configuration of the data set.
    pub fn config(&self) -> anyhow::Result<DataConfig> {
        if let Some(line) = self.overrides.iter().find(|line| !line.trim_start().starts_with("data.")) {
            let message = format!("`--set {line}` has no effect: only the section [data] is used");
            return Err(usage(
                message,
                "give a key such as data.crop=0.8; the side of the images is `--resolution`",
            ));
        }
        let data = self.data.iter().flat_map(Source::overrides);
        let overrides: Vec<String> = data.chain(self.overrides.iter().cloned()).collect();
        let hint = "`t2f train -n` prints every key with its value";
        let config = Config::resolve(None, self.config.as_deref(), &overrides)
            .map_err(|error| because(error, "the configuration is not valid", hint))?;
        Ok(config.data)
    }
}

/// The opened data set of every command under `t2f data`.
#[derive(Debug, Args)]
struct Opened {
    #[command(flatten)]
    chosen: ChosenData,
    /// Pixels on a side, a power of two from 4 to 1024
    #[arg(long, default_value_t = 64, value_parser = resolution, value_name = "N")]
    resolution: usize,
}

impl Opened {
    fn open(&self) -> anyhow::Result<Splits> {
        self.chosen.config()?.open(self.resolution).map_err(|error| {
            because(
                error,
                "cannot open the data",
                "datasets/ in the repository documents each layout; `--data procedural` requires no files",
            )
        })
    }

    /// The report of refused data.
    fn refused(error: &anyhow::Error) -> Option<&PreflightReport> {
        match error.downcast_ref::<t2f_data::Error>() {
            Some(t2f_data::Error::Refused { report, .. }) => Some(report),
            _ => None,
        }
    }
}

/// A resolution of a network.
pub fn resolution(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if (4..=1024).contains(&side) && side.is_power_of_two() => Ok(side),
        _ => Err("expected a power of two from 4 to 1024".into()),
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

/// A part of a data set.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Images for training
    Train,
    /// Images for validation
    Val,
    /// Images for reported results
    Test,
    /// Combinations of attributes that are not in `train`
    TestComb,
}

impl Part {
    /// The part, if the data set has it, with the name of its folder in an export.
    fn of(self, splits: &Splits) -> Option<(&'static str, Arc<dyn Dataset>)> {
        Some(match self {
            Self::Train => ("train", splits.train.clone()),
            Self::Val => ("validation", splits.val.clone()),
            Self::Test => ("test", splits.test.clone()),
            Self::TestComb => ("test_comb", splits.test_comb.clone()?),
        })
    }

    fn required(self, splits: &Splits) -> anyhow::Result<(&'static str, Arc<dyn Dataset>)> {
        self.of(splits).ok_or_else(|| {
            let message = format!("`{}` has no part test-comb", splits.train.name());
            usage(message, "choose train, val or test with `--split`")
        })
    }
}

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

/// The options of `t2f data check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data check
  t2f data check --data folder:my-faces
  t2f data check --data lfw:lfw-deepfunneled,face2text --resolution 128
  t2f data check --out bad_files.tsv        path and reason of every unusable file")]
pub struct Check {
    #[command(flatten)]
    opened: Opened,
    /// List of unusable files, written if there are any; an existing file is replaced
    #[arg(short, long, default_value = "bad_files.tsv", value_name = "FILE.tsv")]
    out: PathBuf,
}

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
    let list = |report: &PreflightReport| -> anyhow::Result<()> {
        if !report.bad.is_empty() {
            picture::write_whole(&options.out, report.bad_files_tsv().as_bytes())?;
            let file = options.out.display();
            terminal::warn(&format!("{} files cannot be used: see {file}", report.bad.len()));
        }
        Ok(())
    };
    let splits = options.opened.open();
    if let Some(report) = splits.as_ref().err().and_then(Opened::refused) {
        list(report)?;
    }
    let splits = splits?;
    let report = &splits.report;
    terminal::result(&format!("dataset           {}", splits.train.name()));
    terminal::result(&format!("images            {} ({} without colour)", report.images, report.gray));
    if report.captions > 0 {
        terminal::result(&format!(
            "captions          {} ({} dropped)",
            report.captions, report.dropped_captions
        ));
        terminal::result(&format!("without caption   {}", report.uncaptioned));
    } else {
        terminal::result("captions          rendered on demand");
    }
    if !splits.schema().is_empty() {
        let attributes = splits.schema().attributes().iter();
        let attributes =
            attributes.map(|attribute| format!("{} ({})", attribute.name, attribute.values.len()));
        terminal::result(&format!("attributes        {}", attributes.collect::<Vec<_>>().join(", ")));
    }
    for note in &report.notes {
        terminal::result(&format!("note              {note}"));
    }
    for (name, part) in Part::value_variants().iter().filter_map(|part| part.of(&splits)) {
        terminal::result(&format!("{name:<17} {} images, content {}", part.len(), part.fingerprint()));
    }
    list(report)?;
    if splits.train.is_empty() {
        return Err(failure("there are no training images", "the list of unusable files has the reasons"));
    }
    Ok(())
}

fn export(options: &Export) -> anyhow::Result<()> {
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

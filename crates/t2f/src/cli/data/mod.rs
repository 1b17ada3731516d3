//! `t2f data`: checks a data set, shows and counts it, converts it.

mod check;
mod conversion;
mod export;
mod import;
mod preview;
mod stats;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use t2f_data::{DataConfig, Dataset, PreflightReport, Splits};
use t2f_text::{TextConfig, Vocabulary};
use t2f_train::config::Config;

use crate::cli::failure::{because, usage};
use crate::cli::source::Source;

/// The commands under `t2f data`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  t2f data check --data folder:my-faces
  t2f data preview --data folder:my-faces --count 48
  t2f data stats --data lfw:lfw-deepfunneled,face2text
  t2f data export --out faces --count 1000")]
pub enum Command {
    /// Read every file once; report unusable files, near-duplicates and unknown words
    Check(check::Check),
    /// Write a sheet of images with their captions
    Preview(preview::Preview),
    /// Count captions, words, attributes and groups
    Stats(stats::Stats),
    /// Copy a published data set into a folder of its own, after a check of every image
    Import(import::Import),
    /// Write a data set in another format: folder, csv, text-files, webdataset or parquet
    Export(export::Export),
}

/// The data set of a command.
#[derive(Debug, Args)]
pub struct ChosenData {
    /// The data set: procedural, or KIND:PATHS such as folder:PATH or webdataset:PATH [default: procedural]
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
    /// The data set after every image is read.
    fn open(&self) -> anyhow::Result<Splits> {
        self.chosen.config()?.open(self.resolution).map_err(cannot_open)
    }

    /// The data set before any image is read.
    fn open_unread(&self) -> anyhow::Result<Splits> {
        self.chosen.config()?.open_unread(self.resolution).map_err(cannot_open)
    }

    /// The report of refused data.
    fn refused(error: &anyhow::Error) -> Option<&PreflightReport> {
        match error.downcast_ref::<t2f_data::Error>() {
            Some(t2f_data::Error::Refused { report, .. }) => Some(report),
            _ => None,
        }
    }
}

fn cannot_open(error: t2f_data::Error) -> anyhow::Error {
    because(
        error,
        "cannot open the data",
        "datasets/ in the repository documents each layout; `--data procedural` requires no files",
    )
}

/// The words of all captions, as the default text encoder reads them; `None` without captions.
fn vocabulary(splits: &Splits) -> anyhow::Result<Option<Vocabulary>> {
    if !splits.train.has_captions() {
        return Ok(None);
    }
    let texts = |part: &dyn Dataset| -> t2f_data::Result<Vec<String>> {
        let captions: Vec<_> = (0..part.len()).map(|index| part.captions(index)).collect::<Result<_, _>>()?;
        Ok(captions.into_iter().flatten().map(|caption| caption.text).collect())
    };
    let mut others = Vec::new();
    for (_, part) in Part::value_variants()[1..].iter().filter_map(|part| part.of(splits)) {
        others.extend(texts(part.as_ref())?);
    }
    Ok(Some(TextConfig::default().vocabulary(texts(splits.train.as_ref())?, others)?))
}

/// A resolution of a network.
pub fn resolution(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if (4..=1024).contains(&side) && side.is_power_of_two() => Ok(side),
        _ => Err("expected a power of two from 4 to 1024".into()),
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

/// Runs a command under `t2f data`.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check(options) => check::run(options),
        Command::Preview(options) => preview::run(options),
        Command::Stats(options) => stats::run(options),
        Command::Import(options) => import::run(options),
        Command::Export(options) => export::run(options),
    }
}

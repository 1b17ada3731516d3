//! `t2f data export`: a data set in another format.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use t2f_data::{Dataset, Form, Pixels, Subset};

use super::conversion::{self, Conversion};
use super::{ChosenData, Part, cannot_open, resolution};

/// The side of rendered faces in pixels.
const RENDERED: usize = 64;
/// The side at which files are checked: no file is too small.
pub const CHECKED: usize = 4;

/// The options of `t2f data export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data export --out faces
  t2f data export --out faces --count 500 --resolution 128
  t2f data export --data folder:my-faces --out shards --format webdataset
  t2f train --data folder:faces             train on an export

The formats, and the kind of data set that reads each:
  folder       FOLDER/train, validation, test and test_comb, each with images, a metadata.jsonl
               (file_name, captions, claims of each caption, attributes and group where
               known) and, with attributes, a schema.json                    folder:FOLDER
  csv          the same with metadata.csv                                    folder:FOLDER
  text-files   NAME.txt and, where text does not hold everything, NAME.json beside
               each image                                                    folder:FOLDER
  webdataset   tars in FOLDER/train and so on                                webdataset:FOLDER
  parquet      FOLDER/data/train-00000-of-00001.parquet and so on            parquet:FOLDER

Images of files are written as they are, unless `--resolution` is given.")]
pub struct Export {
    #[command(flatten)]
    chosen: ChosenData,
    /// Pixels on a side of square PNG files, a power of two from 4 to 1024 [default: 64 for procedural
    /// faces, the original files otherwise]
    #[arg(long, value_parser = resolution, value_name = "N")]
    resolution: Option<usize>,
    /// Only this part
    #[arg(long, value_enum)]
    split: Option<Part>,
    /// Maximum number of images of each part [default: all]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Format of the files
    #[arg(long, value_enum, default_value = "folder")]
    format: Format,
    /// Maximum number of images of a tar or Parquet file
    #[arg(long, default_value_t = 5000, value_parser = shard_images, value_name = "N")]
    shard_images: usize,
    /// Agree to the terms of a published data set, by its name
    #[arg(long, value_name = "NAME")]
    accept_license: Option<String>,
    /// A new folder
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
}

/// A format of converted files.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Images with metadata.jsonl
    Folder,
    /// Images with metadata.csv
    Csv,
    /// Images with a text file each
    TextFiles,
    /// Tars
    Webdataset,
    /// Parquet files
    Parquet,
}

fn shard_images(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|images| *images > 0).ok_or_else(|| "expected a number of images from 1".into())
}

/// Writes the data set.
pub fn run(options: &Export) -> anyhow::Result<()> {
    let config = options.chosen.config()?;
    let terms = conversion::accepted(&config, options.accept_license.as_deref())?;
    let original = options.resolution.is_none() && config.has_files();
    let side = options.resolution.unwrap_or(if original { CHECKED } else { RENDERED });
    let splits = config.open(side).map_err(cannot_open)?;
    let parts = match options.split {
        Some(part) => vec![part.required(&splits)?],
        None => Part::value_variants().iter().filter_map(|part| part.of(&splits)).collect(),
    };
    let shorten = |(name, part): (&'static str, Arc<dyn Dataset>)| -> anyhow::Result<_> {
        let count = options.count.unwrap_or(part.len()).min(part.len());
        let part: Arc<dyn Dataset> = Arc::new(Subset::new(part, (0..count).collect())?);
        Ok((name, part))
    };
    let parts = parts.into_iter().map(shorten).collect::<anyhow::Result<Vec<_>>>()?;
    let shard_images = options.shard_images;
    let form = match options.format {
        Format::Folder => Form::Folder,
        Format::Csv => Form::Csv,
        Format::TextFiles => Form::TextFiles,
        Format::Webdataset => Form::Webdataset { shard_images },
        Format::Parquet => Form::Parquet { shard_images },
    };
    let pixels = if original { Pixels::Original } else { Pixels::Square };
    Conversion { config: &config, form, pixels, terms, out: &options.out }.run(&splits, &parts)
}

//! `t2f data import`: a published data set in one folder of its own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use t2f_data::{Form, Pixels};

use super::conversion::{self, Conversion};
use super::export::CHECKED;
use super::{ChosenData, Part, cannot_open};
use crate::cli::failure::usage;
use crate::cli::terminal;

/// The options of `t2f data import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data import --data lfw:lfw-deepfunneled,face2text --out lfw --accept-license lfw
  t2f data import --data webdataset:shards --out faces
  t2f train --data folder:faces             train on an import

Checks every image and copies the usable ones with captions, claims, attributes, groups and
parts into FOLDER/train, validation and test, each with a metadata.jsonl. bad_files.tsv lists
the others.")]
pub struct Import {
    #[command(flatten)]
    chosen: ChosenData,
    /// Agree to the terms of a published data set, by its name
    #[arg(long, value_name = "NAME")]
    accept_license: Option<String>,
    /// A new folder
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Copies the data set.
pub fn run(options: &Import) -> anyhow::Result<()> {
    let config = options.chosen.config()?;
    if !config.has_files() {
        let message = format!("`{}` has no files to import", config.kind());
        return Err(usage(
            message,
            "name a data set with `--data`; `t2f data export` renders procedural faces",
        ));
    }
    let terms = conversion::accepted(&config, options.accept_license.as_deref())?;
    let splits = config.open(CHECKED).map_err(cannot_open)?;
    let parts: Vec<_> = Part::value_variants().iter().filter_map(|part| part.of(&splits)).collect();
    let conversion = Conversion {
        config: &config,
        form: Form::Folder,
        pixels: Pixels::Original,
        terms,
        out: &options.out,
    };
    conversion.run(&splits, &parts)?;
    let folder = format!("folder:{}", options.out.display());
    terminal::note(&format!("`--data {}` reads it", terminal::quoted(&folder)));
    Ok(())
}

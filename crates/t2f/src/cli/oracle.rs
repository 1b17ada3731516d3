//! `t2f oracle`: trains an oracle, the attribute classifier of metrics.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use t2f_data::DataConfig;
use t2f_metrics::oracle::{Epoch, Oracle, OracleTraining, parts, train};

use crate::cli::data::{ChosenData, resolution};
use crate::cli::failure::{because, failure};
use crate::cli::terminal;

/// The commands under `t2f oracle`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  t2f oracle train --data folder:celeba --resolution 32 --out oracle.safetensors
  t2f metrics RUN --oracle oracle.safetensors")]
pub enum Command {
    /// Train an oracle on the attributes of a data set
    Train(Options),
}

/// The options of `t2f oracle train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f oracle train --data folder:celeba --out oracle.safetensors
  t2f oracle train --data folder:celeba --gate 0.9 --skill 0.6 --epochs 40
  t2f oracle train                                   the oracle of procedural faces

An oracle is trained on images that the training of a generator does not see: on the validation
part of the data, or on new procedural faces of the full distribution. Its quality is measured on
the test part, or on other new faces. Give the same `--data` and `--set data.split.…` as to `t2f
train`. An attribute is scored if its accuracy reaches `--gate` and its skill `--skill`: the part
of the errors of a constant answer that it avoids. Labels of photographs have errors, which limit
both; state the gate beside the figures.

With `--augment true`, the default for image files, training images are mirrored and shifted, and
the epoch is selected on a tenth of them. Give false for attributes that tell left from right.")]
pub struct Options {
    #[command(flatten)]
    chosen: ChosenData,
    /// Pixels on a side, a power of two from 4 to 1024; larger images are reduced if their side is a power
    /// of two times that
    #[arg(long, default_value_t = 32, value_parser = resolution, value_name = "N")]
    resolution: usize,
    /// The file to write
    #[arg(short, long, default_value = "oracle.safetensors", value_name = "FILE")]
    out: PathBuf,
    /// Maximum number of training images
    #[arg(long, default_value_t = 60_000, value_name = "N")]
    images: usize,
    /// Maximum number of images for the measurement of quality
    #[arg(long, default_value_t = 4000, value_name = "N")]
    held_out: usize,
    /// Number of epochs
    #[arg(long, default_value_t = 10, value_name = "N")]
    epochs: usize,
    /// Channels of each stage, one for each halving of the resolution down to 4 pixels [default: 64,
    /// 80, then 64 for each further stage]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    channels: Vec<usize>,
    /// Images per step
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch: usize,
    /// Initial learning rate, with cosine decay to zero
    #[arg(long, default_value_t = 2e-3, value_name = "LR")]
    lr: f64,
    /// Minimum accuracy of a scored attribute, from 0 to 1
    #[arg(long, default_value_t = t2f_metrics::oracle::GATE, value_name = "SHARE")]
    gate: f64,
    /// Minimum skill of a scored attribute, from 0 to 1
    #[arg(long, default_value_t = t2f_metrics::oracle::SKILL_GATE, value_name = "SHARE")]
    skill: f64,
    /// Mirror and shift training images [default: true for image files, false for procedural faces]
    #[arg(long, value_name = "BOOL")]
    augment: Option<bool>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs `t2f oracle`.
pub fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Train(options) = command;
    let (data, resolution) = (options.chosen.config()?, options.resolution);
    let training = OracleTraining {
        channels: channels(options, resolution),
        images: options.images,
        held_out: options.held_out,
        epochs: options.epochs,
        batch: options.batch,
        lr: options.lr,
        gate: options.gate,
        skill: options.skill,
        augment: options.augment.unwrap_or(!matches!(data, DataConfig::Procedural(_))),
        seed: options.seed,
    };
    let (examples, held_out) = parts(&data, resolution, &training).map_err(|error| {
        because(error, "cannot open the data", "run `t2f data check` with the same options")
    })?;
    if examples.schema().is_empty() {
        return Err(failure(
            format!("the images of `{}` have no attributes", examples.name()),
            "give them in the column `attributes` of the metadata of an image folder",
        ));
    }
    let oracle = train(&training, examples.as_ref(), held_out.as_ref(), &mut progress).map_err(|error| {
        because(
            error,
            "cannot train the oracle",
            "it is trained on the validation part and measured on the test part: enlarge them with `--set \
             data.split.validation_fraction=…`",
        )
    })?;
    oracle.save(&options.out).map_err(|error| because(error, "cannot write the oracle", "check `--out`"))?;
    print(&oracle);
    terminal::result(&format!("wrote {}", options.out.display()));
    Ok(())
}

fn channels(options: &Options, resolution: usize) -> Vec<usize> {
    if !options.channels.is_empty() {
        return options.channels.clone();
    }
    let stages = (resolution / 4).checked_ilog2().unwrap_or(0) as usize;
    (0..stages).map(|stage| if stage == 1 { 80 } else { 64 }).collect()
}

fn progress(epoch: &Epoch) {
    let (scored, all) = (epoch.oracle.scored().len(), epoch.oracle.record().schema.len());
    terminal::note(&format!(
        "epoch {} of {}: loss {:.4}, {scored} of {all} attributes pass the gate",
        epoch.number, epoch.epochs, epoch.loss
    ));
}

fn print(oracle: &Oracle) {
    let record = oracle.record();
    terminal::result(&format!(
        "trained on {} images of {}, measured on {}; gate: accuracy {}, skill {}",
        record.train_images, record.train_data, record.held_out_images, record.gate, record.skill
    ));
    if let Some(epoch) = record.epoch {
        terminal::result(&format!(
            "epoch {epoch} is kept: it has the highest mean skill on a tenth of the images"
        ));
    }
    terminal::result("attribute       accuracy  majority  skill   images");
    for (attribute, (name, quality)) in record.schema.names().zip(&record.quality).enumerate() {
        let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.4}"));
        let note = if record.is_scored(attribute) { "" } else { "  not scored" };
        terminal::result(&format!(
            "{name:<15} {:.4}    {:<8}  {:<6}  {}{note}",
            quality.accuracy,
            number(quality.majority),
            number(quality.skill()),
            quality.support.unwrap_or(0)
        ));
    }
    let scored: Vec<&str> = oracle.scored().names().collect();
    terminal::result(&match scored.as_slice() {
        [] => "scored: none; train on more images, or lower `--gate` and `--skill`".to_owned(),
        some => format!("scored: {}", some.join(", ")),
    });
}

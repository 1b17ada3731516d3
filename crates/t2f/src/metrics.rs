//! `t2f metrics`: does the face say what the caption says?

use std::path::PathBuf;

use clap::Args;
use t2f_train::metrics::attributes::Estimate;
use t2f_train::metrics::measure::measure;
use t2f_train::metrics::oracle::Oracle;
use t2f_train::model::Model;

use crate::failure::{because, failure};
use crate::terminal;

/// The options of `t2f metrics`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f metrics runs/00000-procedural-quick
  t2f metrics model.safetensors --count 2000 --seed 1 --json agreement.json

One face is drawn for a caption of each test image, and a classifier of drawn faces, trained by the
experiment `oracle`, looks whether what the caption claims is there. AA is the share of claims that
is; chance, the share when captions are exchanged; ceiling, the share on the true pictures; and
AAn = (AA - chance) / (ceiling - chance). All are means over the factors that the classifier sees
rightly in 98 % of held-out faces. Only models of the drawn faces can be measured.")]
pub struct Options {
    /// A run folder or a model.safetensors
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Captions of the test part
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..), value_name = "N")]
    count: u32,
    /// Seed of the first face
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write everything as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Runs `t2f metrics`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let model = Model::load(&options.model, &options.device).map_err(|error| {
        because(error, "cannot load the model", "name a run folder or its model.safetensors")
    })?;
    let resolution = model.resolution();
    let oracle = Oracle::embedded(resolution)?.ok_or_else(|| {
        failure(
            format!("there is no classifier for faces of {resolution} pixels in this build"),
            "faces of 32 pixels, or a power of two times that, can be measured",
        )
    })?;
    let splits = model.config().data.open(resolution)?;
    let agreement = measure(&model, &oracle, splits.test.as_ref(), options.count as usize, options.seed)?;
    let line = |name: &str, value: &Estimate| {
        terminal::result(&format!("{name:<14} {:.3}  [{:.3}, {:.3}]", value.value, value.low, value.high));
    };
    terminal::result(&format!("{} captions; 95 % intervals", agreement.captions));
    line("AA", &agreement.agreement);
    line("chance", &agreement.chance);
    line("ceiling", &agreement.ceiling);
    if let Some(normalised) = &agreement.normalised {
        line("AAn", normalised);
    }
    line("exact@caption", &agreement.exact);
    for (factor, shares) in &agreement.factors {
        terminal::result(&format!(
            "  {:<14} {:.3}  chance {:.3}  ceiling {:.3}  {} claims",
            factor.name(),
            shares.agreement,
            shares.chance,
            shares.ceiling,
            shares.claims
        ));
    }
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&serde_json::json!({
            "agreement": agreement, "seed": options.seed, "split": "test", "model_hash": model.hash(),
        }))?;
        std::fs::write(file, json)
            .map_err(|error| because(error, "cannot write the JSON", "check `--json`"))?;
    }
    Ok(())
}

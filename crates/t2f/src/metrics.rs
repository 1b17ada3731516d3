//! `t2f metrics`: does the face say what the caption says?

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use t2f_train::metrics::estimate::Estimate;
use t2f_train::metrics::faces::{FaceScores, FaceTest};
use t2f_train::metrics::oracle::Oracle;
use t2f_train::metrics::report::{MetricRow, Protocol};
use t2f_train::metrics::sample::Request;
use t2f_train::model::Model;

use crate::failure::{because, failure};
use crate::{shipped, terminal};

/// The options of `t2f metrics`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f metrics runs/00000-procedural-quick
  t2f metrics model.safetensors --count 2000 --faces 2 --seed 1 --json scores.json

One face is drawn for a caption of each test image, and a classifier of drawn faces, trained by the
experiment `oracle`, looks whether what the caption claims is there. AA is the share of claims that
is; chance, the share when captions are exchanged; ceiling, the share on the true pictures; and
AAn = (AA - chance) / (ceiling - chance). CompGap is what AAn falls by where captions ask for two
values that training never shows together; edits change one phrase of a caption and keep the noise;
paraphrases keep the claims and change the words; diversity is the distance from the data of what
captions leave open. All are means over the factors that the classifier sees rightly in 98 % of
held-out faces. Only models of the drawn faces can be measured so. Rows are added to
metric-<name>.jsonl of a run; docs/metrics.md has the formulas.")]
pub struct Options {
    /// A run folder or a model.safetensors [default: the model that comes with the program]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Captions of the test part
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..), value_name = "N")]
    count: u32,
    /// Faces of each caption
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    faces: u32,
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
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    let resolution = model.resolution();
    let oracle = Oracle::embedded(resolution)?.ok_or_else(|| {
        failure(
            format!("there is no classifier for faces of {resolution} pixels in this build"),
            "faces of 32 pixels, or a power of two times that, can be measured",
        )
    })?;
    let splits = model.config().data.open(resolution)?;
    let request =
        Request::first(splits.test.as_ref(), options.count as usize, options.faces as usize, options.seed)?;
    let draw = |captions: &[String], seeds: &[u64]| model.draw(captions, seeds, 1.0);
    let test = FaceTest {
        draw: &draw,
        oracle: &oracle,
        test: splits.test.as_ref(),
        test_comb: splits.test_comb.as_deref(),
        seed: options.seed,
    };
    let scores = test.measure(&request, &mut |_| Ok(()))?;
    let protocol = protocol(&model, &oracle, splits.test.fingerprint(), &request, options.seed)?;
    print(&scores, &protocol);
    if let Some(run) = options.model.as_deref().filter(|path| path.is_dir()) {
        rows(&scores, &protocol).iter().try_for_each(|row| row.append(run).map(drop))?;
    }
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&summary(&scores, &protocol))?;
        std::fs::write(file, json)
            .map_err(|error| because(error, "cannot write the JSON", "check `--json`"))?;
    }
    Ok(())
}

fn protocol(
    model: &Model,
    oracle: &Oracle,
    data: String,
    request: &Request,
    seed: u64,
) -> anyhow::Result<Protocol> {
    Ok(Protocol {
        split: "test".into(),
        data,
        n: request.len() * request.faces(),
        captions: request.len(),
        seed,
        resolution: model.resolution(),
        resize: "none".into(),
        features: "oracle".into(),
        features_hash: oracle_hash(oracle)?,
        model_hash: model.hash().into(),
        kimg: model.provenance().kimg,
    })
}

/// What tells oracles apart: blake3 of the record of how it was trained and how often it is right.
fn oracle_hash(oracle: &Oracle) -> anyhow::Result<String> {
    Ok(blake3::hash(&serde_json::to_vec(oracle.record())?).to_hex().to_string())
}

/// The numbers that have one name in files and one on the screen.
fn estimates(scores: &FaceScores) -> Vec<(&'static str, &'static str, Estimate)> {
    let agreement = &scores.agreement;
    let gap = scores.composition.as_ref().and_then(|composition| composition.gap);
    let all = [
        ("aa", "AA", Some(agreement.agreement)),
        ("chance", "chance", Some(agreement.chance)),
        ("ceiling", "ceiling", Some(agreement.ceiling)),
        ("aan", "AAn", agreement.normalised),
        ("exact", "exact@caption", Some(agreement.exact)),
        ("comp_gap", "CompGap", gap),
        ("edit_flip", "edit flip rate", Some(scores.edits.flip)),
        ("edit_leak", "edit leakage", Some(scores.edits.leak)),
        ("paraphrase", "paraphrase", Some(scores.paraphrase.consistency)),
        ("diversity", "diversity", Some(scores.diversity.distance)),
    ];
    all.into_iter().filter_map(|(key, name, estimate)| Some((key, name, estimate?))).collect()
}

fn print(scores: &FaceScores, protocol: &Protocol) {
    terminal::result(&format!(
        "{} faces for {} captions of {}, seeds from {}; 95 % intervals",
        protocol.n, protocol.captions, protocol.data, protocol.seed
    ));
    for (_, name, value) in estimates(scores) {
        terminal::result(&format!("{name:<14} {:.3}  [{:.3}, {:.3}]", value.value, value.low, value.high));
    }
    for (factor, shares) in &scores.agreement.factors {
        terminal::result(&format!(
            "  {:<14} {:.3}  chance {:.3}  ceiling {:.3}  {} claims",
            factor.name(),
            shares.agreement,
            shares.chance,
            shares.ceiling,
            shares.claims
        ));
    }
}

fn rows(scores: &FaceScores, protocol: &Protocol) -> Vec<MetricRow> {
    estimates(scores).iter().map(|(key, _, value)| MetricRow::new(key, value, protocol)).collect()
}

/// Each number under its key, its interval under the key with `_ci`, the protocol, and everything
/// else under `faces`.
fn summary(scores: &FaceScores, protocol: &Protocol) -> serde_json::Value {
    let mut all = json!(protocol);
    for (key, _, value) in estimates(scores) {
        all[key] = json!(value.value);
        all[format!("{key}_ci")] = json!([value.low, value.high]);
    }
    all["faces"] = json!(scores);
    all
}

//! `t2f metrics`: does the face say what the caption says, and is it a face?

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use t2f_data::{DataConfig, Dataset, Splits};
use t2f_metrics::faces::FaceScores;
use t2f_metrics::features::{FeatureExtractor, OracleFeatures};
use t2f_metrics::inception::{Inception, Resize};
use t2f_metrics::measure::{Group, Measurement, Plan, part};
use t2f_metrics::oracle::Oracle;
use t2f_metrics::report::{MetricRow, Protocol, rows};
use t2f_metrics::sample::Request;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use crate::cli::failure::{because, failure, usage};
use crate::cli::sampling::SamplingOptions;
use crate::{json_file, shipped, terminal};

/// The side that the classifier of drawn faces was trained at.
const SIDE: usize = 32;
/// Images that a distance between distributions takes, at the least.
const LEAST: usize = 4;

/// The options of `t2f metrics`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  t2f metrics runs/00000-procedural-quick
  t2f metrics model.safetensors --count 2000 --faces 2 --seed 1 --json scores.json
  t2f metrics RUN --metrics features --inception pt_inception-2015-12-05-6726825d.pth
  t2f metrics RUN --metrics swd,ms-ssim,memorisation,retrieval --cache ~/.cache/t2f

faces: one face is drawn for a caption of each test image, and a classifier of drawn faces looks
whether what the caption claims is there: AA, chance, ceiling, and
AAn = (AA - chance) / (ceiling - chance); exact captions; CompGap on pairs of values that training
never shows together; edits of one phrase; paraphrases; diversity of what captions leave open.
Only models of drawn faces have these.
features: Frechet and kernel distances (fid_*, kid_*), precision, recall, density, coverage, on
the classifier's features, and on Inception's where you bring its weights. Names ending in _real
are what real pictures reach.
Rows go to metric-<name>.jsonl of a run; docs/metrics.md has the formulas.")]
pub struct Options {
    /// A run folder or a model.safetensors [default: the model that comes with the program]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// What to compute [default: faces,features for drawn faces, else features,swd,ms-ssim,memorisation]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", hide_default_value = true)]
    metrics: Vec<Metric>,
    /// Captions of the split, at least four
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(LEAST as i64..), value_name = "N")]
    count: u32,
    /// Faces of each caption
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    faces: u32,
    /// Seed of the first face
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// Part of the data that captions and real pictures are from
    #[arg(long, default_value = "test", value_parser = ["test", "val", "train"])]
    split: String,
    /// Inception's weights: the .pth of pytorch-fid or torch-fidelity, or the same as safetensors
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// How pictures are resized for Inception: as clean-fid, torch-fidelity or pytorch-fid do
    #[arg(long, default_value = "clean", value_parser = ["clean", "tensorflow", "pytorch"], requires = "inception")]
    resize: String,
    /// A folder for what is computed of real pictures, to be used again
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Write everything as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
}

/// What `--metrics` accepts.
#[derive(Clone, Copy, ValueEnum)]
enum Metric {
    Faces,
    Features,
    Swd,
    MsSsim,
    Memorisation,
    Retrieval,
}

impl From<Metric> for Group {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Faces => Self::Faces,
            Metric::Features => Self::Features,
            Metric::Swd => Self::Swd,
            Metric::MsSsim => Self::MsSsim,
            Metric::Memorisation => Self::Memorisation,
            Metric::Retrieval => Self::Retrieval,
        }
    }
}

/// Runs `t2f metrics`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    json_file::check(options.json.as_deref())?;
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    let splits = model.config().data.open(model.resolution())?;
    let data = measured(&splits, &options.split)?;
    let groups = groups(options, &model);
    let oracle = oracle(&model, &groups)?;
    let features = OracleFeatures::new(&oracle)?;
    let inception = inception(options)?;
    let mut extractors: Vec<&dyn FeatureExtractor> = vec![&features];
    extractors.extend(inception.as_ref().map(|inception| inception as &dyn FeatureExtractor));
    let request = Request::first(data, options.count as usize, options.faces as usize, options.seed)?;
    if request.len() < options.count as usize {
        terminal::warn(&format!(
            "the {} split has {} images, and `--count` asks for {}",
            options.split,
            request.len(),
            options.count
        ));
    }
    let sampling = options.sampling.sampling();
    let draw = |captions: &[String], seeds: &[u64]| Ok(model.draw(captions, seeds, sampling)?);
    let plan = Plan {
        draw: &draw,
        splits: &splits,
        split: &options.split,
        request: &request,
        groups: &groups,
        oracle: Some(&oracle),
        extractors: &extractors,
        cache: options.cache.as_deref(),
        seed: options.seed,
    };
    let measurement = plan.run()?;
    let protocol = protocol(options, &model, &splits, &request, &features)?;
    let rows = rows(&measurement, &protocol);
    print(&rows, measurement.faces.as_ref(), &protocol);
    if let Some(run) = options.model.as_deref().filter(|path| path.is_dir()) {
        rows.iter().try_for_each(|row| row.append(run).map(drop))?;
    }
    json_file::write(options.json.as_deref(), &summary(&rows, &measurement, &protocol))
}

/// The part of a name, of as many images as a distance between distributions takes.
fn measured<'a>(splits: &'a Splits, name: &str) -> anyhow::Result<&'a dyn Dataset> {
    let part = part(splits, name)?;
    if part.len() >= LEAST {
        return Ok(part);
    }
    let message = match part.len() {
        0 => format!("the {name} split has no images"),
        some => format!("the {name} split has {some} images, and {LEAST} are the least"),
    };
    let hint =
        "`--split val` or `train` measures on another; a run with a larger `data.test_fraction` has more";
    Err(failure(message, hint))
}

fn groups(options: &Options, model: &Model) -> BTreeSet<Group> {
    let drawn = matches!(model.config().data, DataConfig::Procedural(_));
    let default: &[Group] = match drawn {
        true => &[Group::Faces, Group::Features],
        false => &[Group::Features, Group::Swd, Group::MsSsim, Group::Memorisation],
    };
    match options.metrics.as_slice() {
        [] => default.iter().copied().collect(),
        named => named.iter().map(|metric| (*metric).into()).collect(),
    }
}

/// The classifier of drawn faces. Where no face is judged, its features will do for pictures of any
/// size, which are resized for it.
fn oracle(model: &Model, groups: &BTreeSet<Group>) -> anyhow::Result<Oracle> {
    let (side, judged) = (model.resolution(), groups.contains(&Group::Faces));
    if judged && !matches!(model.config().data, DataConfig::Procedural(_)) {
        return Err(usage(
            "`--metrics faces` needs a model of drawn faces, whose captions are known to be true",
            "leave `faces` out for photographs",
        ));
    }
    let fitting = Oracle::embedded(side)?;
    let oracle = if judged { fitting } else { fitting.or(Oracle::embedded(SIDE)?) };
    oracle.ok_or_else(|| {
        failure(
            format!("there is no classifier for faces of {side} pixels in this build"),
            format!("faces of {SIDE} pixels, or a power of two times that, can be measured; for others leave `faces` out"),
        )
    })
}

fn inception(options: &Options) -> anyhow::Result<Option<Inception>> {
    let Some(file) = &options.inception else { return Ok(None) };
    let resize = Resize::ALL.into_iter().find(|resize| resize.name() == options.resize);
    let resize = resize.unwrap_or(Resize::Clean);
    let device = t2f_train::device::open(&options.device)?;
    let inception = Inception::load(file, resize, &device).map_err(|error| {
        because(
            error,
            "cannot load Inception",
            "give pt_inception-2015-12-05-6726825d.pth of github.com/mseitzer/pytorch-fid",
        )
    })?;
    if inception.name().ends_with("unverified") {
        terminal::warn(&format!(
            "{} is not one of the published files, and its metrics say `unverified`",
            file.display()
        ));
    }
    Ok(Some(inception))
}

fn protocol(
    options: &Options,
    model: &Model,
    splits: &Splits,
    request: &Request,
    features: &OracleFeatures,
) -> anyhow::Result<Protocol> {
    let Sampling { truncation, guidance_scale } = options.sampling.sampling();
    Ok(Protocol {
        split: options.split.clone(),
        data: part(splits, &options.split)?.fingerprint(),
        n: request.len() * request.faces(),
        captions: request.len(),
        seed: options.seed,
        truncation,
        guidance_scale,
        resolution: model.resolution(),
        resize: "none".into(),
        features: features.name().into(),
        features_hash: features.hash().into(),
        model_hash: model.hash().into(),
        kimg: model.provenance().kimg,
    })
}

fn print(rows: &[MetricRow], faces: Option<&FaceScores>, protocol: &Protocol) {
    terminal::result(&format!(
        "{} faces for {} captions of {}, seeds from {}; 95 % intervals",
        protocol.n, protocol.captions, protocol.data, protocol.seed
    ));
    for row in rows {
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!("  [{low:.3}, {high:.3}]"),
            _ => String::new(),
        };
        terminal::result(&format!("{:<24} {:.3}{interval}", row.key, row.value));
    }
    for (factor, shares) in faces.iter().flat_map(|faces| &faces.agreement.factors) {
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

/// Each number under its key, its interval under the key with `_ci`, the protocol, and everything
/// else under `details`.
fn summary(rows: &[MetricRow], measurement: &Measurement, protocol: &Protocol) -> serde_json::Value {
    let mut all = json!(protocol);
    // What could not be computed is null, not missing.
    if measurement.faces.is_some() {
        all["aan"] = json!(null);
        all["comp_gap"] = json!(null);
    }
    for row in rows {
        all[&row.key] = json!(row.value);
        if let (Some(low), Some(high)) = (row.low, row.high) {
            all[format!("{}_ci", row.key)] = json!([low, high]);
        }
    }
    all["details"] = json!(measurement);
    all
}

//! `t2f metrics`: measures a model.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use t2f_data::people::Half;
use t2f_data::{ClaimedCaptions, Dataset, Schema, Splits};
use t2f_metrics::features::{FeatureExtractor, OracleFeatures};
use t2f_metrics::inception::{Inception, Resize};
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::metric::{Better, MetricValue, Outcome, Part};
use t2f_metrics::oracle::Oracle;
use t2f_metrics::people::PeoplesCaptions;
use t2f_metrics::report::Protocol;
use t2f_metrics::request::GenerationRequest;
use t2f_metrics::resize::resized;
use t2f_metrics::{Context, Metric};
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use crate::cli::data::resolution;
use crate::cli::failure::{because, failure, usage};
use crate::cli::sampling::SamplingOptions;
use crate::cli::saved_images::{self, SavedImages};
use crate::cli::{json_file, shipped, terminal};

/// The minimum number of images of a distance between distributions.
const LEAST: usize = 4;
/// The earlier name of the group `attributes`.
const OLD_GROUP: &str = "faces";

/// The options of `t2f metrics`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f metrics runs/00000-procedural-quick
  t2f metrics model.safetensors --count 2000 --faces 2 --seed 1 --json scores.json
  t2f metrics RUN --metrics features --inception pt_inception-2015-12-05-6726825d.pth --side 256
  t2f metrics RUN --metrics swd,ms-ssim,memorisation,retrieval --cache ~/.cache/t2f
  t2f metrics RUN --oracle oracle.safetensors
  t2f metrics RUN --metrics people                   captions as people write them
  t2f metrics RUN --metrics people --people mine.tsv --faces 4
  t2f metrics RUN --count 10000 --save generated     also as an image folder, for other programs

The group attributes is agreement, composition, edits, paraphrase and diversity. These metrics
require data with attributes and an oracle, a classifier of the attributes: the oracle of
procedural faces is embedded, and `t2f oracle train` trains one for other data. agreement compares
one image of each caption with the claims of the caption:
AAn = (aa - aa_shuffled) / (aa_real - aa_shuffled).
The group features uses features of the oracle, and of Inception if its weights are given.
The metric people compares several images with the claims of captions as people write them:
people = (aa_people - aa_people_shuffled) / (1 - aa_people_shuffled), and people_<class> the same
for each class of wording. A line of the file of --people has a class, a caption and its claims,
separated by tabs: `negation<TAB>no glasses<TAB>glasses=none`; `a=x|y;b=z` are two claims.
Keys that end in _real are values of real images. Rows are appended to metric-<name>.jsonl of a
run; docs/metrics.md has the formulas.")]
pub struct Options {
    /// A run folder, a model.safetensors, or the name of an embedded model, faces-64 or faces-128 [default:
    /// faces-128]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Metrics [default: attributes,features if there is an oracle for the data, else
    /// features,swd,ms-ssim,stripes,memorisation]
    #[arg(long, value_parser = names(), value_delimiter = ',', value_name = "LIST", hide_default_value = true)]
    metrics: Vec<String>,
    /// Number of captions of the split, at least four
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(LEAST as i64..), value_name = "N")]
    count: u32,
    /// Number of images of each caption [default: 1, and 8 for the metric people]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    faces: Option<u32>,
    /// The captions of the metric people: a file, or dev or test, the halves of the project's own
    /// [default: test]
    #[arg(long, value_name = "FILE", requires = "metrics")]
    people: Option<PathBuf>,
    /// Seed of the first image
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// Part of the data with the captions and the real images
    #[arg(long, default_value = "test", value_parser = ["test", "val", "train"])]
    split: String,
    /// An oracle for the attributes of the data, as `t2f oracle train` writes it [default: the
    /// `output.oracle` of the run]
    #[arg(long, value_name = "FILE")]
    oracle: Option<PathBuf>,
    /// Inception's weights: the .pth of pytorch-fid or torch-fidelity, or the same as safetensors
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// The filter for Inception: that of clean-fid, torch-fidelity (tensorflow) or pytorch-fid
    #[arg(long, default_value = "clean", value_parser = ["clean", "tensorflow", "pytorch"], requires = "inception")]
    resize: String,
    /// Pixels on a side of the compared images, a power of two [default: those of the model]
    ///
    /// Generated images are resized by Pillow's bicubic filter; real ones are read at this size.
    /// Published FIDs of text to face compare images of 256 pixels.
    #[arg(long, value_parser = resolution, value_name = "N")]
    side: Option<usize>,
    /// A folder that caches statistics of real images
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Also write the measured images as 000000.png, … with metadata.jsonl, as an image folder
    ///
    /// The folder is new or empty. `--data folder:DIR` reads it.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Also write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
}

/// The names of all metrics and groups.
fn names() -> PossibleValuesParser {
    let metrics = t2f_metrics::all();
    let mut groups: Vec<&'static str> = metrics.iter().filter_map(|metric| metric.group()).collect();
    groups.dedup();
    let group = |name: &&'static str| {
        let of = metrics.iter().filter(|metric| metric.group() == Some(*name)).map(|metric| metric.name());
        PossibleValue::new(*name).help(of.collect::<Vec<_>>().join(", "))
    };
    let old = PossibleValue::new(OLD_GROUP).hide(true);
    let metric = |metric: &dyn Metric| PossibleValue::new(metric.name()).help(metric.about());
    groups
        .iter()
        .map(group)
        .chain(metrics.iter().map(|boxed| metric(boxed.as_ref())))
        .chain([old])
        .collect::<Vec<_>>()
        .into()
}

/// Runs `t2f metrics`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    json_file::check(options.json.as_deref())?;
    saved_images::check(options.save.as_deref())?;
    check_people(options)?;
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    let side = options.side.unwrap_or(model.resolution());
    let splits = model.config().open_data(side)?;
    let part: Part = options.split.parse()?;
    let data = measured(&splits, part)?;
    let own = oracle(options, &model, &splits)?;
    let mut metrics = selected(options, data, own.as_ref(), list(options, data)?)?;
    metrics.extend(saved(options, &model));
    let embedded = if own.is_some() { None } else { Some(Oracle::for_features()?) };
    let features = own.as_ref().or(embedded.as_ref()).map(OracleFeatures::new);
    let inception = inception(options)?;
    let request = GenerationRequest::first(
        data,
        options.count as usize,
        options.faces.unwrap_or(1) as usize,
        options.seed,
    )?;
    if request.len() < options.count as usize {
        terminal::warn(&format!(
            "the {} split has {} images, fewer than `--count {}`",
            options.split,
            request.len(),
            options.count
        ));
    }
    let sampling = options.sampling.sampling();
    let generate = |captions: &[String], seeds: &[u64]| {
        let images = model.generate(captions, seeds, sampling)?;
        Ok(images.iter().map(|image| resized(image, side)).collect())
    };
    let mut context = Context::new(&generate, &splits, part, &request).with_seed(options.seed);
    if let Some(oracle) = &own {
        context = context.with_oracle(oracle);
    }
    let extractors = features.iter().map(|features| features as &dyn FeatureExtractor);
    let inception = inception.iter().map(|inception| inception as &dyn FeatureExtractor);
    for extractor in extractors.chain(inception) {
        context = context.with_extractor(extractor);
    }
    if let Some(cache) = &options.cache {
        context = context.with_cache(cache);
    }
    let measurement = measure(&context, &metrics)?;
    let protocol = protocol(options, &model, &context, features.as_ref());
    print(&measurement, &protocol);
    if measurement.values().next().is_none() {
        return Err(failure("no metric could be computed", "choose others with `--metrics`"));
    }
    if let Some(run) = options.model.as_deref().filter(|path| path.is_dir()) {
        measurement.rows(&protocol).iter().try_for_each(|row| row.append(run).map(drop))?;
    }
    json_file::write(options.json.as_deref(), &measurement.to_json(&protocol)?)?;
    match measurement.left_out.iter().find(|left| left.metric == saved_images::NAME) {
        Some(left) => {
            Err(failure(format!("cannot save the generated images: {}", left.reason), "check `--save`"))
        }
        None => Ok(()),
    }
}

/// The writer of `--save`.
fn saved(options: &Options, model: &Model) -> Option<Box<dyn Metric>> {
    let (sampling, hash) = (options.sampling, model.hash().to_owned());
    let origin = move |caption: &str, seed: &str| sampling.provenance(&hash, caption, seed);
    let folder = options.save.clone()?;
    Some(Box::new(SavedImages { folder, origin: Box::new(origin) }))
}

/// The data of a part, if it has enough images for a distance between distributions.
fn measured(splits: &Splits, part: Part) -> anyhow::Result<&dyn Dataset> {
    let (data, name) = (part.of(splits), part.name());
    if data.len() >= LEAST {
        return Ok(data);
    }
    let message = match data.len() {
        0 => format!("the {name} split has no images"),
        some => format!("the {name} split has {some} images, expected at least {LEAST}"),
    };
    let hint = "choose another with `--split`, or train with a larger `data.split.test_fraction`";
    Err(failure(message, hint))
}

/// The oracle of `--oracle`, that of the model's `output.oracle` where that file still is, or the embedded one if
/// schema and resolution of the data match.
fn oracle(options: &Options, model: &Model, splits: &Splits) -> anyhow::Result<Option<Oracle>> {
    let recorded = model.config().output.oracle.as_ref().filter(|file| file.is_file());
    if let Some(file) = options.oracle.as_ref().or(recorded) {
        let hint = "`t2f oracle train` writes one";
        return Oracle::load(file).map(Some).map_err(|error| because(error, "cannot load the oracle", hint));
    }
    Ok(Oracle::embedded_for(splits.test.as_ref())?)
}

/// Refuses captions for a metric that is not computed.
fn check_people(options: &Options) -> anyhow::Result<()> {
    let people = PeoplesCaptions::default();
    match options.people.is_none() || options.metrics.iter().any(|name| name == people.name()) {
        true => Ok(()),
        false => Err(usage("`--people` without the metric people", "add `people` to `--metrics`")),
    }
}

/// All metrics, with the settings of the options.
fn list(options: &Options, data: &dyn Dataset) -> anyhow::Result<Vec<Box<dyn Metric>>> {
    let mut people = PeoplesCaptions::default();
    if let Some(faces) = options.faces {
        people = people.with_faces(faces as usize);
    }
    if let Some(file) = &options.people {
        people = people.with_captions(captions(file, data.schema())?);
    }
    let own = |metric: Box<dyn Metric>| -> Box<dyn Metric> {
        if metric.name() == people.name() { Box::new(people.clone()) } else { metric }
    };
    Ok(t2f_metrics::all().into_iter().map(own).collect())
}

/// The captions of `--people`.
fn captions(file: &Path, schema: &Schema) -> anyhow::Result<ClaimedCaptions> {
    match Half::ALL.into_iter().find(|half| Path::new(half.name()) == file) {
        Some(half) => Ok(half.captions()?),
        None => ClaimedCaptions::load(file, schema).map_err(|error| {
            because(
                error,
                "cannot read the captions of `--people`",
                "a line has a class, a caption and its claims, separated by tabs; docs/metrics.md has the form",
            )
        }),
    }
}

fn selected(
    options: &Options,
    data: &dyn Dataset,
    oracle: Option<&Oracle>,
    all: Vec<Box<dyn Metric>>,
) -> anyhow::Result<Vec<Box<dyn Metric>>> {
    let names: Vec<&str> = match options.metrics.as_slice() {
        [] if oracle.is_some() => vec!["attributes", "features"],
        [] if data.schema().is_empty() => vec!["features", "swd", "ms-ssim", "stripes", "memorisation"],
        // The skipped metric's reason explains how to train an oracle.
        [] => vec!["agreement", "features", "swd", "ms-ssim", "stripes", "memorisation"],
        named => named.iter().map(|name| if name == OLD_GROUP { "attributes" } else { name }).collect(),
    };
    Ok(t2f_metrics::select(all, &names)?)
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
            "{} is not one of the published files: its metrics are marked `unverified`",
            file.display()
        ));
    }
    Ok(Some(inception))
}

fn protocol(
    options: &Options,
    model: &Model,
    context: &Context,
    features: Option<&OracleFeatures>,
) -> Protocol {
    let Sampling { truncation, guidance_scale } = options.sampling.sampling();
    let request = context.request();
    Protocol {
        split: options.split.clone(),
        data: context.data().fingerprint(),
        n: request.images(),
        captions: request.len(),
        seed: options.seed,
        truncation,
        guidance: guidance_scale.into(),
        resolution: options.side.unwrap_or(model.resolution()),
        resize: "none".into(),
        features: features.map_or("pixels", |features| features.name()).into(),
        features_hash: features.map_or("", |features| features.hash()).into(),
        model_hash: model.hash().into(),
        kimg: model.provenance().kimg,
    }
}

fn print(measurement: &Measurement, protocol: &Protocol) {
    if measurement.values().any(|value| value.captions.is_none()) {
        terminal::result(&format!(
            "{} images for {} captions of {}, seeds from {}; 95 % intervals",
            protocol.n, protocol.captions, protocol.data, protocol.seed
        ));
    }
    measurement.values().for_each(|value| terminal::result(&line(value)));
    for note in measurement.reports.iter().flat_map(|(_, report)| &report.notes) {
        terminal::result(&format!("  {note}"));
    }
    for left in &measurement.left_out {
        terminal::warn(&format!("`{}` is skipped: {}", left.metric, left.reason));
    }
}

/// Key, number, interval, direction and title of a value.
fn line(value: &MetricValue) -> String {
    let number = match &value.outcome {
        Outcome::Number(number) => format!("{number:.3}"),
        Outcome::Estimate(estimate) => {
            format!("{:.3}  [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
        }
        Outcome::Missing(reason) => return format!("{:<24} not computed: {reason}", value.key),
    };
    let direction = match value.better {
        Better::Higher => "higher is better: ",
        Better::Lower => "lower is better: ",
        Better::Nearer | Better::Baseline => "",
    };
    format!("{:<24} {number:<24} {direction}{}", value.key, value.title)
}

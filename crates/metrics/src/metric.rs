//! The extension point of this crate: a metric, its input and its report.

use std::cell::OnceCell;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use t2f_data::{Dataset, Image, Splits};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::features::FeatureExtractor;
use crate::images::to_tensor;
use crate::oracle::Oracle;
use crate::prediction::Prediction;
use crate::request::{Generate, GenerationRequest};

/// A metric of a generator. The crate documentation has an example.
///
/// [`measure`](crate::measure::measure) starts all metrics, generates the images of the request once,
/// shows each batch to every metric, and collects the reports.
pub trait Metric: Send + Sync {
    /// The name on the command line: lower case, words joined by hyphens.
    fn name(&self) -> &'static str;

    /// One line that says what it measures, for `--help`.
    fn about(&self) -> &'static str;

    /// A name that stands for several metrics at once; default none.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// Begins a measurement.
    ///
    /// # Errors
    /// If the metric cannot be computed in this context: the message is the reason that the user reads.
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>>;
}

impl<M: Metric + ?Sized> Metric for std::sync::Arc<M> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn about(&self) -> &'static str {
        (**self).about()
    }
    fn group(&self) -> Option<&'static str> {
        (**self).group()
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        (**self).start(context)
    }
}

impl fmt::Debug for dyn Metric + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metric").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The generated images that a metric needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// None of the request; the metric generates its own.
    Unused,
    /// Each batch once, by [`Accumulator::observe`].
    Batches,
    /// All at once in [`Accumulator::finish`]. One copy in memory serves all metrics.
    All,
}

/// The state of a metric while images are generated.
pub trait Accumulator {
    /// The images that the metric needs; default [`Images::Batches`].
    fn images(&self) -> Images {
        Images::Batches
    }

    /// Takes the next batch of generated images, in the order of the request. Default: ignores it.
    ///
    /// # Errors
    /// If the images do not fit the metric.
    fn observe(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    /// Ends the measurement. `generated` has all images of the request if [`images`](Self::images) is
    /// [`Images::All`].
    ///
    /// # Errors
    /// If the metric cannot be computed.
    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report>;
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The training part.
    Train,
    /// The validation part.
    Val,
    /// The test part.
    Test,
}

impl Part {
    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The data set of this part.
    pub fn of(self, splits: &Splits) -> &dyn Dataset {
        match self {
            Self::Train => splits.train.as_ref(),
            Self::Val => splits.val.as_ref(),
            Self::Test => splits.test.as_ref(),
        }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Train, Self::Val, Self::Test];
        let part = all.into_iter().find(|part| part.name() == name);
        part.ok_or_else(|| Error::Config(format!("split `{name}`, expected test, val or train")))
    }
}

/// The input of a measurement: a generator, data and tools. No model file is needed, so that a
/// training loop can measure its generator.
pub struct Context<'a> {
    generate: &'a Generate<'a>,
    splits: &'a Splits,
    part: Part,
    request: &'a GenerationRequest,
    oracle: Option<&'a Oracle>,
    extractors: Vec<&'a dyn FeatureExtractor>,
    cache: Option<&'a Path>,
    seed: u64,
    real: OnceCell<Vec<Prediction>>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("part", &self.part)
            .field("captions", &self.request.len())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A generator and the data that it was trained on. `part` is the part of the captions of
    /// `request` and of the real images. The seed is 0; there are no oracle, extractors and cache.
    pub fn new(
        generate: &'a Generate<'a>,
        splits: &'a Splits,
        part: Part,
        request: &'a GenerationRequest,
    ) -> Self {
        Self {
            generate,
            splits,
            part,
            request,
            oracle: None,
            extractors: Vec::new(),
            cache: None,
            seed: 0,
            real: OnceCell::new(),
        }
    }

    /// With a classifier of the attributes of generated images.
    #[must_use]
    pub fn with_oracle(mut self, oracle: &'a Oracle) -> Self {
        self.oracle = Some(oracle);
        self.real = OnceCell::new();
        self
    }

    /// With one more feature extractor.
    #[must_use]
    pub fn with_extractor(mut self, extractor: &'a dyn FeatureExtractor) -> Self {
        self.extractors.push(extractor);
        self
    }

    /// With a folder for statistics of real images and for networks that a metric trains.
    #[must_use]
    pub fn with_cache(mut self, folder: &'a Path) -> Self {
        self.cache = Some(folder);
        self
    }

    /// With the seed of all random numbers of the metrics, and of the first image that a metric
    /// generates on its own.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The generator.
    pub fn generate(&self) -> &Generate<'a> {
        self.generate
    }

    /// All parts of the data.
    pub fn splits(&self) -> &Splits {
        self.splits
    }

    /// The part of the captions and of the real images.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The data set of the captions and of the real images.
    pub fn data(&self) -> &dyn Dataset {
        self.part.of(self.splits)
    }

    /// The captions and seeds.
    pub fn request(&self) -> &GenerationRequest {
        self.request
    }

    /// The feature extractors.
    pub fn extractors(&self) -> &[&'a dyn FeatureExtractor] {
        &self.extractors
    }

    /// The folder for results that can be used again.
    pub fn cache(&self) -> Option<&Path> {
        self.cache
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The key of all random numbers: a metric takes a child of it.
    pub fn key(&self) -> Key {
        Key::new(self.seed)
    }

    /// The classifier of the data's attributes.
    ///
    /// # Errors
    /// If the data has no attributes, there is no classifier for them, or the images do not fit it.
    pub fn oracle(&self) -> Result<&'a Oracle> {
        let data = self.data();
        if data.schema().is_empty() {
            return Err(Error::Unavailable(format!("the images of `{}` have no attributes", data.name())));
        }
        let oracle = self.oracle.ok_or_else(|| {
            Error::Unavailable(format!(
                "there is no classifier for the attributes of `{}`: train one with `t2f oracle train` and pass it \
                 with `--oracle`",
                data.name()
            ))
        })?;
        oracle.check_fits(data.schema(), data.resolution())?;
        Ok(oracle)
    }

    /// The predictions of the oracle for the real images of the request's captions, computed once.
    ///
    /// # Errors
    /// Those of [`oracle`](Self::oracle), and if an image cannot be read.
    pub fn real_predictions(&self) -> Result<&[Prediction]> {
        if self.real.get().is_none() {
            let predictions = self.predict_real(self.request, self.data())?;
            let _ = self.real.set(predictions);
        }
        Ok(self.real.get().map_or(&[], Vec::as_slice))
    }

    /// The predictions of the oracle for the real images of a request on `data`.
    ///
    /// # Errors
    /// As for [`real_predictions`](Self::real_predictions).
    pub fn predict_real(&self, request: &GenerationRequest, data: &dyn Dataset) -> Result<Vec<Prediction>> {
        let oracle = self.oracle()?;
        let mut predictions = Vec::with_capacity(request.len());
        request.each_real(data, &mut |images| {
            predictions.extend(oracle.predict(&to_tensor(images)?)?);
            Ok(())
        })?;
        Ok(predictions)
    }
}

/// A batch of generated images.
#[derive(Debug)]
pub struct Batch<'a> {
    images: &'a [Image],
    oracle: Option<&'a Oracle>,
    predictions: OnceCell<Vec<Prediction>>,
}

impl<'a> Batch<'a> {
    /// A batch of images; the oracle of the context predicts their attributes.
    pub fn new(images: &'a [Image], context: &Context<'a>) -> Self {
        Self { images, oracle: context.oracle, predictions: OnceCell::new() }
    }

    /// The images.
    pub fn images(&self) -> &'a [Image] {
        self.images
    }

    /// The attributes that the oracle finds in each image, computed once for all metrics.
    ///
    /// # Errors
    /// If there is no oracle, or the images do not fit it.
    pub fn predictions(&self) -> Result<&[Prediction]> {
        let oracle =
            self.oracle.ok_or_else(|| Error::Unavailable("there is no attribute classifier".into()))?;
        if self.predictions.get().is_none() {
            let _ = self.predictions.set(oracle.predict(&to_tensor(self.images)?)?);
        }
        Ok(self.predictions.get().map_or(&[], Vec::as_slice))
    }
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher one.
    Higher,
    /// The lower one.
    Lower,
    /// The one that is nearer to the value of real images, which the title states.
    Nearer,
    /// Neither: the value is a baseline for others.
    Baseline,
}

/// The representation of the images that a value was computed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name of the features, such as `oracle` or `pixels`.
    pub features: String,
    /// A blake3 hash that distinguishes features of one name; may be empty.
    pub features_hash: String,
    /// The filter that resizes the images; `none` if they are not resized.
    pub resize: String,
}

impl Source {
    /// Features of a name.
    pub fn new(features: impl Into<String>, hash: impl Into<String>, resize: impl Into<String>) -> Self {
        Self { features: features.into(), features_hash: hash.into(), resize: resize.into() }
    }
}

/// The images themselves, not resized.
impl Default for Source {
    fn default() -> Self {
        Self::new("pixels", "", "none")
    }
}

/// The captions of a value that are not those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherCaptions {
    /// Their name, in place of the name of a part of the data.
    pub name: String,
    /// The fingerprint of their file, in place of that of the data.
    pub fingerprint: String,
    /// Their number.
    pub count: usize,
}

/// A number, its interval, or the reason why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A number without an interval.
    Number(f64),
    /// A number with an interval.
    Estimate(Estimate),
    /// The reason why the value cannot be computed.
    Missing(String),
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricValue {
    /// The key in files: `aan`, `fid_oracle`.
    pub key: String,
    /// The meaning of the value in a few words.
    pub title: String,
    /// The number.
    pub outcome: Outcome,
    /// Which of two values is the better one.
    pub better: Better,
    /// The keys of values that it is to be compared with, and their meaning: `real images`.
    pub baselines: Vec<(String, String)>,
    /// The representation of the images.
    pub source: Source,
    /// The number of generated images, if it is not that of the request.
    pub images: Option<usize>,
    /// The captions, if they are not those of the request.
    pub captions: Option<OtherCaptions>,
    /// A key of earlier versions, which files have beside the new one.
    pub old_key: Option<String>,
}

impl MetricValue {
    /// A value of the images' pixels.
    pub fn new(key: impl Into<String>, title: impl Into<String>, outcome: Outcome, better: Better) -> Self {
        Self {
            key: key.into(),
            title: title.into(),
            outcome,
            better,
            baselines: Vec::new(),
            source: Source::default(),
            images: None,
            captions: None,
            old_key: None,
        }
    }

    /// A number without an interval.
    pub fn number(key: impl Into<String>, title: impl Into<String>, number: f64, better: Better) -> Self {
        Self::new(key, title, Outcome::Number(number), better)
    }

    /// A number with an interval.
    pub fn estimate(key: impl Into<String>, title: impl Into<String>, of: Estimate, better: Better) -> Self {
        Self::new(key, title, Outcome::Estimate(of), better)
    }

    /// A value that cannot be computed.
    pub fn missing(key: impl Into<String>, title: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(key, title, Outcome::Missing(reason.into()), Better::Baseline)
    }

    /// With the key of a value to compare with.
    #[must_use]
    pub fn with_baseline(mut self, meaning: impl Into<String>, key: impl Into<String>) -> Self {
        self.baselines.push((meaning.into(), key.into()));
        self
    }

    /// With the representation of the images.
    #[must_use]
    pub fn with_source(mut self, source: &Source) -> Self {
        self.source = source.clone();
        self
    }

    /// With the number of generated images.
    #[must_use]
    pub fn with_images(mut self, images: usize) -> Self {
        self.images = Some(images);
        self
    }

    /// With other captions than those of the request.
    #[must_use]
    pub fn with_captions(mut self, captions: &OtherCaptions) -> Self {
        self.captions = Some(captions.clone());
        self
    }

    /// With a key of earlier versions.
    #[must_use]
    pub fn with_old_key(mut self, key: impl Into<String>) -> Self {
        self.old_key = Some(key.into());
        self
    }

    /// The number and its interval; `None` if the value is missing.
    pub fn numbers(&self) -> Option<(f64, Option<[f64; 2]>)> {
        match &self.outcome {
            Outcome::Number(number) => Some((*number, None)),
            Outcome::Estimate(estimate) => Some((estimate.value, Some([estimate.low, estimate.high]))),
            Outcome::Missing(_) => None,
        }
    }
}

/// The result of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The values, in the order in which they are read.
    pub values: Vec<MetricValue>,
    /// Lines below the table, for people.
    pub notes: Vec<String>,
    /// Further numbers for files: entries of `details`.
    pub details: Map<String, Json>,
}

impl Report {
    /// A report of some values.
    pub fn new(values: impl IntoIterator<Item = MetricValue>) -> Self {
        Self { values: values.into_iter().collect(), ..Self::default() }
    }

    /// With a line for people.
    #[must_use]
    pub fn with_note(mut self, line: impl Into<String>) -> Self {
        self.notes.push(line.into());
        self
    }

    /// With an entry of `details`. Objects under one key, also of several metrics, are merged.
    ///
    /// # Errors
    /// If `value` cannot be written as JSON.
    pub fn with_details(mut self, key: &str, value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value).map_err(|error| Error::State(error.to_string()))?;
        merge(&mut self.details, Map::from_iter([(key.to_owned(), value)]));
        Ok(self)
    }

    /// As [`with_details`](Self::with_details); every object has the values of the new keys under the
    /// keys of earlier versions, too.
    ///
    /// # Errors
    /// As for [`with_details`](Self::with_details).
    pub fn with_old_details(self, key: &str, value: &impl Serialize, keys: &[(&str, &str)]) -> Result<Self> {
        let value = serde_json::to_value(value).map_err(|error| Error::State(error.to_string()))?;
        self.with_details(key, &with_old_keys(value, keys))
    }
}

/// Adds entries; two objects under one key become one.
pub(crate) fn merge(to: &mut Map<String, Json>, from: Map<String, Json>) {
    for (key, value) in from {
        match (to.get_mut(&key), value) {
            (Some(Json::Object(to)), Json::Object(from)) => merge(to, from),
            (_, value) => drop(to.insert(key, value)),
        }
    }
}

fn with_old_keys(value: Json, keys: &[(&str, &str)]) -> Json {
    match value {
        Json::Object(entries) => {
            let mut all: Map<String, Json> =
                entries.into_iter().map(|(key, value)| (key, with_old_keys(value, keys))).collect();
            for (new, old) in keys {
                if let Some(value) = all.get(*new).cloned() {
                    all.entry(*old).or_insert(value);
                }
            }
            Json::Object(all)
        }
        Json::Array(values) => {
            Json::Array(values.into_iter().map(|value| with_old_keys(value, keys)).collect())
        }
        other => other,
    }
}

//! R-precision: whether the caption of a generated image can be retrieved among others.

mod config;
mod head;

use std::path::Path;

use candle_core::Tensor;
use serde::Serialize;
use t2f_data::{Dataset, Image};
use t2f_ops::rng::{Key, below};

use self::head::{Head, small};
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Report, Source};
use crate::request::GenerationRequest;
use t2f_files::disk::{self, OsDisk};
use t2f_files::tensors;

pub use config::RetrievalConfig;

/// The number of captions that an image is compared with, its own included, AttnGAN
/// (arXiv:1711.10485), §4.
const CANDIDATES: usize = 100;
/// Images and captions that are encoded at once.
const BATCH: usize = 64;
/// The version of the networks and of their training.
const VERSION: u32 = 1;

/// The share of images whose own caption is the nearest of all candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retrieval {
    /// Of generated images: R-precision.
    pub generated: Estimate,
    /// Of the captions' real images, which the encoders were not trained on either: the accuracy of the
    /// encoders on new photographs, and no upper bound, since generated images may be more typical of
    /// their captions.
    pub real: Estimate,
    /// Of as many training images with captions of their own, the first ones: its excess over `real` is
    /// the overfitting of the encoders. `None` if there are fewer than two.
    pub train: Option<Estimate>,
    /// The R-precision of a random choice.
    pub random: f64,
    /// The number of captions that an image is compared with.
    pub candidates: usize,
    /// The blake3 hash of the trained encoders.
    pub features_hash: String,
}

/// The keys of earlier versions in `details`.
const OLD_KEYS: [(&str, &str); 2] = [("generated", "drawn"), ("random", "chance")];

/// The metric `retrieval`: R-precision.
#[derive(Clone, Debug, Default)]
pub struct RPrecision {
    /// The training of the encoders. Its seed is replaced by that of the context.
    pub config: RetrievalConfig,
}

impl Metric for RPrecision {
    fn name(&self) -> &'static str {
        "retrieval"
    }
    fn about(&self) -> &'static str {
        "R-precision: the share of images whose caption is the nearest of a hundred"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        let config = RetrievalConfig { seed: context.seed(), ..self.config.clone() };
        Ok(Box::new(Retrieving { context, config }))
    }
}

struct Retrieving<'a> {
    context: &'a Context<'a>,
    config: RetrievalConfig,
}

impl Accumulator for Retrieving<'_> {
    fn images(&self) -> Images {
        Images::All
    }

    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report> {
        let (train, data) = (self.context.splits().train.as_ref(), self.context.data());
        let (request, cache) = (self.context.request(), self.context.cache());
        let scores = retrieval(&self.config, train, data, request, generated, cache)?;
        let source = Source::new("retrieval head", &scores.features_hash, "box to 32");
        let title = "images whose caption is the nearest of all candidates";
        let values = [
            MetricValue::estimate("r_precision", title, scores.generated, Better::Higher)
                .with_baseline("real images", "r_precision_real")
                .with_baseline("training images", "r_precision_train"),
            MetricValue::estimate(
                "r_precision_real",
                "accuracy of the encoders on real images; not an upper bound",
                scores.real,
                Better::Baseline,
            ),
            match scores.train {
                Some(train) => {
                    let title = "accuracy of the encoders on images of their training";
                    MetricValue::estimate("r_precision_train", title, train, Better::Baseline)
                }
                None => {
                    MetricValue::missing("r_precision_train", "", "there are fewer than two training images")
                }
            },
        ];
        let values = values.map(|value| value.with_source(&source));
        Report::new(values).with_old_details("retrieval", &scores, &OLD_KEYS)
    }
}

/// R-precision of generated images, Xu et al. (arXiv:1711.10485), §4, with R = 1: the share of images
/// for which their own caption is nearer than 99 others of the request, in the joint space of an image
/// encoder and a caption encoder that are trained on `train`. The encoders are read from `cache` if it
/// has them.
///
/// # Errors
/// If the request has fewer than two captions, `generated` are not its images, or their side is not a
/// multiple of 32.
pub fn retrieval(
    config: &RetrievalConfig,
    train: &dyn Dataset,
    data: &dyn Dataset,
    request: &GenerationRequest,
    generated: &[Image],
    cache: Option<&Path>,
) -> Result<Retrieval> {
    let per_caption = request.per_caption();
    if request.len() < 2 || generated.len() != request.images() {
        return Err(Error::State(format!(
            "R-precision of {} images of {} captions, expected {per_caption} of each of at least two",
            generated.len(),
            request.len()
        )));
    }
    let head = trained(config, train, cache)?;
    let (captions, texts) = encoded_captions(&head, request)?;
    let key = Key::new(config.seed).child("retrieval");
    let fakes = encoded(&head, generated)?;
    let real = encoded_real(&head, request, data)?;
    let candidates = CANDIDATES.min(captions.len());
    let hash = tensors::to_bytes(&head.parameters().tensors(), "").map_err(Error::State)?;
    Ok(Retrieval {
        generated: r_precision(&similarities(&fakes, &texts)?, per_caption, &captions, key)?,
        real: r_precision(&similarities(&real, &texts)?, 1, &captions, key)?,
        train: of_training_images(&head, train, request.len(), key)?,
        random: 1.0 / candidates as f64,
        candidates,
        features_hash: blake3::hash(&hash).to_hex().to_string(),
    })
}

/// R-precision of the first `count` training images; `None` if there are fewer than two.
fn of_training_images(head: &Head, train: &dyn Dataset, count: usize, key: Key) -> Result<Option<Estimate>> {
    let request = GenerationRequest::first(train, count, 1, 0)?;
    if request.len() < 2 {
        return Ok(None);
    }
    let (captions, texts) = encoded_captions(head, &request)?;
    let images = encoded_real(head, &request, train)?;
    Ok(Some(r_precision(&similarities(&images, &texts)?, 1, &captions, key)?))
}

/// The captions of a request and their vectors `(T, S)`.
fn encoded_captions(head: &Head, request: &GenerationRequest) -> Result<(Vec<String>, Tensor)> {
    let captions: Vec<String> = request.captions().iter().map(|caption| caption.text.clone()).collect();
    let texts = captions.chunks(BATCH).map(|captions| Ok(head.of_captions(captions)?.detach()));
    let texts = Tensor::cat(&texts.collect::<Result<Vec<_>>>()?, 0)?;
    Ok((captions, texts))
}

/// The vectors of images `(B, S)`.
fn encoded(head: &Head, images: &[Image]) -> Result<Tensor> {
    let parts = images.chunks(BATCH).map(|images| Ok(head.of_images(&small(images)?)?.detach()));
    Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
}

/// The vectors of the real images of a request on `data`.
fn encoded_real(head: &Head, request: &GenerationRequest, data: &dyn Dataset) -> Result<Tensor> {
    let mut parts = Vec::new();
    request.each_real(data, &mut |images| {
        parts.push(encoded(head, images)?);
        Ok(())
    })?;
    Ok(Tensor::cat(&parts, 0)?)
}

/// The similarity of each image with each caption.
fn similarities(images: &Tensor, texts: &Tensor) -> Result<Vec<Vec<f32>>> {
    Ok(images.matmul(&texts.t()?.contiguous()?)?.to_vec2::<f32>()?)
}

/// The share of rows whose own column is greater than those of 99 random captions with another text.
/// Row `i` belongs to column `i / per_caption`; intervals resample captions.
fn r_precision(
    similarities: &[Vec<f32>],
    per_caption: usize,
    captions: &[String],
    key: Key,
) -> Result<Estimate> {
    let others = CANDIDATES.min(captions.len()) - 1;
    let won = |(row, similarities): (usize, &Vec<f32>)| -> f64 {
        let own = row / per_caption;
        let mut stream = key.child("candidates").at(row as u64).rng();
        let mut pool: Vec<usize> =
            (0..captions.len()).filter(|other| captions[*other] != captions[own]).collect();
        let mut best = true;
        for _ in 0..others.min(pool.len()) {
            let other = pool.swap_remove(below(&mut stream, pool.len()));
            best &= similarities[own] > similarities[other];
        }
        f64::from(u8::from(best))
    };
    let won: Vec<f64> = similarities.iter().enumerate().map(won).collect();
    let by_caption: Vec<f64> =
        won.chunks(per_caption).map(|won| won.iter().sum::<f64>() / won.len() as f64).collect();
    let mean = |members: &[usize]| {
        let sum: f64 = members.iter().map(|&index| by_caption[index]).sum();
        (!members.is_empty()).then(|| sum / members.len() as f64)
    };
    Estimate::bootstrap(by_caption.len(), key, mean)
        .ok_or_else(|| Error::State("R-precision of no images".into()))
}

/// The encoders, from the cache or trained now.
fn trained(config: &RetrievalConfig, train: &dyn Dataset, cache: Option<&Path>) -> Result<Head> {
    let head = Head::new(train, config)?;
    let origin = serde_json::to_string(&(VERSION, train.fingerprint(), config))
        .map_err(|error| Error::State(error.to_string()))?;
    let name = format!("retrieval-{}.safetensors", &blake3::hash(origin.as_bytes()).to_hex()[..32]);
    let file = cache.map(|folder| folder.join(name));
    if let Some(file) = file.as_deref().filter(|file| file.exists()) {
        match load(&head, file) {
            Ok(()) => return Ok(head),
            Err(error) => tracing::warn!("the cached retrieval head is trained again: {error}"),
        }
    }
    let loss = head.train(train, config)?;
    tracing::info!(loss, "trained the retrieval head");
    if let Some(file) = &file {
        let bytes = tensors::to_bytes(&head.parameters().tensors(), &origin).map_err(Error::State)?;
        if let Err(error) = store(file, &bytes) {
            tracing::warn!("the retrieval head is not cached: {error}");
        }
    }
    Ok(head)
}

fn load(head: &Head, file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).map_err(|error| Error::file(file, error))?;
    let (stored, _) = tensors::from_bytes(&bytes).map_err(|error| Error::file(file, error))?;
    Ok(head.parameters().set(&stored)?)
}

fn store(file: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    }
    Ok(disk::replace(&OsDisk, file, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captions(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("caption {i}")).collect()
    }

    #[test]
    fn values_by_hand() -> Result<()> {
        let rows = vec![vec![0.9, 0.1, 0.2], vec![0.8, 0.3, 0.1], vec![0.0, 0.1, 0.5]];
        assert_eq!(r_precision(&rows, 1, &captions(3), Key::new(0))?.value, 2.0 / 3.0);
        // A tie does not count, and a caption with the same text is not a candidate.
        let tied = vec![vec![0.5, 0.5], vec![0.1, 0.2]];
        assert_eq!(r_precision(&tied, 1, &captions(2), Key::new(0))?.value, 0.5);
        let twins = ["a".to_string(), "a".to_string(), "b".to_string()];
        let rows = vec![vec![0.5, 0.9, 0.1], vec![0.9, 0.5, 0.1], vec![0.0, 0.0, 1.0]];
        assert_eq!(r_precision(&rows, 1, &twins, Key::new(0))?.value, 1.0);
        // Two images of each caption: three of four retrieve theirs.
        let images = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![0.0, 1.0], vec![0.0, 1.0]];
        assert_eq!(r_precision(&images, 2, &captions(2), Key::new(0))?.value, 0.75);
        Ok(())
    }

    #[test]
    fn a_random_choice_is_right_once_in_a_hundred() -> Result<()> {
        let mut stream = Key::new(1).rng();
        let mut row = || (0..200).map(|_| below(&mut stream, 1 << 20) as f32).collect::<Vec<_>>();
        let rows: Vec<Vec<f32>> = (0..2000).map(|_| row()).collect();
        let random = r_precision(&rows, 10, &captions(200), Key::new(0))?;
        assert!(random.low < 0.01 && 0.01 < random.high && random.high < 0.02, "{random:?}");
        Ok(())
    }
}

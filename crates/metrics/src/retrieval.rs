//! R-precision: can the caption that a picture was drawn from be told from others?

mod head;

use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use t2f_data::{Dataset, Image};
use t2f_ops::rng::{Key, below};

use self::head::{Head, small};
use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::sample::Request;
use t2f_files::disk::{self, OsDisk};
use t2f_files::tensors;

/// Captions that a picture is held against, its own included, AttnGAN (arXiv:1711.10485), §4.
const CANDIDATES: usize = 100;
/// Pictures and captions that are encoded at once.
const BATCH: usize = 64;
/// The version of the networks and of their training.
const VERSION: u32 = 1;

/// How the encoders of pictures and captions are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrievalConfig {
    /// Steps at most; default 1500.
    pub steps: usize,
    /// How often each picture is shown at most; default 40, which is what bounds small sets.
    pub epochs: usize,
    /// Pictures a step; default 64, at least 2.
    pub batch: usize,
    /// Step size of Adam; default 0.001.
    pub lr: f64,
    /// Where all randomness comes from; default 0.
    pub seed: u64,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self { steps: 1500, epochs: 40, batch: 64, lr: 1e-3, seed: 0 }
    }
}

/// The share of pictures for which the own caption is the best of all candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retrieval {
    /// Of drawn pictures: R-precision.
    pub drawn: Estimate,
    /// Of the captions' own pictures, which the encoders have not been trained on either.
    pub real: Estimate,
    /// What guessing reaches.
    pub chance: f64,
    /// Captions that a picture is held against.
    pub candidates: usize,
    /// blake3 of the trained encoders.
    pub features_hash: String,
}

/// R-precision of drawn pictures, Xu et al. (arXiv:1711.10485), §4, with R = 1: among the picture's
/// own caption and 99 others of the request, the own one is nearest, in a space that a picture and
/// a caption encoder were trained for on `train` alone. The encoders are read from `cache` if it
/// has them.
///
/// # Errors
/// If the request has fewer than two captions, `drawn` is not its pictures, or their side is no
/// multiple of 32.
pub fn retrieval(
    config: &RetrievalConfig,
    train: &dyn Dataset,
    data: &dyn Dataset,
    request: &Request,
    drawn: &[Image],
    cache: Option<&Path>,
) -> Result<Retrieval> {
    let faces = request.faces();
    if request.len() < 2 || drawn.len() != request.len() * faces {
        return Err(Error::State(format!(
            "R-precision of {} pictures of {} captions, expected {faces} of each of at least two",
            drawn.len(),
            request.len()
        )));
    }
    let head = trained(config, train, cache)?;
    let captions: Vec<String> = request.captions().iter().map(|caption| caption.text.clone()).collect();
    let texts = captions.chunks(BATCH).map(|captions| Ok(head.of_captions(captions)?.detach()));
    let texts = Tensor::cat(&texts.collect::<Result<Vec<_>>>()?, 0)?;
    let encode = |images: &[Image]| -> Result<Tensor> {
        let parts = images.chunks(BATCH).map(|images| Ok(head.of_pictures(&small(images)?)?.detach()));
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
    };
    let mut real = Vec::new();
    request.each_real(data, &mut |images| {
        real.push(encode(images)?);
        Ok(())
    })?;
    let key = Key::new(config.seed).child("retrieval");
    let score = |pictures: &Tensor, faces: usize| {
        let similarities = pictures.matmul(&texts.t()?.contiguous()?)?.to_vec2::<f32>()?;
        r_precision(&similarities, faces, &captions, key)
    };
    let hash = tensors::to_bytes(&head.parameters().tensors(), "").map_err(Error::State)?;
    let candidates = CANDIDATES.min(captions.len());
    Ok(Retrieval {
        drawn: score(&encode(drawn)?, faces)?,
        real: score(&Tensor::cat(&real, 0)?, 1)?,
        chance: 1.0 / candidates as f64,
        candidates,
        features_hash: blake3::hash(&hash).to_hex().to_string(),
    })
}

/// The share of rows whose own column is greater than those of 99 other captions, drawn for each
/// row among those with another text. Row `i` belongs to column `i / faces`; intervals come from
/// resampling captions.
fn r_precision(similarities: &[Vec<f32>], faces: usize, captions: &[String], key: Key) -> Result<Estimate> {
    let others = CANDIDATES.min(captions.len()) - 1;
    let won = |(row, similarities): (usize, &Vec<f32>)| -> f64 {
        let own = row / faces;
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
        won.chunks(faces).map(|won| won.iter().sum::<f64>() / won.len() as f64).collect();
    let mean = |members: &[usize]| {
        let sum: f64 = members.iter().map(|&index| by_caption[index]).sum();
        (!members.is_empty()).then(|| sum / members.len() as f64)
    };
    Estimate::bootstrap(by_caption.len(), key, mean)
        .ok_or_else(|| Error::State("R-precision of no pictures".into()))
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
            Err(error) => tracing::warn!("the cached retrieval head is trained anew: {error}"),
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
        // A tie is no win, and a caption of the same text is no candidate.
        let tied = vec![vec![0.5, 0.5], vec![0.1, 0.2]];
        assert_eq!(r_precision(&tied, 1, &captions(2), Key::new(0))?.value, 0.5);
        let twins = ["a".to_string(), "a".to_string(), "b".to_string()];
        let rows = vec![vec![0.5, 0.9, 0.1], vec![0.9, 0.5, 0.1], vec![0.0, 0.0, 1.0]];
        assert_eq!(r_precision(&rows, 1, &twins, Key::new(0))?.value, 1.0);
        // Two faces of each caption: three of four find theirs.
        let faces = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![0.0, 1.0], vec![0.0, 1.0]];
        assert_eq!(r_precision(&faces, 2, &captions(2), Key::new(0))?.value, 0.75);
        Ok(())
    }

    #[test]
    fn guessing_reaches_one_in_a_hundred() -> Result<()> {
        let mut stream = Key::new(1).rng();
        let mut row = || (0..200).map(|_| below(&mut stream, 1 << 20) as f32).collect::<Vec<_>>();
        let rows: Vec<Vec<f32>> = (0..2000).map(|_| row()).collect();
        let guessed = r_precision(&rows, 10, &captions(200), Key::new(0))?;
        assert!(guessed.low < 0.01 && 0.01 < guessed.high && guessed.high < 0.02, "{guessed:?}");
        Ok(())
    }
}

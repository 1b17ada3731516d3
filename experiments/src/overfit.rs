//! A handful of pairs, trained until each caption gives its own face.
//!
//! If this fails, nothing larger can work: the discriminator must read, the reading must reach the
//! generator, and the average must follow.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use t2f_data::Dataset;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use crate::distance::squared;

/// `expected.json`: what the experiment must reach.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Drawings, each a caption with a seed, whose nearest training image is the caption's own;
    /// the least share of all.
    pub own_face: f64,
}

impl Expected {
    /// Reads `expected.json` of an experiment's folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("expected.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
    }
}

/// A drawing that looks most like another caption's image.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// What was asked for.
    pub caption: String,
    /// Seed of the noise.
    pub seed: u64,
    /// The image that the caption describes.
    pub own: usize,
    /// The image that the drawing is nearest to.
    pub nearest: usize,
}

/// How many drawings were their caption's own face.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// All drawings.
    pub drawings: usize,
    /// Those that were not.
    pub mistakes: Vec<Mistake>,
}

impl Verdict {
    /// The share of drawings that were their caption's own face.
    pub fn share(&self) -> f64 {
        1.0 - self.mistakes.len() as f64 / self.drawings as f64
    }
}

/// Draws every caption of `dataset` with every seed and finds the nearest image of all, by mean
/// squared difference. The dataset's images must be of the model's resolution, and no two images
/// may share a caption.
///
/// # Errors
/// If an image cannot be read or drawn.
pub fn own_faces(model: &Model, dataset: &dyn Dataset, seeds: &[u64]) -> Result<Verdict> {
    let images = (0..dataset.len()).map(|i| dataset.image(i)).collect::<Result<Vec<_>, _>>()?;
    let mut verdict = Verdict { drawings: 0, mistakes: Vec::new() };
    for own in 0..dataset.len() {
        for caption in dataset.captions(own)? {
            let drawn = model.draw(&vec![caption.text.clone(); seeds.len()], seeds, Sampling::default())?;
            for (picture, &seed) in drawn.iter().zip(seeds) {
                let distance = |&i: &usize| squared(picture, &images[i]);
                let nearest = (0..images.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
                let nearest = nearest.context("the dataset is empty")?;
                verdict.drawings += 1;
                if nearest != own {
                    verdict.mistakes.push(Mistake { caption: caption.text.clone(), seed, own, nearest });
                }
            }
        }
    }
    Ok(verdict)
}

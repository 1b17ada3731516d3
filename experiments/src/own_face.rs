//! The fraction of generated images whose nearest training image is that of their caption.
//!
//! With a few images this is an overfitting sanity check of text encoder, discriminator, generator and
//! average.

use anyhow::{Context, Result};
use t2f_data::Dataset;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use crate::distance::squared;

/// A generated image that is nearest to another caption's image.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The caption.
    pub caption: String,
    /// Seed of the noise.
    pub seed: u64,
    /// Index of the caption's image.
    pub own: usize,
    /// Index of the nearest image.
    pub nearest: usize,
}

/// The numbers of generated images that are nearest to their caption's image and to another.
#[derive(Clone, Debug)]
pub struct OwnFaces {
    /// Generated images.
    pub generated: usize,
    /// Those that are nearest to another image.
    pub mistakes: Vec<Mistake>,
}

impl OwnFaces {
    /// The fraction of generated images that are nearest to their caption's image.
    pub fn share(&self) -> f64 {
        1.0 - self.mistakes.len() as f64 / self.generated as f64
    }
}

/// Generates an image for every caption of `dataset` and every seed, and finds the nearest image of the
/// data set by mean squared difference. The images must have the model's resolution and different
/// captions.
///
/// # Errors
/// If an image cannot be read or generated.
pub fn own_faces(model: &Model, dataset: &dyn Dataset, seeds: &[u64]) -> Result<OwnFaces> {
    let images = (0..dataset.len()).map(|i| dataset.image(i)).collect::<Result<Vec<_>, _>>()?;
    let mut found = OwnFaces { generated: 0, mistakes: Vec::new() };
    for own in 0..dataset.len() {
        for caption in dataset.captions(own)? {
            let captions = vec![caption.text.clone(); seeds.len()];
            let generated = model.generate(&captions, seeds, Sampling::default())?;
            for (image, &seed) in generated.iter().zip(seeds) {
                let distance = |&i: &usize| squared(image, &images[i]);
                let nearest = (0..images.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
                let nearest = nearest.context("the dataset is empty")?;
                found.generated += 1;
                if nearest != own {
                    found.mistakes.push(Mistake { caption: caption.text.clone(), seed, own, nearest });
                }
            }
        }
    }
    Ok(found)
}

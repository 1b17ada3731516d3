//! The captions and seeds that images are generated from.

use t2f_data::{Caption, Dataset, Image};

use crate::error::{Error, Result};
use crate::images::{BATCH, read_each};

/// A generator under measurement: an image for each caption and its seed. All images have one size,
/// and equal arguments give equal images.
pub type Generate<'a> = dyn Fn(&[String], &[u64]) -> Result<Vec<Image>> + 'a;

/// Captions of a data set, and the number of images to generate from each.
#[derive(Clone, Debug)]
pub struct GenerationRequest {
    captions: Vec<Caption>,
    indices: Vec<usize>,
    per_caption: usize,
    seed: u64,
}

impl GenerationRequest {
    /// The first caption of each image for which `accept` is true, until there are `count` of them,
    /// with `per_caption` images each. Image `j` of caption `i` has the seed
    /// `seed + i * per_caption + j`.
    ///
    /// # Errors
    /// If captions cannot be read, or `per_caption` is 0.
    pub fn new(
        data: &dyn Dataset,
        count: usize,
        per_caption: usize,
        seed: u64,
        accept: &mut dyn FnMut(&Caption) -> bool,
    ) -> Result<Self> {
        if per_caption == 0 {
            return Err(Error::Config("0 images for each caption, expected at least one".into()));
        }
        let (mut captions, mut indices) = (Vec::new(), Vec::new());
        for index in 0..data.len() {
            if captions.len() == count {
                break;
            }
            if let Some(caption) = data.captions(index)?.into_iter().find(|caption| accept(caption)) {
                captions.push(caption);
                indices.push(index);
            }
        }
        Ok(Self { captions, indices, per_caption, seed })
    }

    /// The first caption of each of the first `count` images.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn first(data: &dyn Dataset, count: usize, per_caption: usize, seed: u64) -> Result<Self> {
        Self::new(data, count, per_caption, seed, &mut |_| true)
    }

    /// The number of captions.
    pub fn len(&self) -> usize {
        self.captions.len()
    }

    /// Whether there are no captions.
    pub fn is_empty(&self) -> bool {
        self.captions.is_empty()
    }

    /// The number of images for each caption.
    pub fn per_caption(&self) -> usize {
        self.per_caption
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.len() * self.per_caption
    }

    /// The captions.
    pub fn captions(&self) -> &[Caption] {
        &self.captions
    }

    /// The position of each caption's image in the data set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The text of each image's caption.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.captions.iter().map(|caption| caption.text.clone());
        texts.flat_map(|text| std::iter::repeat_n(text, self.per_caption)).collect()
    }

    /// The seed of each image.
    pub fn seeds(&self) -> Vec<u64> {
        (0..self.images()).map(|image| self.seed_of(image)).collect()
    }

    /// The seed of an image.
    pub fn seed_of(&self, image: usize) -> u64 {
        self.seed.wrapping_add(image as u64)
    }

    /// Calls `each` with the real images of the captions, in batches; `data` is the data set of the
    /// request.
    ///
    /// # Errors
    /// If an image cannot be read; those of `each`.
    pub fn each_real(&self, data: &dyn Dataset, each: &mut dyn FnMut(&[Image]) -> Result<()>) -> Result<()> {
        read_each(data, &self.indices, each)
    }

    /// Calls `each` with the generated images of the request, in batches.
    ///
    /// # Errors
    /// Those of the generator and of `each`.
    pub fn each_generated(
        &self,
        generate: &Generate,
        each: &mut dyn FnMut(&[Image]) -> Result<()>,
    ) -> Result<()> {
        generate_each(generate, &self.texts(), &self.seeds(), each)
    }

    /// The first `count` of the generated images in the order of their number within a caption: a
    /// caption repeats only after all others.
    pub fn across_captions(&self, generated: &[Image], count: usize) -> Vec<Image> {
        let number = 0..self.per_caption;
        let order = number.flat_map(|number| generated.iter().skip(number).step_by(self.per_caption));
        order.take(count).cloned().collect()
    }
}

/// Generates images in batches and calls `each` with each batch, in order.
///
/// # Errors
/// Those of the generator and of `each`; if the generator gives another number of images than
/// captions.
pub fn generate_each(
    generate: &Generate,
    captions: &[String],
    seeds: &[u64],
    each: &mut dyn FnMut(&[Image]) -> Result<()>,
) -> Result<()> {
    captions.chunks(BATCH).zip(seeds.chunks(BATCH)).try_for_each(|(captions, seeds)| {
        let images = generate(captions, seeds)?;
        if images.len() != captions.len() {
            let (images, captions) = (images.len(), captions.len());
            return Err(Error::Generator(format!("{images} images for {captions} captions").into()));
        }
        each(&images)
    })
}

//! Which captions are drawn from, how often and with which seeds, and the drawing in batches.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use t2f_data::{Caption, Dataset, Image};

use crate::error::{Error, Result};

/// What is measured: faces for captions, a seed each.
pub type Draw<'a> = dyn Fn(&[String], &[u64]) -> Result<Vec<Image>> + 'a;

/// Faces drawn at once.
const BATCH: usize = 64;

/// Captions of a dataset, and how many faces are drawn from each.
#[derive(Clone, Debug)]
pub struct Request {
    captions: Vec<Caption>,
    images: Vec<usize>,
    faces: usize,
    seed: u64,
}

impl Request {
    /// The first caption that `accept`s of each image, until there are `count` of them, and
    /// `faces` faces of each. Face `j` of caption `i` has the seed `seed + i * faces + j`.
    ///
    /// # Errors
    /// If captions cannot be read, or no face is asked for.
    pub fn new(
        data: &dyn Dataset,
        count: usize,
        faces: usize,
        seed: u64,
        accept: &mut dyn FnMut(&Caption) -> bool,
    ) -> Result<Self> {
        if faces == 0 {
            return Err(Error::State("no face is drawn from a caption, expected at least one".into()));
        }
        let (mut captions, mut images) = (Vec::new(), Vec::new());
        for index in 0..data.len() {
            if captions.len() == count {
                break;
            }
            if let Some(caption) = data.captions(index)?.into_iter().find(|caption| accept(caption)) {
                captions.push(caption);
                images.push(index);
            }
        }
        Ok(Self { captions, images, faces, seed })
    }

    /// The first caption of each of the first `count` images.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn first(data: &dyn Dataset, count: usize, faces: usize, seed: u64) -> Result<Self> {
        Self::new(data, count, faces, seed, &mut |_| true)
    }

    /// How many captions.
    pub fn len(&self) -> usize {
        self.captions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.captions.is_empty()
    }

    /// How many faces are drawn from each caption.
    pub fn faces(&self) -> usize {
        self.faces
    }

    /// The captions.
    pub fn captions(&self) -> &[Caption] {
        &self.captions
    }

    /// The captions' texts, one for each face.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.captions.iter().map(|caption| caption.text.clone());
        texts.flat_map(|text| std::iter::repeat_n(text, self.faces)).collect()
    }

    /// The seeds, one for each face.
    pub fn seeds(&self) -> Vec<u64> {
        (0..(self.len() * self.faces) as u64).map(|face| self.seed.wrapping_add(face)).collect()
    }

    /// Shows the captions' own pictures in `data`, which the request was made from, to `each`.
    ///
    /// # Errors
    /// If a picture cannot be read; those of `each`.
    pub fn each_real(&self, data: &dyn Dataset, each: &mut dyn FnMut(&[Image]) -> Result<()>) -> Result<()> {
        read_each(data, &self.images, each)
    }
}

/// Draws faces in batches and shows each batch, in order, to `each`.
///
/// # Errors
/// Those of drawing and of `each`.
pub fn draw_each(
    draw: &Draw,
    captions: &[String],
    seeds: &[u64],
    each: &mut dyn FnMut(&[Image]) -> Result<()>,
) -> Result<()> {
    captions
        .chunks(BATCH)
        .zip(seeds.chunks(BATCH))
        .try_for_each(|(captions, seeds)| each(&draw(captions, seeds)?))
}

/// Reads pictures of a dataset in batches and shows each batch, in order, to `each`.
///
/// # Errors
/// If a picture cannot be read; those of `each`.
pub fn read_each(
    data: &dyn Dataset,
    images: &[usize],
    each: &mut dyn FnMut(&[Image]) -> Result<()>,
) -> Result<()> {
    images.chunks(BATCH).try_for_each(|images| {
        let images =
            images.par_iter().map(|&index| data.image(index)).collect::<t2f_data::Result<Vec<_>>>()?;
        each(&images)
    })
}

/// Pictures of one size as `(B, 3, H, W)` in `[-1, 1]`.
///
/// # Errors
/// If there is none, or their sizes differ.
pub fn to_tensor(images: &[Image]) -> Result<Tensor> {
    let rows = images.iter().map(|image| {
        Tensor::from_slice(&image.pixels, (image.height, image.width, 3), &Device::Cpu)?.permute((2, 0, 1))
    });
    let batch = Tensor::stack(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?;
    Ok(batch.to_dtype(DType::F32)?.affine(1.0 / 127.5, -1.0)?)
}

//! Images in batches, and as tensors.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use t2f_data::{Dataset, Image};

use crate::error::Result;

/// Images in a batch.
pub const BATCH: usize = 64;

/// Reads images of a data set in batches and calls `each` with each batch, in order.
///
/// # Errors
/// If an image cannot be read; those of `each`.
pub fn read_each(
    data: &dyn Dataset,
    indices: &[usize],
    each: &mut dyn FnMut(&[Image]) -> Result<()>,
) -> Result<()> {
    indices.chunks(BATCH).try_for_each(|indices| {
        let images =
            indices.par_iter().map(|&index| data.image(index)).collect::<t2f_data::Result<Vec<_>>>()?;
        each(&images)
    })
}

/// The first `count` images of a data set, or all if it has fewer.
///
/// # Errors
/// If an image cannot be read.
pub fn read_first(data: &dyn Dataset, count: usize) -> Result<Vec<Image>> {
    let mut all = Vec::new();
    let indices: Vec<usize> = (0..count.min(data.len())).collect();
    read_each(data, &indices, &mut |images| {
        all.extend_from_slice(images);
        Ok(())
    })?;
    Ok(all)
}

/// Images as a tensor.
///
/// # Shapes
/// The result is `(B, 3, H, W)` in `[-1, 1]`.
///
/// # Errors
/// If there is no image, or their sizes differ.
pub fn to_tensor(images: &[Image]) -> Result<Tensor> {
    let rows = images.iter().map(|image| {
        Tensor::from_slice(&image.pixels, (image.height, image.width, 3), &Device::Cpu)?.permute((2, 0, 1))
    });
    let batch = Tensor::stack(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?;
    Ok(batch.to_dtype(DType::F32)?.affine(1.0 / 127.5, -1.0)?)
}

//! From a model and test captions to scores.

use candle_core::{DType, Device, Tensor};
use t2f_data::{Caption, Dataset, Image};
use t2f_ops::rng::Key;

use super::attributes::{Agreement, Judged, attribute_agreement};
use super::oracle::{Oracle, Prediction};
use crate::error::{Error, Result};
use crate::model::Model;

/// Faces drawn at once.
const BATCH: usize = 64;

/// Draws one face for the first caption of each of the first `count` images of `test`, and holds
/// what `oracle` sees on it against what the caption claims. The seed of a face is the index of
/// its caption, plus `seed`.
///
/// # Errors
/// If the model draws faces of another size than the oracle knows or the captions claim nothing;
/// those of drawing.
pub fn measure(
    model: &Model,
    oracle: &Oracle,
    test: &dyn Dataset,
    count: usize,
    seed: u64,
) -> Result<Agreement> {
    let count = count.min(test.len());
    let captions = (0..count)
        .map(|index| {
            let captions = test.captions(index)?;
            captions.into_iter().next().ok_or_else(|| Error::State(format!("image {index} has no caption")))
        })
        .collect::<Result<Vec<Caption>>>()?;
    let texts: Vec<String> = captions.iter().map(|caption| caption.text.clone()).collect();
    let seeds: Vec<u64> = (0..count as u64).map(|index| seed.wrapping_add(index)).collect();
    let (mut drawn, mut real): (Vec<Prediction>, Vec<Prediction>) = (Vec::new(), Vec::new());
    for start in (0..count).step_by(BATCH) {
        let end = (start + BATCH).min(count);
        let faces = model.draw_tensor(&texts[start..end], &seeds[start..end], 1.0)?;
        drawn.extend(oracle.predict(&faces.to_device(&Device::Cpu)?)?);
        let images = (start..end).map(|index| test.image(index)).collect::<t2f_data::Result<Vec<_>>>()?;
        real.extend(oracle.predict(&to_tensor(&images)?)?);
    }
    let judged: Vec<Judged> = captions
        .iter()
        .zip(drawn)
        .zip(real)
        .map(|((caption, drawn), real)| Judged { claims: &caption.claims, drawn: vec![drawn], real })
        .collect();
    attribute_agreement(oracle.scored_factors(), &judged, Key::new(seed))
}

/// Pictures of one size as `(B, 3, H, W)` in `[-1, 1]`.
fn to_tensor(images: &[Image]) -> Result<Tensor> {
    let rows = images.iter().map(|image| {
        Tensor::from_slice(&image.pixels, (image.height, image.width, 3), &Device::Cpu)?.permute((2, 0, 1))
    });
    let batch = Tensor::stack(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?;
    Ok(batch.to_dtype(DType::F32)?.affine(1.0 / 127.5, -1.0)?)
}

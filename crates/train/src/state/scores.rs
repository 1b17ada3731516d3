//! The discriminator's scores outside of training steps, for statistics.

use candle_core::{DType, Tensor};
use t2f_data::Batch;
use t2f_gan::Growth;
use t2f_ops::rng::{self, Key};

use super::TrainState;
use super::step::condition;
use crate::error::Result;

impl TrainState {
    /// The scores of the images of a batch, and of one generated image for each of its captions, under the same
    /// conditions: `(real, generated)`, one number for each image. Without augmentation; the parameters are
    /// those in training, not the moving average. The state does not change.
    ///
    /// # Errors
    /// If the device fails, or the batch is not of the resolution of `at`.
    pub fn scores(&self, batch: &Batch, at: Growth, key: Key) -> Result<(Vec<f32>, Vec<f32>)> {
        let real = at.reals(&batch.images(&self.device)?)?;
        let embedding = self.pipeline.text().encode(&batch.captions())?.detach(); // (B, E)
        let size = (batch.len(), self.pipeline.generator().latent_size());
        let noise = rng::normal(key, size, DType::F32, &self.device)?;
        let (_, code) = self.labels_and_code(batch)?;
        let (_, latent) = self.pipeline.latent(&embedding, &noise, code.as_ref())?;
        let fake = self.pipeline.generator().forward(&latent, at)?.detach();
        let condition = condition(&embedding, code.as_ref())?;
        let scores = |images: &Tensor| -> Result<Vec<f32>> {
            let scores = self.frozen_discriminator.forward(images, &condition, at)?;
            Ok(scores.to_dtype(DType::F32)?.to_vec1()?)
        };
        Ok((scores(&real)?, scores(&fake)?))
    }
}

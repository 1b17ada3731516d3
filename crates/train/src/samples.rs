//! Sample sheets: the same captions and the same noise throughout a run.

use candle_core::Device;
use t2f_data::{Image, Splits};
use t2f_gan::Growth;
use t2f_metrics::metric::Part;
use t2f_ops::rng::{self, Key};
use t2f_pictures::sheet::{self, Layout, Tile};

use crate::error::Result;
use crate::pipeline::{Pipeline, to_pictures};

/// Fixed captions and noise seeds. The captions are from the test part; if it is empty, from the
/// validation part or, if that is empty too, from the training part.
#[derive(Clone, Debug)]
pub struct Samples {
    captions: Vec<String>,
    indices: Vec<usize>,
    seeds: Vec<u64>,
}

impl Samples {
    /// Selects `count` captions by the run's key.
    ///
    /// # Errors
    /// If a caption cannot be read.
    pub fn choose(splits: &Splits, count: usize, key: Key) -> Result<Self> {
        let part = part(splits).of(splits);
        let count = count.min(part.len());
        let mut order = rng::permutation(&mut key.child("samples").rng(), part.len());
        order.truncate(count);
        let captions = order
            .iter()
            .map(|&i| Ok(part.captions(i)?.first().map(|caption| caption.text.clone()).unwrap_or_default()))
            .collect::<Result<Vec<_>>>()?;
        let scripts = sheet::undrawn(&captions);
        if !scripts.is_empty() {
            tracing::warn!(
                "sample sheets have […] in place of text that is not drawn ({}); the captions are in the data set",
                scripts.join(", ")
            );
        }
        Ok(Self { captions, indices: order, seeds: (0..count as u64).collect() })
    }

    /// The captions.
    pub fn captions(&self) -> &[String] {
        &self.captions
    }

    /// The real images of the captions.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn reals(&self, splits: &Splits) -> Result<Image> {
        let part = part(splits).of(splits);
        let images = self.indices.iter().map(|&i| Ok(part.image(i)?)).collect::<Result<Vec<_>>>()?;
        self.sheet(images)
    }

    /// Generated images of the captions.
    ///
    /// # Errors
    /// If the device fails.
    pub fn fakes(&self, pipeline: &Pipeline, at: Growth, device: &Device) -> Result<Image> {
        let noise = pipeline.noise(&self.seeds, 1.0, device)?;
        self.sheet(to_pictures(&pipeline.generate(&self.captions, &noise, at)?)?)
    }

    fn sheet(&self, images: Vec<Image>) -> Result<Image> {
        let tiles: Vec<Tile> = images
            .into_iter()
            .zip(&self.captions)
            .map(|(image, caption)| Tile { image, caption: caption.clone() })
            .collect();
        Ok(sheet::contact_sheet(&tiles, &Layout::default())?)
    }
}

/// The part that samples and metrics of a run use: test, or validation if that is empty, or training.
pub(crate) fn part(splits: &Splits) -> Part {
    let parts = [Part::Test, Part::Val, Part::Train];
    parts.into_iter().find(|part| !part.of(splits).is_empty()).unwrap_or(Part::Train)
}

//! The pictures that tell a run's story: the same captions and the same noise, again and again.

use std::path::PathBuf;

use candle_core::Device;
use t2f_data::{Dataset, Splits};
use t2f_gan::Growth;
use t2f_ops::rng::{self, Key};

use crate::error::Result;
use crate::pipeline::{Pipeline, to_pictures};
use crate::run_dir::RunDir;
use crate::schedule::Stage;
use t2f_pictures::picture;
use t2f_pictures::sheet::{self, Layout, Tile};

/// Fixed captions, from the test part, and the seed of the noise of each. Data without a test part
/// gives captions of the validation part or, without that, of the training part.
pub struct Samples {
    captions: Vec<String>,
    indices: Vec<usize>,
    seeds: Vec<u64>,
}

impl Samples {
    /// Chooses `count` captions by the run's key.
    ///
    /// # Errors
    /// If a caption cannot be read.
    pub fn choose(splits: &Splits, count: usize, key: Key) -> Result<Self> {
        let part = part(splits);
        let count = count.min(part.len());
        let mut order = rng::permutation(&mut key.child("samples").rng(), part.len());
        order.truncate(count);
        let captions = order
            .iter()
            .map(|&i| Ok(part.captions(i)?.first().map(|caption| caption.text.clone()).unwrap_or_default()))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { captions, indices: order, seeds: (0..count as u64).collect() })
    }

    /// `reals.png`: the images that the fixed captions describe.
    ///
    /// # Errors
    /// If an image cannot be read or the file cannot be written.
    pub fn write_reals(&self, run: &RunDir, splits: &Splits) -> Result<PathBuf> {
        let part = part(splits);
        let pictures = self.indices.iter().map(|&i| Ok(part.image(i)?)).collect::<Result<Vec<_>>>()?;
        self.write(run, "reals.png", pictures)
    }

    /// `fakes_init.png` or `fakes<KIMG>.png`: what the averaged networks draw for the captions.
    ///
    /// Where another sheet may be of the same thousand images (`exact`), the name has three decimals, so
    /// that each has one of its own.
    ///
    /// # Errors
    /// If the device fails or the file cannot be written.
    pub fn write_fakes(
        &self,
        run: &RunDir,
        pipeline: &Pipeline,
        stage: &Stage,
        images: u64,
        exact: bool,
        device: &Device,
    ) -> Result<PathBuf> {
        let noise = pipeline.noise(&self.seeds, 1.0, device)?;
        let at = Growth { level: stage.level, alpha: stage.alpha };
        let pictures = to_pictures(&pipeline.draw(&self.captions, &noise, at)?)?;
        let name = match images {
            0 => "fakes_init.png".to_owned(),
            _ if exact => format!("fakes{:06}.{:03}.png", images / 1000, images % 1000),
            _ => format!("fakes{:06}.png", images / 1000),
        };
        self.write(run, &name, pictures)
    }

    fn write(&self, run: &RunDir, name: &str, pictures: Vec<t2f_data::Image>) -> Result<PathBuf> {
        let tiles: Vec<Tile> = pictures
            .into_iter()
            .zip(&self.captions)
            .map(|(image, caption)| Tile { image, caption: caption.clone() })
            .collect();
        run.write(name, &picture::to_png(&sheet::contact_sheet(&tiles, &Layout::default())?, None)?)
    }
}

/// The part that is shown.
fn part(splits: &Splits) -> &dyn Dataset {
    let parts = [&splits.test, &splits.val, &splits.train];
    parts.into_iter().find(|part| !part.is_empty()).unwrap_or(&splits.train).as_ref()
}

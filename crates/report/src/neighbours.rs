//! Some generated faces, each beside the training image that is nearest to it.

use t2f_data::Image;
use t2f_metrics::nearest::{SmallImages, neighbours};
use t2f_ops::rng::Key;
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::samples::Samples;

use crate::error::Result;
use crate::run::Run;

/// The number of faces.
const FACES: usize = 8;

/// A generated face and the nearest training image.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) caption: String,
    pub(crate) generated: Image,
    pub(crate) train: Image,
    /// The root mean square of the difference of their pixels, in `[0, 1]`.
    pub(crate) distance: f64,
}

/// The faces of the first captions of the samples, of the seeds 0, 1 and so on, with their nearest training
/// images.
///
/// # Errors
/// If the run has no model, or its data cannot be read.
pub(crate) fn pairs(run: &Run) -> Result<Vec<Pair>> {
    let model = Model::load(&run.path, "cpu", &Components::new())?;
    let splits = run.config.open_data(model.resolution())?;
    let samples = Samples::choose(&splits, FACES, Key::new(run.config.seed))?;
    let captions = samples.captions();
    let seeds: Vec<u64> = (0..captions.len() as u64).collect();
    let generated = model.generate(captions, &seeds, Sampling::default())?;
    let train = splits.train.as_ref();
    let found = neighbours(&SmallImages::of(&generated)?, train)?;
    let pair = |((caption, generated), neighbour): ((&String, Image), t2f_metrics::nearest::Neighbour)| {
        let train = train.image(neighbour.train)?;
        Ok(Pair { caption: caption.clone(), generated, train, distance: neighbour.distance })
    };
    captions.iter().zip(generated).zip(found).map(pair).collect()
}

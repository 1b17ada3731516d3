//! Whether the discriminator tells real from generated images: on training images, and on validation images,
//! which it never trains on. A large gap between the two means that it overfits to the training images.

use std::sync::Arc;

use t2f_data::{Batch, Dataset, Loader};
use t2f_files::json_lines::Row;
use t2f_gan::{Overfitting, held_out_overfitting};
use t2f_ops::rng::Key;

use super::Trainer;
use crate::error::Result;
use crate::schedule::Stage;

/// The maximum number of images of each part.
const MOST: usize = 64;
/// Images shown since the last row for each scored image, so that the scores take about 2 % of the time.
const SHOWN: f64 = 32.0;

/// Scores of real images and of generated ones.
struct Scored {
    real: Vec<f32>,
    fake: Vec<f32>,
}

impl Trainer {
    /// Sets `Scores/D/auc` of training images and, with at least two validation images, `HeldOut/D/auc` and
    /// `HeldOut/D/overfitting`, which adapts the augmentation probability with `augment.adaptive.measure` of
    /// `held-out`. The images are others in each row, a function of the seed and of the number of images shown.
    ///
    /// # Errors
    /// If the device fails. Images that cannot be read give a warning and no value.
    pub(super) fn measure_overfitting(&mut self, row: &mut Row, stage: Stage) -> Result<()> {
        let train = self.scored(row, "Scores/D/auc", &self.splits.train, stage)?;
        let held_out = self.scored(row, "HeldOut/D/auc", &self.splits.val, stage)?;
        let (Some(train), Some(held_out)) = (train, held_out) else { return Ok(()) };
        let measured = held_out_overfitting(&train.real, &held_out.real, &train.fake);
        row.set("HeldOut/D/overfitting", measured);
        if let Some(adaptive) = self.config.augment.adaptive_by(Overfitting::HeldOut) {
            let mut ada = self.state.ada();
            ada.observe(&adaptive, measured, (1000.0 * self.config.output.tick_kimg) as usize);
            self.state.set_ada(ada);
        }
        Ok(())
    }

    /// The scores of images of a part, whose AUC becomes the value `name` of a row.
    fn scored(
        &self,
        row: &mut Row,
        name: &str,
        part: &Arc<dyn Dataset>,
        stage: Stage,
    ) -> Result<Option<Scored>> {
        if part.len() < 2 {
            return Ok(None);
        }
        let key = Key::new(self.config.seed).child(name);
        match self.batches_of(part, stage, key.child("loader")) {
            Ok(batches) => {
                let scored = self.scores_of(&batches, stage, key.child("noise"))?;
                row.set(name, auc(&scored.real, &scored.fake));
                Ok(Some(scored))
            }
            Err(error) => {
                tracing::warn!("{name} is not computed: {error}");
                Ok(None)
            }
        }
    }

    /// Whole batches as in training, at least one, since minibatch statistics depend on the size.
    fn batches_of(&self, part: &Arc<dyn Dataset>, stage: Stage, key: Key) -> t2f_data::Result<Vec<Batch>> {
        let size = stage.batch_size.min(MOST);
        let images = (1000.0 * self.config.output.tick_kimg / SHOWN).min(MOST as f64) as usize;
        let loader = Loader::new(part.clone(), key);
        let position = |batch: usize| self.progress.images + (batch * size) as u64;
        (0..(images / size).max(1))
            .map(|batch| loader.batch(position(batch), size, stage.resolution))
            .collect()
    }

    fn scores_of(&self, batches: &[Batch], stage: Stage, key: Key) -> Result<Scored> {
        let (mut real, mut fake) = (Vec::new(), Vec::new());
        for (batch, place) in batches.iter().zip(0..) {
            let key = key.at(self.progress.step).at(place);
            let (of_real, of_fake) = self.state.scores(batch, stage.growth(), key)?;
            real.extend(of_real);
            fake.extend(of_fake);
        }
        Ok(Scored { real, fake })
    }
}

/// `P(real > fake) + ½ P(real = fake)` over all pairs of scores, in `[0, 1]`: the area under the ROC curve,
/// which is the Mann-Whitney U statistic divided by the number of pairs (Fawcett, An introduction to ROC
/// analysis, 2006, §7). ½ means that the scores do not tell real from generated images; any strictly
/// increasing function of the scores, such as a shift, has the same value. Both must be nonempty.
fn auc(real: &[f32], fake: &[f32]) -> f64 {
    let pair =
        |(real, fake): (f32, f32)| f64::from(u8::from(real > fake)) + 0.5 * f64::from(u8::from(real == fake));
    let sum: f64 = real.iter().flat_map(|&real| fake.iter().map(move |&fake| pair((real, fake)))).sum();
    sum / (real.len() * fake.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::auc;

    #[test]
    fn auc_is_the_fraction_of_pairs_with_the_real_score_above() {
        assert_eq!(auc(&[1.0, 2.0], &[-1.0, 0.0]), 1.0);
        assert_eq!(auc(&[-1.0, 0.0], &[1.0, 2.0]), 0.0);
        // Of six pairs two are above and one is equal.
        assert_eq!(auc(&[0.5, 2.0], &[0.5, 1.0, 3.0]), 2.5 / 6.0);
        assert_eq!(auc(&[7.0; 3], &[7.0; 4]), 0.5);
    }

    #[test]
    fn auc_is_the_same_after_a_shift_and_a_scaling() {
        let (real, fake) = ([0.25, 1.5, -2.0, 3.0], [1.0, -0.5, 2.5]);
        let moved = |scores: &[f32]| scores.iter().map(|score| 4.0 * score - 16.0).collect::<Vec<_>>();
        assert_eq!(auc(&real, &fake), auc(&moved(&real), &moved(&fake)));
        assert_eq!(auc(&real, &fake), 1.0 - auc(&fake, &real));
    }
}

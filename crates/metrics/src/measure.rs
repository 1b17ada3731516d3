//! All metrics of a model, in one pass over the faces that it draws.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use t2f_data::{Dataset, Image, Splits};
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::faces::{FaceScores, FaceTest};
use crate::features::FeatureExtractor;
use crate::memorisation::{Memorisation, memorisation};
use crate::ms_ssim::ms_ssim_of_pairs;
use crate::oracle::Oracle;
use crate::retrieval::{Retrieval, RetrievalConfig, retrieval};
use crate::sample::{Draw, Request, draw_each, read_each};
use crate::sliced_wasserstein::{LevelDistance, mean_of_levels, sliced_wasserstein};
use crate::statistics::{Distances, Statistics};

/// Metrics that are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What a face shows, held against its caption: drawn faces only.
    Faces,
    /// Fréchet and kernel distance, precision, recall, density, coverage, Inception score.
    Features,
    /// The sliced Wasserstein distance.
    Swd,
    /// Multi-scale structural similarity of pairs.
    MsSsim,
    /// Nearest training pictures.
    Memorisation,
    /// R-precision.
    Retrieval,
}

/// What is measured, on what, and by what.
pub struct Plan<'a> {
    /// The model.
    pub draw: &'a Draw<'a>,
    /// The data that it was trained on.
    pub splits: &'a Splits,
    /// Where captions and real pictures are from: `test`, `val` or `train`.
    pub split: &'a str,
    /// Captions and seeds.
    pub request: &'a Request,
    /// What is computed.
    pub groups: &'a BTreeSet<Group>,
    /// What sees the factors of drawn faces; without it there is no [`Group::Faces`].
    pub oracle: Option<&'a Oracle>,
    /// What distances are measured in.
    pub extractors: &'a [&'a dyn FeatureExtractor],
    /// A folder for the statistics of real pictures and for what is trained to measure.
    pub cache: Option<&'a Path>,
    /// Seed of the first face, and of everything that is drawn to measure.
    pub seed: u64,
}

/// Distances in one extractor's features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureScores {
    /// The extractor's hash.
    pub features_hash: String,
    /// The filter that pictures were resized with.
    pub resize: String,
    /// Between the drawn pictures and the real ones of the split.
    pub drawn: Distances,
    /// Between as many training pictures and the real ones of the split: what a perfect generator
    /// reaches. `None` where the split is `train`.
    pub train: Option<Distances>,
}

/// The sliced Wasserstein distance at each level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SwdScores {
    /// The mean over levels, times 1000.
    pub mean_x1000: f64,
    /// Level by level.
    pub levels: Vec<LevelDistance>,
    /// Pictures on each side.
    pub pictures: usize,
}

/// Structural similarity of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimilarityScores {
    /// Of drawn pictures, the first of each caption.
    pub drawn: Estimate,
    /// Of as many real pictures of the split.
    pub real: Estimate,
    /// Drawn pictures that were paired.
    pub pictures: usize,
}

/// All that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measurement {
    /// [`Group::Faces`].
    pub faces: Option<FaceScores>,
    /// [`Group::Features`], by the extractor's name.
    pub features: BTreeMap<String, FeatureScores>,
    /// [`Group::Swd`].
    pub swd: Option<SwdScores>,
    /// [`Group::MsSsim`].
    pub ms_ssim: Option<SimilarityScores>,
    /// [`Group::Memorisation`].
    pub memorisation: Option<Memorisation>,
    /// [`Group::Retrieval`].
    pub retrieval: Option<Retrieval>,
}

/// The part of the data of a name.
///
/// # Errors
/// If there is none of that name.
pub fn part<'a>(splits: &'a Splits, name: &str) -> Result<&'a dyn Dataset> {
    match name {
        "train" => Ok(splits.train.as_ref()),
        "val" => Ok(splits.val.as_ref()),
        "test" => Ok(splits.test.as_ref()),
        _ => Err(Error::Config(format!("split `{name}`, expected test, val or train"))),
    }
}

impl Plan<'_> {
    /// Draws the faces and computes what was asked for.
    ///
    /// # Errors
    /// If faces are to be judged without an oracle; those of drawing, of the data and of each
    /// metric.
    pub fn run(&self) -> Result<Measurement> {
        let has = |group| self.groups.contains(&group);
        let data = part(self.splits, self.split)?;
        let extractors = if has(Group::Features) { self.extractors } else { &[] };
        let keep = has(Group::Swd) || has(Group::MsSsim) || has(Group::Memorisation) || has(Group::Retrieval);
        let mut statistics = vec![Statistics::default(); extractors.len()];
        let mut drawn: Vec<Image> = Vec::new();
        let mut each = |images: &[Image]| -> Result<()> {
            for (statistics, extractor) in statistics.iter_mut().zip(extractors) {
                statistics.add(*extractor, images)?;
            }
            if keep {
                drawn.extend_from_slice(images);
            }
            Ok(())
        };
        let mut measurement = Measurement::default();
        if has(Group::Faces) {
            let oracle =
                self.oracle.ok_or_else(|| Error::State("faces are judged without an oracle".into()))?;
            let (draw, seed) = (self.draw, self.seed);
            // The words of this part are those of `test`: beside others, words would count, too.
            let test_comb = self.splits.test_comb.as_deref().filter(|_| self.split == "test");
            let test = FaceTest { draw, oracle, test: data, test_comb, seed };
            measurement.faces = Some(test.measure(self.request, &mut each)?);
        } else {
            draw_each(self.draw, &self.request.texts(), &self.request.seeds(), &mut each)?;
        }
        for (statistics, extractor) in statistics.iter().zip(extractors) {
            let scores = self.distances(*extractor, data, statistics)?;
            measurement.features.insert(extractor.name().into(), scores);
        }
        let key = Key::new(self.seed);
        if has(Group::Swd) {
            let pictures = drawn.len().min(data.len());
            let fakes = self.across_captions(&drawn, pictures);
            let levels = sliced_wasserstein(&first(data, pictures)?, &fakes, key.child("swd"))?;
            measurement.swd = Some(SwdScores { mean_x1000: mean_of_levels(&levels), levels, pictures });
        }
        if has(Group::MsSsim) {
            let of = |images: &[Image]| ms_ssim_of_pairs(images, key.child("ms-ssim"));
            let pictures = self.request.len();
            let (drawn, real) = (of(&self.across_captions(&drawn, pictures))?, of(&first(data, pictures)?)?);
            measurement.ms_ssim = Some(SimilarityScores { drawn, real, pictures });
        }
        if has(Group::Memorisation) {
            let (faces, train) = (self.request.faces(), self.splits.train.as_ref());
            let scores = memorisation(&drawn, faces, train, key.child("memorisation"))?;
            measurement.memorisation = Some(scores);
        }
        if has(Group::Retrieval) {
            let config = RetrievalConfig { seed: self.seed, ..RetrievalConfig::default() };
            let train = self.splits.train.as_ref();
            measurement.retrieval = Some(retrieval(&config, train, data, self.request, &drawn, self.cache)?);
        }
        Ok(measurement)
    }

    /// The first of the drawn pictures, in an order in which a caption comes again only after all
    /// others.
    fn across_captions(&self, drawn: &[Image], count: usize) -> Vec<Image> {
        let faces = self.request.faces();
        let order = (0..faces).flat_map(|face| drawn.iter().skip(face).step_by(faces));
        order.take(count).cloned().collect()
    }

    fn distances(
        &self,
        extractor: &dyn FeatureExtractor,
        data: &dyn Dataset,
        drawn: &Statistics,
    ) -> Result<FeatureScores> {
        let key = Key::new(self.seed).child("distances");
        let real = Statistics::of_data(data, data.len(), extractor, self.cache)?;
        let train = match self.split {
            "train" => None,
            _ => {
                let train = self.splits.train.as_ref();
                let train = Statistics::of_data(train, drawn.count(), extractor, self.cache)?;
                Some(real.distances(&train, key)?)
            }
        };
        Ok(FeatureScores {
            features_hash: extractor.hash().into(),
            resize: extractor.resize(data.resolution()).into(),
            drawn: real.distances(drawn, key)?,
            train,
        })
    }
}

/// The first pictures of a dataset.
fn first(data: &dyn Dataset, count: usize) -> Result<Vec<Image>> {
    let mut all = Vec::new();
    let images: Vec<usize> = (0..count.min(data.len())).collect();
    read_each(data, &images, &mut |images| {
        all.extend_from_slice(images);
        Ok(())
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use t2f_data::{DataConfig, ProceduralConfig};

    use super::*;

    /// Metrics of a generator that draws the splits' own pictures: of each caption always the same.
    fn measure(split: &str, faces: usize, groups: &[Group]) -> Result<Measurement> {
        let sizes =
            ProceduralConfig { train_images: 24, val_images: 24, test_images: 80, ..Default::default() };
        let splits = DataConfig::Procedural(sizes).open(32)?;
        let data = part(&splits, split)?;
        let request = Request::first(data, 24, faces, 0)?;
        let draw = |_: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
            Ok(seeds
                .iter()
                .map(|&seed| data.image(seed as usize / faces % data.len()))
                .collect::<t2f_data::Result<_>>()?)
        };
        let oracle = Oracle::embedded(32)?;
        let groups = groups.iter().copied().collect();
        let plan = Plan {
            draw: &draw,
            splits: &splits,
            split,
            request: &request,
            groups: &groups,
            oracle: oracle.as_ref(),
            extractors: &[],
            cache: None,
            seed: 0,
        };
        plan.run()
    }

    #[test]
    fn similarity_and_distance_are_across_captions_however_many_faces_a_caption_has() -> Result<()> {
        let groups = [Group::MsSsim, Group::Swd];
        let (one, two) = (measure("val", 1, &groups)?, measure("val", 2, &groups)?);
        let similar = two.ms_ssim.as_ref().unwrap();
        assert_eq!((similar.pictures, similar.drawn), (24, similar.real));
        assert!(similar.drawn.value < 0.9, "faces of one caption, which are equal, are no pair: {similar:?}");
        // 24 of 48 faces are held against 24 pictures: one of each caption.
        assert_eq!((&two.ms_ssim, &two.swd), (&one.ms_ssim, &one.swd));
        Ok(())
    }

    #[test]
    fn the_composition_gap_is_of_captions_in_the_words_of_the_test_part() -> Result<()> {
        let of = |split| Ok::<_, Error>(measure(split, 1, &[Group::Faces])?.faces.unwrap().composition);
        assert!(of("test")?.is_some() && of("val")?.is_none() && of("train")?.is_none());
        Ok(())
    }
}

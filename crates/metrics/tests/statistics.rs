//! Distances between sets of images in the features of the oracle, and the cache of statistics.

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{Dataset, Image};
use t2f_metrics::Result;
use t2f_metrics::features::{FeatureExtractor, OracleFeatures};
use t2f_metrics::oracle::Oracle;
use t2f_metrics::statistics::Statistics;
use t2f_ops::rng::Key;

fn faces(split: Split, len: usize) -> ProceduralFaces {
    ProceduralFaces::new(split, 11, len, 32)
}

fn oracle() -> Oracle {
    Oracle::embedded(32).unwrap().unwrap()
}

#[test]
fn two_samples_of_the_data_are_nearer_than_faded_images() -> Result<()> {
    let oracle = oracle();
    let features = OracleFeatures::new(&oracle);
    let train = Statistics::of_data(&faces(Split::Train, 200), 200, &features, None)?;
    let test = Statistics::of_data(&faces(Split::Test, 200), 200, &features, None)?;
    let faded: Vec<Image> = (0..200)
        .map(|index| {
            let mut image = faces(Split::Val, 200).image(index).unwrap();
            image.pixels.iter_mut().for_each(|byte| *byte = *byte / 2 + 64);
            image
        })
        .collect();
    let mut far = Statistics::default();
    far.add(&features, &faded[..150])?;
    far.add(&features, &faded[150..])?;
    let near = test.distances(&train, Key::new(1))?;
    let far = test.distances(&far, Key::new(1))?;
    assert_eq!((near.real, near.generated, far.generated), (200, 200, 200));
    let (near_kernel, far_kernel) = (near.kernel.distance, far.kernel.distance);
    assert!(near_kernel.low < 0.0 && 0.0 < near_kernel.high, "{near:?}");
    assert!(far_kernel.low > near_kernel.high, "{near:?} {far:?}");
    assert!(far.frechet > near.frechet && near.frechet > 0.0, "{near:?} {far:?}");
    let (near, far) = (near.neighbourhood.unwrap(), far.neighbourhood.unwrap());
    assert!(near.coverage.value > 0.9 && near.precision.value > 0.6 && near.recall.value > 0.6, "{near:?}");
    assert!(
        far.coverage.value < near.coverage.value || far.recall.value < near.recall.value,
        "{near:?} {far:?}"
    );
    Ok(())
}

#[test]
fn cached_statistics_equal_computed_ones_and_are_keyed_by_content() -> Result<()> {
    let (oracle, folder) = (oracle(), tempfile::tempdir().unwrap());
    let features = OracleFeatures::new(&oracle);
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let of = |len: usize, count| {
        Statistics::of_data(&faces(Split::Test, len), count, &features, Some(folder.path()))
    };
    let made = of(20, 20)?;
    assert_eq!(entries(), 1);
    let read = of(20, 20)?;
    assert_eq!((entries(), made.count(), read.count()), (1, 20, 20));
    assert_eq!(made.kept()?.to_vec2::<f32>()?, read.kept()?.to_vec2::<f32>()?);
    let apart = made.distances(&read, Key::new(0))?;
    assert!(apart.frechet.abs() < 1e-6, "{apart:?}");
    of(20, 12)?;
    of(21, 20)?;
    assert_eq!(entries(), 3, "another count and another dataset are other statistics");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::write(entry.unwrap().path(), b"torn").unwrap();
    }
    assert_eq!(of(20, 20)?.kept()?.to_vec2::<f32>()?, made.kept()?.to_vec2::<f32>()?);
    Ok(())
}

#[test]
fn images_of_another_size_are_resized_and_the_filter_is_named() -> Result<()> {
    let oracle = oracle();
    let features = OracleFeatures::new(&oracle);
    assert_eq!(
        ["none", "box", "pil-bicubic", "pil-bicubic"],
        [32, 64, 48, 16].map(|from| features.resize(from))
    );
    let of_side = |side| ProceduralFaces::new(Split::Test, 11, 4, side).image(0);
    let small = faces(Split::Test, 4).image(0)?;
    let other = faces(Split::Test, 4).image(1)?;
    let extract = |image: &Image| -> Result<_> { Ok(features.extract(std::slice::from_ref(image))?.rows) };
    let apart = |a: &Image, b: &Image| -> Result<f32> {
        Ok(extract(a)?.sub(&extract(b)?)?.sqr()?.sum_all()?.to_scalar()?)
    };
    for side in [64, 128, 48] {
        let same = apart(&of_side(side)?, &small)?;
        assert!(same < 0.5 * apart(&other, &small)?, "the same face of {side} pixels is {same} apart");
    }
    let wide = Image::filled(32, 16, [0; 3]);
    assert!(features.extract(&[wide]).err().unwrap().to_string().contains("square"));
    Ok(())
}

//! Memorisation: copies are found, and new faces are no copies.

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{Dataset, Image};
use t2f_metrics::Result;
use t2f_metrics::memorisation::{Memorisation, memorisation};
use t2f_metrics::nearest::SmallImages;
use t2f_ops::rng::Key;

fn images(data: &dyn Dataset, indices: impl Iterator<Item = usize>) -> Vec<Image> {
    indices.map(|index| data.image(index).unwrap()).collect()
}

fn compared(generated: &[Image], per_caption: usize, train: &dyn Dataset) -> Result<Memorisation> {
    memorisation(&SmallImages::of(generated)?, per_caption, train, None, None, Key::new(0))
}

#[test]
fn copies_are_found_and_named() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 150, 32);
    let mut copies = images(&train, [70, 3, 149, 20].into_iter());
    copies[3].pixels.iter_mut().for_each(|byte| *byte = byte.saturating_add(2));
    let found = compared(&copies, 1, &train)?;
    assert_eq!(found.near_copies.value, 1.0);
    assert!(found.ratio.high < 0.1 && found.generated_median < 0.01, "{found:?}");
    let named: Vec<usize> = found.nearest.iter().map(|pair| pair.train).collect();
    assert_eq!((named.len(), named[3], found.nearest[3].generated), (4, 20, 3));
    // The values differ by 2 of 255, except those that saturate.
    assert!((found.nearest[3].distance - 2.0 / 255.0).abs() < 1e-3, "{found:?}");
    assert!(found.nearest[0].distance < 1e-6);
    Ok(())
}

#[test]
fn new_faces_are_as_far_as_training_faces_from_each_other() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 300, 64);
    let test = ProceduralFaces::new(Split::Test, 2, 100, 64);
    let found = compared(&images(&test, 0..100), 1, &train)?;
    assert!((found.ratio.value - 1.0).abs() < 0.15, "{found:?}");
    assert!(found.near_copies.value < 0.1 && found.train_median > 0.02, "{found:?}");
    assert!(found.nearest.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    assert!(compared(&[], 1, &train).is_err());
    Ok(())
}

#[test]
fn equal_images_of_a_caption_do_not_narrow_the_interval() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 40, 32);
    let test = ProceduralFaces::new(Split::Test, 2, 40, 32);
    let once = compared(&images(&test, 0..40), 1, &train)?;
    let twice = images(&test, (0..80).map(|i| i / 2));
    let twice = |faces: usize| compared(&twice, faces, &train);
    let found = twice(2)?;
    assert_eq!((found.ratio, found.near_copies), (once.ratio, once.near_copies));
    assert!(twice(3).is_err() && twice(0).is_err(), "80 faces are not 3, and not 0, of each caption");
    Ok(())
}

#[test]
fn real_images_are_compared_as_generated_ones_and_their_distances_are_cached() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 120, 32);
    let test = ProceduralFaces::new(Split::Test, 2, 60, 32);
    let folder = tempfile::tempdir().unwrap();
    let of = |generated: &[Image]| {
        memorisation(&SmallImages::of(generated)?, 1, &train, Some(&test), Some(folder.path()), Key::new(0))
    };
    // A generator of the split's own images has the values of real images.
    let own = of(&images(&test, 0..40))?;
    let real = own.real.unwrap();
    assert_eq!((real.images, own.train_images), (40, 120));
    assert_eq!((real.ratio.value, real.near_copies.value), (own.ratio.value, own.near_copies.value));
    assert_eq!(real.median, own.generated_median);
    let entries = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let written: Vec<_> = entries().collect();
    assert_eq!(written.len(), 1);
    // The cached distances give the same numbers, and a damaged file is computed again.
    assert_eq!(of(&images(&test, 0..40))?, own);
    let copies = of(&images(&train, 0..40))?;
    assert_eq!((copies.real, copies.near_copies.value), (own.real, 1.0));
    std::fs::write(&written[0], b"torn").unwrap();
    assert_eq!(of(&images(&test, 0..40))?, own);
    of(&images(&test, 0..20))?;
    assert_eq!(entries().count(), 2, "another number of images is another result");
    Ok(())
}

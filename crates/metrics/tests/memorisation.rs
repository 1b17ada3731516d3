//! Memorisation: copies are found, and new faces are no copies.

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{Dataset, Image};
use t2f_metrics::Result;
use t2f_metrics::memorisation::memorisation;
use t2f_ops::rng::Key;

fn images(data: &dyn Dataset, indices: impl Iterator<Item = usize>) -> Vec<Image> {
    indices.map(|index| data.image(index).unwrap()).collect()
}

#[test]
fn copies_are_found_and_named() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 150, 32);
    let mut copies = images(&train, [70, 3, 149, 20].into_iter());
    copies[3].pixels.iter_mut().for_each(|byte| *byte = byte.saturating_add(2));
    let found = memorisation(&copies, 1, &train, Key::new(0))?;
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
    let found = memorisation(&images(&test, 0..100), 1, &train, Key::new(0))?;
    assert!((found.ratio.value - 1.0).abs() < 0.15, "{found:?}");
    assert!(found.near_copies.value < 0.1 && found.train_median > 0.02, "{found:?}");
    assert!(found.nearest.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    assert!(memorisation(&[], 1, &train, Key::new(0)).is_err());
    Ok(())
}

#[test]
fn equal_images_of_a_caption_do_not_narrow_the_interval() -> Result<()> {
    let train = ProceduralFaces::new(Split::Train, 2, 40, 32);
    let test = ProceduralFaces::new(Split::Test, 2, 40, 32);
    let once = memorisation(&images(&test, 0..40), 1, &train, Key::new(0))?;
    let twice = images(&test, (0..80).map(|i| i / 2));
    let twice = |faces: usize| memorisation(&twice, faces, &train, Key::new(0));
    let found = twice(2)?;
    assert_eq!((found.ratio, found.near_copies), (once.ratio, once.near_copies));
    assert!(twice(3).is_err() && twice(0).is_err(), "80 faces are not 3, and not 0, of each caption");
    Ok(())
}

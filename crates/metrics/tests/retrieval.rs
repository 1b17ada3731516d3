//! R-precision with the head that is trained for it.

use std::sync::Arc;

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{Cached, Dataset, Image};
use t2f_metrics::Result;
use t2f_metrics::request::GenerationRequest;
use t2f_metrics::retrieval::{RetrievalConfig, retrieval};

#[test]
fn captions_of_own_images_are_retrieved_and_a_trained_head_is_cached() -> Result<()> {
    // The head overfits a few faces in seconds; generalisation takes minutes.
    let train = Cached::new(Arc::new(ProceduralFaces::new(Split::Train, 8, 32, 32)), 1 << 20);
    let config = RetrievalConfig { steps: 90, epochs: 90, batch: 32, lr: 4e-3, ..RetrievalConfig::default() };
    let request = GenerationRequest::first(&train, 32, 1, 0)?;
    let own: Vec<Image> = (0..32).map(|index| train.image(index).unwrap()).collect();
    let mut others = own.clone();
    others.rotate_left(7);
    let cache = tempfile::tempdir().unwrap();
    let measure = |images: &[Image]| retrieval(&config, &train, &train, &request, images, Some(cache.path()));
    let right = measure(&own)?;
    let entry = || std::fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let written = std::fs::metadata(entry()).unwrap().modified().unwrap();
    let wrong = measure(&others)?;
    assert_eq!(std::fs::metadata(entry()).unwrap().modified().unwrap(), written, "read, not trained again");
    assert_eq!((&right.features_hash, &right.real), (&wrong.features_hash, &wrong.real));
    assert_eq!((right.generated, right.candidates, right.random), (right.real, 32, 1.0 / 32.0));
    // Here the images of the request are the training images, whatever is generated.
    assert_eq!((right.train, wrong.train), (Some(right.real), Some(right.real)));
    assert!(right.generated.value > 0.4, "{right:?}");
    assert!(wrong.generated.value < 0.2, "{wrong:?}");
    assert!(measure(&own[..5]).is_err());
    Ok(())
}

//! Batches: a pure function of key and position, whoever computes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::Device;
use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{
    Attributes, Cached, Caption, Dataset, Dropping, Error, Image, Loader, Prefetch, Request, Result, Subset,
};
use t2f_ops::rng::Key;

fn faces(len: usize) -> Arc<dyn Dataset> {
    Arc::new(ProceduralFaces::new(Split::Train, 0, len, 16))
}

/// Flat images that show their index; the odd ones fail to load when `broken`.
struct Plain {
    len: usize,
    broken: bool,
}

impl Dataset for Plain {
    fn name(&self) -> &str {
        "plain"
    }
    fn len(&self) -> usize {
        self.len
    }
    fn resolution(&self) -> usize {
        8
    }
    fn image(&self, index: usize) -> Result<Image> {
        if self.broken && index % 2 == 1 {
            return Err(Error::File { path: index.to_string().into(), reason: "gone".into() });
        }
        Ok(Image::filled(8, 8, [index as u8, 0, 255]))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        Ok((0..3).map(|i| Caption::unlabelled(format!("{index} {i}"))).collect())
    }
    fn attributes(&self, _: usize) -> Option<Attributes> {
        None
    }
    fn fingerprint(&self) -> String {
        format!("plain-{}", self.len)
    }
}

fn plain(len: usize) -> Arc<dyn Dataset> {
    Arc::new(Plain { len, broken: false })
}

#[test]
fn each_epoch_shows_every_image_once_in_an_order_of_its_own() {
    let loader = Loader::new(plain(10), Key::new(1));
    let epoch = |n: u64| loader.batch(n * 10, 10, 8).unwrap().indices;
    let (first, second) = (epoch(0), epoch(1));
    assert_ne!(first, second);
    for order in [first, second] {
        assert_eq!(order.into_iter().collect::<BTreeSet<_>>().len(), 10);
    }
}

#[test]
fn the_size_of_batches_does_not_change_the_stream() {
    let loader = Loader::new(faces(7), Key::new(2));
    let whole = loader.batch(0, 20, 8).unwrap();
    let mut pieces = (Vec::new(), Vec::new(), Vec::new());
    for (position, size) in [(0, 3), (3, 11), (14, 6)] {
        // A new loader each time: nothing is carried from batch to batch.
        let piece = Loader::new(faces(7), Key::new(2)).batch(position, size, 8).unwrap();
        pieces.0.extend(piece.indices);
        pieces.1.extend(piece.captions);
        pieces.2.extend(piece.images);
    }
    assert_eq!((whole.indices, whole.captions, whole.images), pieces);
}

#[test]
fn any_number_of_workers_yields_the_same_batches_in_the_order_of_requests() {
    let loader = Arc::new(Loader::new(faces(9), Key::new(3)));
    let requests: Vec<Request> = (0..12u64)
        .map(|i| Request { position: i * 4, size: 4, resolution: if i < 6 { 8 } else { 16 } })
        .collect();
    let direct: Vec<_> =
        requests.iter().map(|r| loader.batch(r.position, r.size, r.resolution).unwrap()).collect();
    for workers in [1, 3] {
        let fetched: Result<Vec<_>> = Prefetch::new(loader.clone(), requests.clone(), workers).collect();
        assert_eq!(fetched.unwrap(), direct, "{workers} workers");
    }
    // An endless supply of requests ends with its reader.
    let endless = (0u64..).map(|i| Request { position: i * 4, size: 4, resolution: 8 });
    let taken: Vec<_> = Prefetch::new(loader, endless, 2).take(3).map(|batch| batch.unwrap()).collect();
    assert_eq!(taken, direct[..3]);
}

#[test]
fn a_mismatched_caption_is_never_a_siblings() {
    let loader = Loader::new(plain(6), Key::new(4));
    let batch = loader.batch(0, 60, 8).unwrap();
    let mut captions = BTreeMap::<usize, BTreeSet<String>>::new();
    for (i, index) in batch.indices.iter().enumerate() {
        assert!(batch.captions[i].starts_with(&format!("{index} ")));
        assert!(!batch.mismatched[i].starts_with(&format!("{index} ")) && !batch.mismatched[i].is_empty());
        captions.entry(*index).or_default().insert(batch.captions[i].clone());
    }
    assert!(captions.values().map(BTreeSet::len).max() > Some(1), "other epochs draw other captions");
}

#[test]
fn a_mismatched_caption_is_false_where_that_is_known() {
    let dataset = faces(40);
    let batch = Loader::new(dataset.clone(), Key::new(5)).batch(0, 200, 4).unwrap();
    let mut known = BTreeMap::new();
    for index in 0..40 {
        known.extend(
            dataset.captions(index).unwrap().into_iter().map(|caption| (caption.text, caption.claims)),
        );
    }
    for (attributes, mismatched) in batch.attributes.iter().zip(&batch.mismatched) {
        assert!(known[mismatched].contradicts(attributes.as_ref().unwrap()), "{mismatched}");
    }
    for (claims, attributes) in batch.claims.iter().zip(&batch.attributes) {
        assert!(claims.holds(attributes.as_ref().unwrap()));
    }
}

/// The image's own caption with a claim made false: one factor of a face without reserved pairs was
/// changed, so no combination kept for testing is spoken of.
#[test]
fn a_hard_negative_is_the_images_own_caption_with_one_thing_false() {
    let dataset = faces(40);
    let seen = Loader::new(dataset.clone(), Key::new(5)).batch(0, 120, 4).unwrap();
    for (share, least, most) in [(0.0, 0, 0), (0.5, 30, 90), (1.0, 110, 120)] {
        let cached: Arc<dyn Dataset> = Arc::new(Cached::new(dataset.clone(), 0));
        let all: Arc<dyn Dataset> = Arc::new(Subset::new(cached, (0..40).collect()).unwrap());
        let loader = Loader::new(all, Key::new(5)).with_hard_negatives(share);
        let batch = loader.batch(0, 120, 4).unwrap();
        assert_eq!(batch.captions, seen.captions, "nothing else changes");
        let others: BTreeSet<&String> = seen.mismatched.iter().chain(&seen.captions).collect();
        let altered = batch.mismatched.iter().filter(|text| !others.contains(text)).count();
        assert!((least..=most).contains(&altered), "share {share}: {altered}");
        assert_eq!(loader.batch(0, 120, 4).unwrap(), batch);
    }
    for index in 0..40 {
        let face = dataset.attributes(index).unwrap();
        for (place, caption) in dataset.captions(index).unwrap().iter().enumerate() {
            for draw in 0..5 {
                let Some(altered) = dataset.altered(index, place, Key::new(draw)).unwrap() else { continue };
                assert!(altered.claims.contradicts(&face), "{}", altered.text);
                assert_ne!(altered.text, caption.text);
                let shared =
                    altered.claims.claims.iter().filter(|claim| caption.claims.claims.contains(claim));
                assert!(
                    shared.count() + 4 > caption.claims.claims.len(),
                    "{} / {}",
                    altered.text,
                    caption.text
                );
            }
        }
    }
    assert_eq!(plain(3).altered(0, 0, Key::new(1)).unwrap(), None);
}

#[test]
fn captions_and_words_are_dropped_and_nothing_else_changes() {
    let seen = Loader::new(faces(40), Key::new(5)).batch(0, 400, 4).unwrap();
    let loader =
        |captions, words| Loader::new(faces(40), Key::new(5)).with_dropping(Dropping { captions, words });
    let nothing = loader(1.0, 0.0).batch(0, 8, 4).unwrap();
    assert!(nothing.captions.iter().all(String::is_empty));
    let batch = loader(0.25, 0.2).batch(0, 400, 4).unwrap();
    assert_eq!((&batch.images, &batch.mismatched), (&seen.images, &seen.mismatched));
    assert_eq!(loader(0.25, 0.2).batch(8, 8, 4).unwrap().captions, batch.captions[8..16]);
    let (mut empty, mut words, mut kept) = (0, 0, 0);
    for (at, whole) in seen.captions.iter().enumerate() {
        let left = &batch.captions[at];
        if left.is_empty() {
            assert!(batch.claims[at].is_empty(), "an empty caption claims nothing");
            empty += 1;
            continue;
        }
        assert_eq!(batch.claims[at], seen.claims[at]);
        words += whole.split_whitespace().count();
        kept += left.split_whitespace().count();
        // What is left is in the order in which it was.
        let mut rest = whole.split_whitespace();
        assert!(left.split_whitespace().all(|word| rest.any(|other| other == word)), "{left} / {whole}");
    }
    assert!((70..=130).contains(&empty), "{empty} of 400");
    let share = 1.0 - kept as f64 / words as f64;
    assert!((0.15..0.25).contains(&share), "{share} of the words");
}

#[test]
fn images_are_averaged_down_and_scaled() {
    let loader = Loader::new(plain(4), Key::new(6));
    let batch = loader.batch(0, 4, 2).unwrap();
    let images = batch.images(&Device::Cpu).unwrap();
    assert_eq!(images.dims(), [4, 3, 2, 2]);
    for (image, index) in batch.images.chunks(12).zip(&batch.indices) {
        let red = *index as f32 / 127.5 - 1.0;
        assert!(image[..4].iter().all(|x| (x - red).abs() < 1e-6));
        assert!(image[4..8].iter().all(|x| *x == -1.0) && image[8..].iter().all(|x| (x - 1.0).abs() < 1e-6));
    }
}

#[test]
fn unreadable_images_are_replaced_counted_and_do_not_end_the_run() {
    let loader = Loader::new(Arc::new(Plain { len: 20, broken: true }), Key::new(7));
    let batch = loader.batch(0, 20, 8).unwrap();
    assert!(batch.indices.iter().all(|index| index % 2 == 0));
    assert!(batch.substituted >= 10);
    assert_eq!(batch.len(), 20);
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let loader = Loader::new(plain(4), Key::new(8));
    let message = |result: Result<t2f_data::Batch>| result.unwrap_err().to_string();
    assert_eq!(message(loader.batch(0, 2, 3)), "`resolution` is 3: expected 8 divided by a power of two");
    assert!(message(loader.batch(0, 2, 16)).contains("expected 8 divided"));
    assert!(message(loader.batch(0, 2, 0)).contains("expected 8 divided"));
    assert!(message(loader.batch(0, 0, 8)).contains("at least 1 image"));
    assert!(message(Loader::new(plain(1), Key::new(8)).batch(0, 1, 8)).contains("fewer than two images"));
}

//! Batches as a pure function of key and position.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::Device;
use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{
    Attribute, Attributes, Batch, Cached, Caption, CaptionDropout, Claims, Dataset, Error, Image, Item,
    Loader, LoaderConfig, Observation, Prefetch, Request, Result, Schema, SplitConfig, Splits, Subset,
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
            return Err(Error::File { path: index.to_string().into(), source: "gone".into() });
        }
        Ok(Image::filled(8, 8, [index as u8, 0, 255]))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        Ok((0..3).map(|i| Caption::unlabelled(format!("{index} {i}"))).collect())
    }
    fn fingerprint(&self) -> String {
        format!("plain-{}", self.len)
    }
}

fn indices(batch: &Batch) -> Vec<usize> {
    batch.items.iter().map(|item| item.index).collect()
}

fn plain(len: usize) -> Arc<dyn Dataset> {
    Arc::new(Plain { len, broken: false })
}

#[test]
fn each_epoch_shows_every_image_once_in_an_order_of_its_own() {
    let loader = Loader::new(plain(10), Key::new(1));
    let epoch = |n: u64| indices(&loader.batch(n * 10, 10, 8).unwrap());
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
        pieces.0.extend(indices(&piece));
        pieces.1.extend(piece.captions());
        pieces.2.extend(piece.pixels);
    }
    assert_eq!((indices(&whole), whole.captions(), whole.pixels), pieces);
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
    for Item { index, caption, mismatched, .. } in &batch.items {
        assert!(caption.starts_with(&format!("{index} ")));
        assert!(!mismatched.starts_with(&format!("{index} ")) && !mismatched.is_empty());
        captions.entry(*index).or_default().insert(caption.clone());
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
    for Item { attributes, mismatched, claims, .. } in &batch.items {
        let attributes = attributes.as_ref().unwrap();
        assert!(known[mismatched].contradicts(attributes), "{mismatched}");
        assert!(claims.holds(attributes));
    }
}

#[test]
fn a_hard_negative_is_the_images_own_caption_with_one_false_claim() {
    let dataset = faces(40);
    let seen = Loader::new(dataset.clone(), Key::new(5)).batch(0, 120, 4).unwrap();
    for (share, least, most) in [(0.0, 0, 0), (0.5, 30, 90), (1.0, 110, 120)] {
        let cached: Arc<dyn Dataset> = Arc::new(Cached::new(dataset.clone(), 0));
        let all: Arc<dyn Dataset> = Arc::new(Subset::new(cached, (0..40).collect()).unwrap());
        let loader = Loader::new(all, Key::new(5)).with_hard_negatives(share);
        let batch = loader.batch(0, 120, 4).unwrap();
        assert_eq!(batch.captions(), seen.captions(), "nothing else changes");
        let others: BTreeSet<String> = seen.mismatched().into_iter().chain(seen.captions()).collect();
        let negatives = batch.mismatched().iter().filter(|text| !others.contains(*text)).count();
        assert!((least..=most).contains(&negatives), "share {share}: {negatives}");
        assert_eq!(loader.batch(0, 120, 4).unwrap(), batch);
    }
    for index in 0..40 {
        let face = dataset.attributes(index).unwrap();
        for (place, caption) in dataset.captions(index).unwrap().iter().enumerate() {
            for draw in 0..5 {
                let negative = dataset.hard_negative(index, place, Key::new(draw)).unwrap();
                let Some(Caption { text, claims }) = negative else { continue };
                assert!(claims.contradicts(&face) && text != caption.text, "{text}");
                let shared = claims.iter().filter(|claim| caption.claims.iter().any(|own| own == *claim));
                assert!(shared.count() + 4 > caption.claims.len(), "{text} / {}", caption.text);
            }
        }
    }
    assert_eq!(plain(3).hard_negative(0, 0, Key::new(1)).unwrap(), None);
}

#[test]
fn captions_and_words_are_dropped_and_nothing_else_changes() {
    let seen = Loader::new(faces(40), Key::new(5)).batch(0, 400, 4).unwrap();
    let loader = |caption_dropout, word_dropout| {
        let config = LoaderConfig { caption_dropout, word_dropout, ..LoaderConfig::default() };
        Loader::from_config(faces(40), &config, Key::new(5)).unwrap()
    };
    let nothing = loader(1.0, 0.0).batch(0, 8, 4).unwrap();
    assert!(nothing.captions().iter().all(String::is_empty));
    assert_eq!(nothing.full_captions(), seen.captions()[..8]);
    let batch = loader(0.25, 0.2).batch(0, 400, 4).unwrap();
    assert_eq!((&batch.pixels, &batch.mismatched()), (&seen.pixels, &seen.mismatched()));
    assert_eq!(loader(0.25, 0.2).batch(8, 8, 4).unwrap().captions(), batch.captions()[8..16]);
    let dropout = CaptionDropout { caption_dropout: 0.25, word_dropout: 0.2 };
    let same = Loader::new(faces(40), Key::new(5)).with_caption_dropout(dropout);
    assert_eq!(same.batch(0, 400, 4).unwrap(), batch);
    let (mut empty, mut words, mut kept) = (0, 0, 0);
    for (item, before) in batch.items.iter().zip(&seen.items) {
        let (left, full) = (&item.caption, &before.caption);
        assert_eq!(&item.full_caption, full);
        if left.is_empty() {
            assert!(item.claims.is_empty(), "an empty caption claims nothing");
            empty += 1;
            continue;
        }
        assert_eq!(item.claims, before.claims);
        words += full.split_whitespace().count();
        kept += left.split_whitespace().count();
        let mut rest = full.split_whitespace();
        assert!(left.split_whitespace().all(|word| rest.any(|other| other == word)), "{left} / {full}");
    }
    assert!((70..=130).contains(&empty), "{empty} of 400");
    let share = 1.0 - kept as f64 / words as f64;
    assert!((0.15..0.25).contains(&share), "{share} of the words");
    let wrong = LoaderConfig { caption_dropout: 1.5, ..LoaderConfig::default() };
    let message = Loader::from_config(faces(40), &wrong, Key::new(5)).unwrap_err().to_string();
    assert_eq!(message, "loader.caption_dropout is 1.5, expected a share from 0 to 1");
}

#[test]
fn texts_without_images_are_captions_of_all_images_and_change_nothing_else() {
    let plain = Loader::new(faces(50), Key::new(3));
    let loader = Loader::new(faces(50), Key::new(3)).with_texts(64);
    let batch = loader.batch(8, 4, 16).unwrap();
    assert_eq!(Batch { texts: Vec::new(), ..batch.clone() }, plain.batch(8, 4, 16).unwrap());
    assert_eq!(batch.texts, loader.batch(8, 4, 16).unwrap().texts);
    assert_ne!(batch.texts, loader.batch(12, 4, 16).unwrap().texts);
    assert_eq!(batch.texts, loader.texts(8).unwrap());
    let images: BTreeSet<usize> = batch.texts.iter().map(|text| text.index).collect();
    assert!(batch.texts.len() == 64 && images.len() > 25, "{} images", images.len());
    for text in &batch.texts {
        assert!(!text.claims.is_empty() && text.claims.holds(text.attributes.as_ref().unwrap()));
    }
}

#[test]
fn images_are_averaged_down_and_scaled() {
    let loader = Loader::new(plain(4), Key::new(6));
    let batch = loader.batch(0, 4, 2).unwrap();
    let images = batch.images(&Device::Cpu).unwrap();
    assert_eq!(images.dims(), [4, 3, 2, 2]);
    for (image, item) in batch.pixels.chunks(12).zip(&batch.items) {
        let red = item.index as f32 / 127.5 - 1.0;
        assert!(image[..4].iter().all(|x| (x - red).abs() < 1e-6));
        assert!(image[4..8].iter().all(|x| *x == -1.0) && image[8..].iter().all(|x| (x - 1.0).abs() < 1e-6));
    }
}

#[test]
fn unreadable_images_are_replaced_counted_and_do_not_end_the_run() {
    let loader = Loader::new(Arc::new(Plain { len: 20, broken: true }), Key::new(7));
    let batch = loader.batch(0, 20, 8).unwrap();
    assert!(indices(&batch).iter().all(|index| index % 2 == 0));
    assert!(batch.substituted >= 10);
    assert_eq!(batch.len(), 20);
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let loader = Loader::new(plain(4), Key::new(8));
    let message = |result: Result<t2f_data::Batch>| result.unwrap_err().to_string();
    assert_eq!(message(loader.batch(0, 2, 3)), "resolution is 3, expected 8 divided by a power of two");
    assert!(message(loader.batch(0, 2, 16)).contains("expected 8 divided"));
    assert!(message(loader.batch(0, 2, 0)).contains("expected 8 divided"));
    assert!(message(loader.batch(0, 0, 8)).contains("at least 1 image"));
    assert!(message(Loader::new(plain(1), Key::new(8)).batch(0, 1, 8)).contains("fewer than two images"));
}

/// Squares with an attribute of their own; the captions of every third say nothing about it.
struct Squares(Schema);

impl Squares {
    fn shared() -> Arc<dyn Dataset> {
        let colours = Attribute::new("colour", ["red", "green", "blue"]);
        Arc::new(Self(Schema::new(vec![colours, Attribute::new("size", ["small"])]).unwrap()))
    }
}

impl Dataset for Squares {
    fn len(&self) -> usize {
        60
    }
    fn resolution(&self) -> usize {
        4
    }
    fn image(&self, index: usize) -> Result<Image> {
        Ok(Image::filled(4, 4, [index as u8, 1, 2]))
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        let mut claims = Claims::default();
        if !index.is_multiple_of(3) {
            claims.add(0, &[index % 3]);
        }
        let text = |words: &str| Caption::new(format!("{words} {index}"), claims.clone());
        Ok(vec![text("a square"), text("a box")])
    }
    fn schema(&self) -> &Schema {
        &self.0
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        Some(Attributes::unknown(2).with(0, Observation::Value((index % 3) as u8)))
    }
}

#[test]
fn a_data_set_from_outside_needs_four_methods_and_brings_its_own_schema() {
    let squares = Squares::shared();
    assert_eq!((squares.name(), squares.is_empty()), ("custom", false));
    let batch = Loader::new(squares.clone(), Key::new(1)).batch(0, 60, 4).unwrap();
    assert_eq!(batch.schema, *squares.schema());
    for Item { index, mismatched, attributes, .. } in &batch.items {
        let attributes = attributes.as_ref().unwrap();
        assert_eq!((attributes.value(0), attributes.value(1)), (Some(index % 3), None));
        let other: usize = mismatched.rsplit(' ').next().unwrap().parse().unwrap();
        // A caption without claims may be anything's.
        assert!(
            other.is_multiple_of(3) && other != *index || other % 3 != index % 3,
            "{mismatched} of {index}"
        );
    }
    let [one, other] = squares.paraphrase(1, Key::new(1)).unwrap().unwrap();
    assert!(one.text != other.text && one.claims == other.claims);
    assert_eq!(squares.paraphrase(0, Key::new(1)).unwrap(), None, "no claim is known to be equal");
    assert_eq!(squares.edit(1, 0, 2, Key::new(1)).unwrap(), None);
    assert_eq!(plain(4).schema(), Schema::empty());
    assert_eq!(format!("{:?}", squares), "Dataset { name: \"custom\", len: 60, resolution: 4, .. }");
}

#[test]
fn the_default_fingerprint_follows_pixels_words_and_labels() {
    struct Changed(Arc<dyn Dataset>, usize);
    impl Dataset for Changed {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn resolution(&self) -> usize {
            self.0.resolution()
        }
        fn image(&self, index: usize) -> Result<Image> {
            self.0.image(index + usize::from(self.1 == 1))
        }
        fn captions(&self, index: usize) -> Result<Vec<Caption>> {
            self.0.captions(index).map(|mut captions| match self.1 {
                2 => captions.split_off(1),
                3 => captions.into_iter().map(|caption| Caption::unlabelled(caption.text)).collect(),
                _ => captions,
            })
        }
        fn schema(&self) -> &Schema {
            if self.1 == 4 { Schema::empty() } else { self.0.schema() }
        }
        fn attributes(&self, index: usize) -> Option<Attributes> {
            self.0.attributes(index).filter(|_| self.1 != 5)
        }
    }
    let print = |change| Changed(Squares::shared(), change).fingerprint();
    let all: BTreeSet<String> = (0..6).map(print).collect();
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(print(0), Squares::shared().fingerprint());
}

#[test]
fn parts_by_fraction_share_no_image_and_keep_the_schema() {
    let config = SplitConfig { validation_fraction: 0.2, test_fraction: 0.3, seed: 7 };
    let splits = Splits::by_fraction(Squares::shared(), &config).unwrap();
    let red = |part: &Arc<dyn Dataset>| {
        (0..part.len()).map(|i| part.image(i).unwrap().pixels[0]).collect::<Vec<_>>()
    };
    let parts = [&splits.train, &splits.val, &splits.test].map(red);
    assert_eq!(parts.clone().map(|part| part.len()), [30, 12, 18]);
    assert_eq!(parts.concat().into_iter().collect::<BTreeSet<_>>().len(), 60);
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["colour", "size"]);
    let again = Splits::by_fraction(Squares::shared(), &config).unwrap();
    assert_eq!(again.train.fingerprint(), splits.train.fingerprint());
    let other = Splits::by_fraction(Squares::shared(), &SplitConfig { seed: 8, ..config }).unwrap();
    assert_ne!(other.train.fingerprint(), splits.train.fingerprint());
    assert_eq!(splits.train.paraphrase(0, Key::new(0)).unwrap().is_some(), parts[0][0] % 3 != 0);
    let wrong = SplitConfig { test_fraction: 0.9, ..config };
    let message = Splits::by_fraction(Squares::shared(), &wrong).unwrap_err().to_string();
    assert!(
        message.contains("data.split.validation_fraction + data.split.test_fraction is 0.2 + 0.9"),
        "{message}"
    );
}

#[test]
fn fewer_training_images_are_spread_evenly_and_other_parts_stay() {
    let splits = || Splits::new(Squares::shared(), Squares::shared(), Squares::shared()).unwrap();
    let (all, few) = (splits(), splits().with_train_images(6).unwrap());
    assert_eq!((few.train.len(), few.val.len(), few.test.len()), (6, all.val.len(), all.test.len()));
    for index in 0..6 {
        assert_eq!(few.train.image(index).unwrap(), all.train.image(10 * index).unwrap());
    }
    assert_ne!(few.train.fingerprint(), all.train.fingerprint());
    let same = splits().with_train_images(60).unwrap();
    assert_eq!(same.train.fingerprint(), all.train.fingerprint());
}

#[test]
fn parts_that_differ_in_schema_or_resolution_are_refused() {
    let wrong = |val| Splits::new(Squares::shared(), val, Squares::shared()).unwrap_err().to_string();
    assert!(wrong(faces(4)).contains("the validation part has images of 16 pixels a side, expected 4"));
    let faces = Arc::new(ProceduralFaces::new(Split::Val, 0, 4, 4));
    assert!(wrong(faces).contains("the validation part has another schema"));
    assert!(Splits::new(Squares::shared(), Squares::shared(), Squares::shared()).is_ok());
}

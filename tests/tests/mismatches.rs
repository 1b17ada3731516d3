//! The negative texts of the contrastive loss.

use candle_core::Device;
use t2f_data::attributes::{Claims, Schema};
use t2f_data::procedural;
use t2f_data::{Batch, Item};
use t2f_ops::rng::Key;
use t2f_train::components::Components;
use t2f_train::schedule::Stage;
use t2f_train::state::TrainState;
use t2f_train::trainer::train_tokenizer;

use crate::tiny::config;

/// The discriminator's contrastive loss in the first step on two grey images.
fn contrast(captions: [&str; 2], full: [&str; 2], mismatched: [&str; 2]) -> f32 {
    let config =
        config(&["loss.attributes.weight=0", "loss.reconstruction.weight=0", "augment.probability=0"]);
    let splits = config.data.open(8).unwrap();
    let tokenizer = train_tokenizer(&config, &splits).unwrap();
    let mut networks =
        TrainState::new(&config, &Components::new(), &tokenizer, &procedural::schema().sizes(), &Device::Cpu)
            .unwrap();
    let item = |index: usize| Item {
        index,
        caption: captions[index].into(),
        full_caption: full[index].into(),
        mismatched: mismatched[index].into(),
        claims: Claims::default(),
        attributes: None,
    };
    let batch = Batch {
        items: vec![item(0), item(1)],
        texts: Vec::new(),
        pixels: (0..2 * 3 * 16).map(|i| f32::from(i % 7 == 0) * 0.5).collect(),
        schema: Schema::default(),
        resolution: 4,
        substituted: 0,
    };
    let stage = Stage { level: 0, resolution: 4, alpha: 1.0, batch_size: 2, progress: 0.0 };
    let losses = networks.step(&batch, &stage, Key::new(1), 0, 0).unwrap();
    let (_, loss) = losses.iter().find(|(name, _)| name == "Loss/D/contrast").unwrap();
    loss.to_scalar().unwrap()
}

/// With word dropout a mismatched caption is the full caption of another image of the batch: a positive
/// text of that image, and no negative of every image.
#[test]
fn a_caption_before_dropout_is_no_negative_text() {
    let left = ["a woman", ""];
    let full = ["a young woman", "a man with a beard"];
    let without_dropout = contrast(left, left, [left[1], left[0]]);
    assert_eq!(contrast(left, full, [full[1], full[0]]), without_dropout);
    let negatives = contrast(left, full, ["a bald person", "a hat"]);
    assert!(negatives > without_dropout, "{negatives} and {without_dropout}");
}

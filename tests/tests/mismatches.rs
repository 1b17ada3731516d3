//! Which texts of a batch an image is told from.

use candle_core::Device;
use t2f_data::Batch;
use t2f_ops::rng::Key;
use t2f_train::schedule::Stage;
use t2f_train::state::TrainState;
use t2f_train::trainer::train_tokenizer;

use crate::tiny::config;

/// The discriminator's contrastive loss in the first step on two grey images.
fn contrast(captions: [&str; 2], whole: [&str; 2], mismatched: [&str; 2]) -> f32 {
    let config = config(&["gan.attributes.weight=0", "gan.reconstruction.weight=0", "augment.probability=0"]);
    let splits = config.data.open(8).unwrap();
    let tokenizer = train_tokenizer(&config, &splits).unwrap();
    let mut networks = TrainState::new(&config, &tokenizer, &Device::Cpu).unwrap();
    let own = |texts: [&str; 2]| texts.map(String::from).to_vec();
    let batch = Batch {
        indices: vec![0, 1],
        resolution: 4,
        images: (0..2 * 3 * 16).map(|i| f32::from(i % 7 == 0) * 0.5).collect(),
        captions: own(captions),
        whole: own(whole),
        mismatched: own(mismatched),
        claims: Vec::new(),
        attributes: vec![None; 2],
        substituted: 0,
    };
    let stage = Stage { level: 0, resolution: 4, alpha: 1.0, batch_size: 2 };
    let losses = networks.step(&batch, &stage, Key::new(1), 0, 0).unwrap();
    let (_, loss) = losses.iter().find(|(name, _)| name == "Loss/D/contrast").unwrap();
    loss.to_scalar().unwrap()
}

/// Where words were dropped from captions, a mismatch is the whole caption of another image of the
/// batch: one more text that is this image's own, and none that no image has.
#[test]
fn the_whole_of_a_caption_that_lost_words_is_no_text_of_a_stranger() {
    let left = ["a woman", ""];
    let whole = ["a young woman", "a man with a beard"];
    let among_themselves = contrast(left, left, [left[1], left[0]]);
    assert_eq!(contrast(left, whole, [whole[1], whole[0]]), among_themselves);
    let strangers = contrast(left, whole, ["a bald person", "a hat"]);
    assert!(strangers > among_themselves, "{strangers} and {among_themselves}");
}

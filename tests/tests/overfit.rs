//! Four pairs at 8x8: what the caption says reaches the picture.

use t2f_experiments::{overfit, training};
use t2f_train::model::Model;

use crate::tiny::config;

#[test]
fn four_faces_are_learnt_by_heart_and_each_caption_gives_its_own() {
    let out = tempfile::tempdir().unwrap();
    let settings = [
        "data.train_images=4",
        "gan.channels=[24,24]",
        "gan.latent_size=24",
        "gan.code_size=20",
        "text.embedding_size=16",
        "text.hidden_size=16",
        "gan.attributes.weight=0",
        // Without a plan the noise read off a face would say which of the four it is.
        "gan.reconstruction.weight=0",
        "loss.r1_gamma=1.0",
        "optimizer.kl_weight=0.05",
        "optimizer.generator.lr=3e-3",
        "optimizer.discriminator.lr=3e-3",
        "ema.half_life_kimg=0.5",
        "schedule.fade_kimg=[0,0.5]",
        "schedule.stable_kimg=[0.5,3.0]",
        "schedule.batch_sizes=[8]",
        "schedule.anneal_kimg=0",
        "output.tick_kimg=1",
        "output.sample_kimg=10",
        "output.checkpoint_kimg=10",
    ];
    let config = config(&settings);
    let train = config.data.open(8).unwrap().train;
    let run = training::train(config, &[], out.path(), &mut |_| {}).unwrap();
    let verdict = overfit::own_faces(&Model::load(&run, "cpu").unwrap(), train.as_ref(), &[0, 1]).unwrap();
    assert!(verdict.drawings >= 24 && verdict.mistakes.is_empty(), "{verdict:?}");
}

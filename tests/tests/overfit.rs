//! Overfitting sanity check: four pairs at 8x8.

use t2f_experiments::own_face::own_faces;
use t2f_experiments::training;
use t2f_train::components::Components;
use t2f_train::model::Model;

use crate::tiny::config;

#[test]
fn four_pairs_are_overfitted_and_each_caption_gives_its_own_image() {
    let out = tempfile::tempdir().unwrap();
    let settings = [
        "data.train_images=4",
        "gan.channels=[24,24]",
        "gan.latent_size=24",
        "gan.code_size=20",
        "text.embedding_size=16",
        "text.hidden_size=16",
        "loss.attributes.weight=0",
        // Without an attribute code the inferred noise would identify the image.
        "loss.reconstruction.weight=0",
        "loss.adversarial.r1.gamma=1.0",
        "loss.conditioning.kl_weight=0.05",
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
    let run = training::train(config, out.path(), &mut |_| {}).unwrap();
    let model = Model::load(&run, "cpu", &Components::new()).unwrap();
    let found = own_faces(&model, train.as_ref(), &[0, 1]).unwrap();
    assert!(found.generated >= 24 && found.mistakes.is_empty(), "{found:?}");
}

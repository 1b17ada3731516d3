//! Reconstruction of real images from inferred latents, in a run.

use std::fs;
use std::path::Path;

use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::trainer::Trainer;

use crate::tiny::{config, newest_checkpoint, run_whole, stats};

/// A run of 120 steps at 4x4 and a few at 8x8, with or without the encoder.
fn trained(weight: u32, out: &Path) -> Trainer {
    let weight = format!("loss.reconstruction.weight={weight}");
    let more = [&weight, "loss.attributes.weight=0", "schedule.stable_kimg=[0.48,0.016]"];
    let mut trainer = Trainer::create(config(&more), Components::new(), out).unwrap();
    run_whole(&mut trainer);
    trainer
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

#[test]
fn the_reconstruction_loss_falls_and_the_encoder_is_not_in_the_model() {
    let out = tempfile::tempdir().unwrap();
    let trainer = trained(20, out.path());
    let run = trainer.run_dir().path();
    let losses: Vec<f64> = stats(run)
        .iter()
        .filter(|row| row["Progress/level"] == 0.0)
        .map(|row| row["Loss/G/reconstruction"])
        .collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
    assert!(last < 0.7 * first, "the weighted loss went from {first} to {last}");
    // The checkpoint contains the latent encoder; the model does not, since generation does not use it.
    assert!(holds(&newest_checkpoint(run)["g_params.safetensors"], "encoder.linear.weight"));
    assert!(!holds(&fs::read(run.join("model.safetensors")).unwrap(), "encoder.linear.weight"));
    Model::load(run, "cpu", &Components::new()).unwrap();
}

#[test]
fn without_a_weight_there_is_no_encoder() {
    let out = tempfile::tempdir().unwrap();
    let trainer = trained(0, out.path());
    let run = trainer.run_dir().path();
    assert!(stats(run).iter().all(|row| !row.contains_key("Loss/G/reconstruction")));
    assert!(!holds(&newest_checkpoint(run)["g_params.safetensors"], "encoder.linear.weight"));
}

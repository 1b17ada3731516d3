//! The effects of truncation and guidance scale.

use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::trainer::Trainer;

use crate::program::run;
use crate::tiny::{config, run_to};

/// A model after three steps.
fn model(more: &[&str]) -> Model {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(more), Components::new(), out.path()).unwrap();
    run_to(&mut trainer, 3);
    Model::load(trainer.run_dir().path(), "cpu", &Components::new()).unwrap()
}

#[test]
fn the_guidance_scale_extrapolates_from_the_empty_caption() {
    let model = model(&["loss.attributes.prior=false"]);
    let generate = |caption: &str, guidance_scale: f64| {
        let sampling = Sampling { guidance_scale, ..Sampling::default() };
        let images = model.generate_tensor(&[caption.to_owned()], &[1], sampling).unwrap();
        images.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert_eq!(generate("", 1.0), generate("", 3.0), "the scale does not change the empty caption");
    assert!(close(&generate("a bald man", 0.0), &generate("", 1.0)));
    assert!(!close(&generate("a bald man", 1.0), &generate("", 1.0)));
    assert!(!close(&generate("a bald man", 3.0), &generate("a bald man", 1.0)));
}

#[test]
fn a_guidance_scale_requires_caption_dropout() {
    let model = model(&["loader.caption_dropout=0"]);
    let generate = |guidance_scale: f64| {
        model.generate(&["a bald man".into()], &[1], Sampling { guidance_scale, ..Sampling::default() })
    };
    assert!(generate(1.0).is_ok());
    let message = generate(2.0).unwrap_err().to_string();
    assert!(
        message.contains("guidance scale of 2") && message.contains("loader.caption_dropout"),
        "{message}"
    );
}

#[test]
fn an_empty_caption_requires_caption_dropout() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["generate", "", "--out", "face.png"]);
    assert!(ran.code == 0 && home.path().join("face.png").exists(), "{}", ran.err);
    let mut trainer =
        Trainer::create(config(&["loader.caption_dropout=0"]), Components::new(), home.path().join("out"))
            .unwrap();
    run_to(&mut trainer, 3);
    let model = trainer.run_dir().path().to_string_lossy().into_owned();
    let refused = run(home.path(), &["generate", "--model", &model, "a bald man", " "]);
    assert!(refused.code == 2 && refused.err.contains("trained without"), "{}", refused.err);
}

#[test]
fn truncation_to_zero_gives_one_face_for_each_caption() {
    let model = model(&[]);
    let generate = |seed: u64, truncation: f64| {
        model
            .generate(&["a bald man".into()], &[seed], Sampling { truncation, ..Sampling::default() })
            .unwrap()
    };
    assert_eq!(generate(1, 0.0), generate(2, 0.0));
    assert_ne!(generate(1, 1.0), generate(2, 1.0));
}

//! What truncation and the text scale do to a face.

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
fn the_text_scale_leads_from_the_empty_caption_through_the_given_one() {
    let model = model(&["loss.attributes.prior=false"]);
    let draw = |caption: &str, guidance_scale: f64| {
        let sampling = Sampling { guidance_scale, ..Sampling::default() };
        let drawn = model.generate_tensor(&[caption.to_owned()], &[1], sampling).unwrap();
        drawn.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert_eq!(draw("", 1.0), draw("", 3.0), "the empty caption has nowhere to lead to");
    assert!(close(&draw("a bald man", 0.0), &draw("", 1.0)));
    assert!(!close(&draw("a bald man", 1.0), &draw("", 1.0)));
    assert!(!close(&draw("a bald man", 3.0), &draw("a bald man", 1.0)));
}

#[test]
fn a_text_scale_is_refused_where_no_empty_caption_was_learnt() {
    let model = model(&["loader.caption_dropout=0"]);
    let draw = |guidance_scale: f64| {
        model.generate(&["a bald man".into()], &[1], Sampling { guidance_scale, ..Sampling::default() })
    };
    assert!(draw(1.0).is_ok());
    let message = draw(2.0).unwrap_err().to_string();
    assert!(message.contains("text scale of 2") && message.contains("loader.caption_dropout"), "{message}");
}

#[test]
fn an_empty_caption_is_drawn_where_it_was_learnt_and_refused_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let drawn = run(home.path(), &["generate", "", "--out", "face.png"]);
    assert!(drawn.code == 0 && home.path().join("face.png").exists(), "{}", drawn.err);
    let mut trainer =
        Trainer::create(config(&["loader.caption_dropout=0"]), Components::new(), &home.path().join("out"))
            .unwrap();
    run_to(&mut trainer, 3);
    let model = trainer.run_dir().path().to_string_lossy().into_owned();
    let refused = run(home.path(), &["generate", "--model", &model, "a bald man", " "]);
    assert!(refused.code == 2 && refused.err.contains("trained without"), "{}", refused.err);
}

#[test]
fn truncation_to_nothing_leaves_one_face_a_caption() {
    let model = model(&[]);
    let draw = |seed: u64, truncation: f64| {
        model
            .generate(&["a bald man".into()], &[seed], Sampling { truncation, ..Sampling::default() })
            .unwrap()
    };
    assert_eq!(draw(1, 0.0), draw(2, 0.0));
    assert_ne!(draw(1, 1.0), draw(2, 1.0));
}

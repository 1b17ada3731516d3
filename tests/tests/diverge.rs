//! Training that leaves the finite numbers stops, says where, and keeps what was good.

use std::ops::ControlFlow;

use t2f_train::Error;
use t2f_train::checkpoint;
use t2f_train::model::Model;
use t2f_train::trainer::{Progress, Trainer};

use crate::tiny::{config, run_to};

/// Trains four good steps, then with other learning rates until it breaks.
fn broken(rates: &[&str]) -> (Error, u64) {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), &[], out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 4);
    drop(trainer);
    let wild = config(rates).to_toml().unwrap();
    std::fs::write(run.join("config.toml"), wild).unwrap();
    let mut trainer = Trainer::resume(&run).unwrap();
    let error = trainer.run(&mut |_| ControlFlow::Continue(())).unwrap_err();
    drop(trainer);
    let kept = checkpoint::load_latest(&run.join("checkpoints")).unwrap();
    let step = kept.state::<Progress>().unwrap().step;
    for file in ["painter.safetensors", "discriminator.safetensors", "average.safetensors"] {
        kept.tensors(file).unwrap(); // refuses what is not finite
    }
    Model::load(&run, "cpu").unwrap(); // that of the last good checkpoint
    (error, step)
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let (error, step) = broken(&["optimizer.discriminator.lr=1e30", "output.checkpoint_kimg=10"]);
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("the loss of the ") && message.contains(" is NaN"), "{message}");
    assert_eq!(step, 4);
}

#[test]
fn a_gradient_that_is_not_finite_is_named() {
    let rates =
        ["optimizer.discriminator.lr=1e6", "optimizer.generator.lr=1e12", "output.checkpoint_kimg=10"];
    let (error, step) = broken(&rates);
    let message = error.to_string();
    assert!(message.contains("the gradient of conditioning.transformer.bias is"), "{message}");
    assert_eq!(step, 4);
}

#[test]
fn parameters_that_are_not_finite_never_become_a_checkpoint() {
    let (error, step) = broken(&["optimizer.generator.lr=1e39", "output.checkpoint_kimg=0.004"]);
    let message = error.to_string();
    assert!(message.contains("painter.safetensors") && message.contains("generator."), "{message}");
    assert_eq!(step, 4);
}

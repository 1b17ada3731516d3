//! A diverging training stops with its cause and keeps its intact checkpoints; on request it returns to
//! the last one with lower learning rates.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, Var};
use t2f_data::procedural;
use t2f_data::{Batch, Loader};
use t2f_ops::rng::Key;
use t2f_train::Error;
use t2f_train::checkpoint;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::model::Model;
use t2f_train::schedule::{Schedule, Stage};
use t2f_train::state::TrainState;
use t2f_train::trainer::{Progress, Trainer, train_tokenizer};

use crate::program::run;
use crate::tiny::{config, run_to, run_whole};

/// Replaces the configuration of a run.
fn edit(run: &Path, more: &[&str]) {
    fs::write(run.join("config.toml"), config(more).to_toml().unwrap() + "# edited\n").unwrap();
}

/// Trains four steps, then with other learning rates until the training diverges.
fn broken(rates: &[&str]) -> (Error, u64) {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 4);
    drop(trainer);
    edit(&run, rates);
    let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
    let error = trainer.run(|_| ControlFlow::Continue(())).unwrap_err();
    drop(trainer);
    let kept = checkpoint::load_latest(&run.join("checkpoints")).unwrap();
    let step = kept.state::<Progress>().unwrap().step;
    for file in ["g_params.safetensors", "d_params.safetensors", "g_ema.safetensors"] {
        kept.tensors(file).unwrap(); // refuses values that are not finite
    }
    Model::load(&run, "cpu", &Components::new()).unwrap(); // the model of the last intact checkpoint
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("diverged.json")).unwrap()).unwrap();
    assert!(error.to_string().contains(report["cause"].as_str().unwrap()), "{report}");
    (error, step)
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let (error, step) = broken(&["optimizer.discriminator.lr=1e30", "output.checkpoint_kimg=10"]);
    assert!(matches!(error, Error::Divergence { .. }), "{error}");
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
    assert!(message.contains("g_params.safetensors") && message.contains("generator."), "{message}");
    assert_eq!(step, 4);
}

/// Networks after some steps, the next batch, and its stage.
struct Bench {
    networks: TrainState,
    batch: Batch,
    stage: Stage,
}

impl Bench {
    fn new(config: &Config) -> Self {
        let splits = config.data.open(config.gan.resolution).unwrap();
        let tokenizer = train_tokenizer(config, &splits).unwrap();
        let networks = TrainState::new(
            config,
            &Components::new(),
            &tokenizer,
            &procedural::schema().sizes(),
            &Device::Cpu,
        )
        .unwrap();
        let loader = Loader::new(splits.train.clone(), Key::new(0));
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len()).unwrap();
        // Within the fade-in, where every parameter affects the images.
        let stage = schedule.at(88);
        let batch = loader.batch(88, 4, stage.resolution).unwrap();
        let mut bench = Self { networks, batch, stage };
        bench.step(22).unwrap();
        bench
    }

    fn step(&mut self, step: u64) -> t2f_train::Result<()> {
        self.networks.step(&self.batch, &self.stage, Key::new(0), step, step * 4).map(drop)
    }

    /// The error of the divergence, and the number of steps to it.
    fn noticed(&mut self) -> (Error, u64) {
        (23..26).find_map(|step| Some((self.step(step).err()?, step - 22))).expect("the training diverges")
    }
}

/// Sets the first value of a parameter.
fn poison(var: &Var, value: f32) {
    let mut values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
    values[0] = value;
    var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
}

#[test]
fn a_nan_or_an_infinity_anywhere_in_the_networks_stops_the_step_with_its_cause() {
    let config = config(&[]);
    let places: Vec<String> = {
        let networks = Bench::new(&config).networks;
        let vars = networks.g_params().vars().into_iter().chain(networks.d_params().vars());
        vars.map(|(name, _)| name).filter(|name| !name.starts_with("text.embedding")).collect()
    };
    assert!(places.len() >= 20, "{places:?}");
    let mut late = Vec::new();
    let mut bench = Bench::new(&config);
    for (i, place) in places.iter().enumerate() {
        let value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][i % 3];
        let mut vars = bench.networks.g_params().vars().into_iter().chain(bench.networks.d_params().vars());
        let (_, var) = vars.find(|(name, _)| name == place).unwrap();
        let good = var.copy().unwrap();
        poison(&var, value);
        match bench.step(23) {
            Err(error) => {
                assert!(matches!(error, Error::Diverged { .. }), "{place} {value}: {error}");
                var.set(&good).unwrap();
            }
            Ok(()) => {
                // An infinity may only saturate a gate; it never becomes part of a checkpoint.
                let mut draft = checkpoint::Draft::new(1, &Progress::default()).unwrap();
                let message = bench.networks.save(&mut draft).unwrap_err().to_string();
                assert!(message.contains(place.as_str()), "{place} {value}: {message}");
                late.push(format!("{place} {value}"));
                bench = Bench::new(&config);
            }
        }
    }
    bench.step(23).unwrap();
    assert!(places.len() - late.len() >= 30, "{late:?}");
}

#[test]
fn a_nan_or_an_infinity_in_the_images_stops_the_step_with_its_cause() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut bench = Bench::new(&config(&[]));
        bench.batch.pixels[7] = value;
        let (error, steps) = bench.noticed();
        assert!(
            error.to_string().contains("the loss of the discriminator") && steps == 1,
            "{value}: {error}"
        );
    }
}

#[test]
fn a_nan_in_the_moments_stops_the_run_with_the_tensors_named() {
    for of_discriminator in [true, false] {
        let mut bench = Bench::new(&config(&[]));
        let (g, d) = bench.networks.optimizers_mut();
        let adam = if of_discriminator { d } else { g };
        let (mut tensors, steps) = (adam.tensors(), adam.steps());
        let (_, moment) = tensors.iter_mut().find(|(name, _)| name.ends_with(".weight.square")).unwrap();
        *moment = moment.affine(0.0, f64::NAN).unwrap();
        adam.load(&tensors, &steps).unwrap();
        let (error, steps) = bench.noticed();
        // The update with these moments makes parameters NaN. The same step finds them if its other
        // update uses them, otherwise the next step.
        assert!(matches!(error, Error::Diverged { .. }) && steps <= 2, "{of_discriminator}: {error}");
    }
}

#[test]
fn the_average_is_checked_when_it_is_saved() {
    let bench = Bench::new(&config(&[]));
    poison(&bench.networks.g_ema().parameters().vars()[0].1, f32::NAN);
    let mut draft = checkpoint::Draft::new(1, &Progress::default()).unwrap();
    let message = bench.networks.save(&mut draft).unwrap_err().to_string();
    assert!(message.contains("g_ema.safetensors") && message.contains("NaN"), "{message}");
}

/// A run of four steps whose configuration then makes it diverge, until the learning rate is low enough.
fn wild(out: &Path, rate: &str) -> PathBuf {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 4);
    let rate = format!("optimizer.discriminator.lr={rate}");
    edit(&run, &[&rate, "output.checkpoint_kimg=10"]);
    run
}

#[test]
fn a_rollback_halves_the_rate_and_is_recorded() {
    let out = tempfile::tempdir().unwrap();
    let run = wild(out.path(), "1e30");
    let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
    let error = trainer.run(|_| ControlFlow::Continue(())).unwrap_err();
    assert!(trainer.progress().step > 4 || error.to_string().contains("step 4"), "{error}");
    let back = trainer.roll_back(&error).unwrap().clone();
    assert_eq!((back.to_step, back.rate), (4, 0.5));
    assert!(back.cause.contains("the loss of the"), "{back:?}");
    assert_eq!(trainer.progress().step, 4);
    drop(trainer);
    // A kill does not undo the rollback, and the next one halves the rate again.
    let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
    assert_eq!(trainer.progress().rollbacks, [back]);
    let error = trainer.run(|_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(trainer.roll_back(&error).unwrap().rate, 0.25);
    drop(trainer);
    assert_eq!(Trainer::resume(&run, Components::new()).unwrap().progress().rollbacks.len(), 2);
    let names: Vec<_> =
        fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "step-00000004-3"), "{names:?}");
}

#[test]
fn after_a_rollback_the_pointer_names_the_checkpoint_that_it_made() {
    let out = tempfile::tempdir().unwrap();
    let of_run = wild(out.path(), "1e30");
    edit(
        &of_run,
        &["optimizer.discriminator.lr=1e30", "output.checkpoint_kimg=10", "output.keep_checkpoints=1"],
    );
    let ran = run(out.path(), &["train", "--resume", of_run.to_str().unwrap(), "--rollback", "1"]);
    assert!(ran.code == 1 && ran.err.contains("step-00000004-2: "), "{}", ran.err);
    let folder = of_run.join("checkpoints");
    assert_eq!(fs::read_to_string(folder.join("LATEST")).unwrap(), "step-00000004-2");
    assert!(folder.join("step-00000004-2").is_dir() && !folder.join("step-00000004").exists());
}

#[test]
fn a_rollback_equals_half_the_configured_learning_rates() {
    // After the rollback the run equals one that continues from the same checkpoint with half the
    // configured learning rates.
    let out = tempfile::tempdir().unwrap();
    let settings = |rate: &str| {
        let optimizers = ["generator", "text", "discriminator", "classifier"];
        let lines = optimizers.map(|name| format!("optimizer.{name}.lr={rate}"));
        config(&lines.each_ref().map(String::as_str))
    };
    let finish = |halve: bool| {
        let mut trainer = Trainer::create(settings("1e-3"), Components::new(), out.path()).unwrap();
        let run = trainer.run_dir().path().to_owned();
        run_to(&mut trainer, 4);
        if halve {
            let cause = Error::State("a test".into());
            trainer.roll_back(&cause).unwrap();
            drop(trainer);
        } else {
            drop(trainer);
            fs::write(run.join("config.toml"), settings("5e-4").to_toml().unwrap() + "# edited\n").unwrap();
        }
        run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
        let last = checkpoint::load_latest(&run.join("checkpoints")).unwrap();
        last.tensors("g_params.safetensors").unwrap()
    };
    let (rolled, edited) = (finish(true), finish(false));
    for (name, tensor) in &rolled {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(tensor), values(&edited[name]), "{name}");
    }
}

#[test]
fn the_program_rolls_back_as_often_as_it_may() {
    let out = tempfile::tempdir().unwrap();
    let of_run = wild(out.path(), "1e30");
    let resume =
        |times: &str| run(out.path(), &["train", "--resume", of_run.to_str().unwrap(), "--rollback", times]);
    let ran = resume("2");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(ran.err.matches("back to the checkpoint of step 4").count(), 2, "{}", ran.err);
    assert!(
        ran.err.contains("with 0.25 of the learning rate") && ran.err.contains("the training diverged"),
        "{}",
        ran.err
    );
    // The limit is for the whole run, not for each start.
    assert_eq!(resume("2").err.matches("back to the checkpoint").count(), 0);
    assert_eq!(resume("3").err.matches("with 0.125 of the learning rate").count(), 1);
}

#[test]
fn two_more_losses_name_what_is_not_finite() {
    for kind in ["loss.adversarial.kind=wgan-gp", "loss.adversarial.kind=lsgan"] {
        let mut bench = Bench::new(&config(&[kind]));
        let (_, var) = bench.networks.d_params().vars().swap_remove(1);
        poison(&var, f32::NAN);
        let (error, steps) = bench.noticed();
        assert!(matches!(error, Error::Diverged { .. }) && steps == 1, "{kind}: {error}");
    }
}

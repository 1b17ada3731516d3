//! A resumed run equals an uninterrupted one bit for bit, with any number of workers.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use t2f_files::json_lines;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::trainer::{Event, Outcome, Trainer};

use crate::program;
use crate::tiny::{Left, assert_same, config, left, run_to, run_whole};

fn whole(config: Config, out: &Path) -> Left {
    let mut trainer = Trainer::create(config, Components::new(), out).unwrap();
    run_whole(&mut trainer);
    left(trainer.run_dir().path())
}

/// Trains to each of `stops` with a new trainer, then to the end.
fn interrupted(config: Config, out: &Path, stops: &[u64]) -> Left {
    let mut trainer = Trainer::create(config, Components::new(), out).unwrap();
    let run = trainer.run_dir().path().to_owned();
    for &stop in stops {
        assert_eq!(run_to(&mut trainer, stop), Outcome::Stopped);
        assert_eq!(trainer.progress().step, stop);
        drop(trainer);
        trainer = Trainer::resume(&run, Components::new()).unwrap();
        assert_eq!(trainer.progress().step, stop);
    }
    run_whole(&mut trainer);
    left(&run)
}

/// The callback may stop the run at any event.
#[test]
fn breaking_at_a_tick_stops_the_run() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let mut watch = |event: &Event| match event {
        Event::Tick(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert_eq!(trainer.run(&mut watch).unwrap(), Outcome::Stopped);
    assert_eq!(trainer.progress().step, 3);
}

#[test]
fn statistics_of_a_resumed_run_go_on_and_its_last_row_is_whole() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    assert_eq!(run_to(&mut trainer, 20), Outcome::Stopped);
    drop(trainer);
    run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
    let (rows, _) = json_lines::read(&run.join("stats.jsonl")).unwrap();
    let of =
        |name: &str| -> Vec<f64> { rows.iter().filter_map(|row| row.values().get(name).copied()).collect() };
    let seconds = of("Timing/seconds");
    assert!(seconds[0] > 0.0 && seconds.windows(2).all(|pair| pair[0] < pair[1]), "{seconds:?}");
    // The row of 0.156 kimg would leave one step for the last: 13 rows.
    assert_eq!((rows.len(), &of("Progress/kimg")[11..]), (13, &[0.144, 0.16][..]));
    for name in ["Scores/D/auc", "HeldOut/D/auc"] {
        let values = of(name);
        assert!(
            values.len() == rows.len() && values.iter().all(|auc| (0.0..=1.0).contains(auc)),
            "{values:?}"
        );
    }
    for name in ["Gradients/G", "Gradients/D"] {
        let values = of(name);
        assert!(values.len() == rows.len() && values.iter().all(|norm| *norm > 0.0), "{values:?}");
    }
    // The last of the 40 steps has a tenth of the rate: 4 of the 40 images of the decay remain.
    for name in ["Rates/generator", "Rates/discriminator"] {
        let values = of(name);
        assert!(values[0] == 6e-3 && (values[12] - 6e-4).abs() < 1e-12, "{values:?}");
    }
}

#[test]
fn resumed_run_equals_uninterrupted_run() {
    let out = tempfile::tempdir().unwrap();
    let expected = whole(config(&[]), out.path());
    assert!(expected.checkpoint.contains_key("trainer_state.json") && expected.stats.len() > 10);
    // 16 steps at 4x4, 12 that fade 8x8 in, 12 more; ticks at multiples of 3, checkpoints of 5.
    let stops: [&[u64]; 8] = [&[0], &[1], &[15], &[16], &[17], &[22], &[28], &[4, 13, 20, 21, 39]];
    for stops in stops {
        let found = interrupted(config(&[]), out.path(), stops);
        assert_same(&found, &expected, &format!("stopped after {stops:?}"));
    }
}

#[test]
fn resumed_run_equals_uninterrupted_run_with_every_other_state_there_is() {
    let out = tempfile::tempdir().unwrap();
    let more = [
        "optimizer.reset_at_level=true",
        "optimizer.n_critic=2",
        "loss.adversarial.kind=wgan-gp",
        "loss.drifting.weight=1",
        "schedule.batch_sizes=[4,8]",
        "schedule.stable_kimg=[0.064,0.032]",
    ];
    let expected = whole(config(&more), out.path());
    // The batch is 8 from step 16 on.
    for stops in [&[16][..], &[15, 16]] {
        let found = interrupted(config(&more), out.path(), stops);
        assert_same(&found, &expected, &format!("stopped after {stops:?}"));
    }
}

/// Networks and augmentations that the tiny configuration does not have.
#[test]
fn resumed_run_equals_uninterrupted_run_with_each_network() {
    let out = tempfile::tempdir().unwrap();
    for lines in [
        &["gan.noise_inputs=true", "augment.noise=0.5"][..],
        &["gan.residual=true", "gan.resample=smooth"],
        &["precision=bf16", "loss.adversarial.kind=wgan-gp"],
        &["augment.adaptive.measure=held-out"],
    ] {
        let expected = whole(config(lines), out.path());
        let found = interrupted(config(lines), out.path(), &[17, 28]);
        assert_same(&found, &expected, &format!("{lines:?}"));
    }
}

#[test]
fn a_killed_run_continues_from_its_last_checkpoint_to_the_same_bits() {
    let out = tempfile::tempdir().unwrap();
    let expected = whole(config(&[]), out.path());
    for (killed_at, checkpointed_at) in [(9, 5), (18, 15), (27, 25)] {
        let run = killed_after(killed_at, out.path());
        let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
        assert_eq!(trainer.progress().step, checkpointed_at);
        run_whole(&mut trainer);
        assert_same(&left(&run), &expected, &format!("killed after {killed_at}"));
    }
}

/// A run folder as after a kill at `steps`: the newest checkpoint is earlier, and the statistics go beyond
/// it and end within a line.
fn killed_after(steps: u64, out: &Path) -> PathBuf {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out).unwrap();
    let run = trainer.run_dir().path().to_owned();
    assert_eq!(run_to(&mut trainer, steps), Outcome::Stopped);
    drop(trainer);
    std::fs::remove_dir_all(run.join(format!("checkpoints/step-{steps:08}"))).unwrap();
    let stats = run.join("stats.jsonl");
    let mut text = std::fs::read_to_string(&stats).unwrap();
    text.push_str("{\"Loss/D/to");
    std::fs::write(&stats, text).unwrap();
    run
}

#[test]
fn a_configuration_that_was_edited_to_an_invalid_one_is_not_resumed() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 4);
    drop(trainer);
    let edited = config(&["output.tick_kimg=0"]).to_toml().unwrap() + "# edited\n";
    std::fs::write(run.join("config.toml"), edited).unwrap();
    let message = Trainer::resume(&run, Components::new()).err().unwrap().to_string();
    assert!(message.contains("output.tick_kimg is 0"), "{message}");
    for dry in [&[][..], &["-n"]] {
        let ran = program::run(out.path(), &[&["train", "--resume", run.to_str().unwrap()], dry].concat());
        let told = ran.err.contains("output.tick_kimg is 0") && ran.err.contains("hint: ");
        assert!(ran.code == 1 && told, "{dry:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let out = tempfile::tempdir().unwrap();
    let one = whole(config(&["loader.workers=1"]), out.path());
    let mut three = whole(config(&["loader.workers=3"]), out.path());
    // The model file contains the configuration with the number of workers.
    assert_ne!(three.model, one.model);
    three.model.clone_from(&one.model);
    assert_same(&three, &one, "three workers");
}

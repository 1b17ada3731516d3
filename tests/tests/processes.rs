//! Training on several processes gives what one process gives. The processes are threads here; `.ci/mpi` has
//! those of MPI.

use std::ops::ControlFlow;
use std::thread;

use candle_core::{Device, Tensor};
use t2f_data::procedural;
use t2f_data::{Batch, Loader};
use t2f_ops::rng::Key;
use t2f_train::Error;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::parallel::{Communicator, Single, Threads};
use t2f_train::processes::{end, follow};
use t2f_train::state::{Share, TrainState};
use t2f_train::trainer::{Event, Outcome, Trainer, train_tokenizer};

use crate::program;
use crate::tiny::{Left, assert_same, config, left};

/// Calls `lead` on process 0 of a group, which the others follow. The results of the others are returned, too.
fn on<T>(size: usize, lead: impl FnOnce(&Threads) -> T) -> (T, Vec<t2f_train::Result<()>>) {
    let mut group = Threads::group(size);
    let others = group.split_off(1);
    let first = group.pop().unwrap();
    thread::scope(|scope| {
        let others: Vec<_> =
            others.into_iter().map(|other| scope.spawn(move || follow(&other, &Components::new()))).collect();
        let led = lead(&first);
        drop(first);
        (led, others.into_iter().map(|other| other.join().unwrap()).collect())
    })
}

/// Trains on `size` processes until `steps` have been taken in all or the run is complete.
fn train(trainer: &mut Trainer, size: usize, images: u64) -> Outcome {
    let (outcome, others) = on(size, |first| {
        let watch = |event: &Event| match event {
            Event::Stepped { images: shown } if *shown >= images => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let outcome = trainer.run_on(first, watch).unwrap();
        end(first).unwrap();
        outcome
    });
    for other in others {
        other.unwrap();
    }
    outcome
}

fn whole(config: Config, size: usize) -> Left {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config, Components::new(), out.path()).unwrap();
    assert_eq!(train(&mut trainer, size, u64::MAX), Outcome::Finished);
    left(trainer.run_dir().path())
}

const EIGHT: [&str; 2] = ["schedule.batch_sizes=[8]", "schedule.micro_batches=4"];

#[test]
fn a_run_has_the_same_bits_on_one_two_and_four_processes() {
    let expected = whole(config(&EIGHT), 1);
    assert!(expected.stats.len() > 5);
    for size in [2, 4] {
        assert_same(&whole(config(&EIGHT), size), &expected, &format!("{size} processes"));
    }
}

/// Process 0 alone measures the overfitting to training images, and all have the augmentation probability.
#[test]
fn processes_have_the_augmentation_probability_of_held_out_images() {
    let more = ["augment.adaptive.measure=held-out", "augment.adaptive.target=0.01"];
    let of = |size| whole(config(&[&EIGHT[..], &more].concat()), size);
    let expected = of(1);
    let probabilities: Vec<f64> = expected.stats.iter().map(|row| row["Progress/augment"]).collect();
    assert!(probabilities.windows(2).any(|two| two[0] != two[1]), "{probabilities:?}");
    assert!(expected.stats.iter().all(|row| row.contains_key("HeldOut/D/overfitting")));
    assert_same(&of(2), &expected, "2 processes");
}

#[test]
fn a_run_has_the_same_bits_on_two_processes_with_every_other_loss() {
    let more = [
        "schedule.batch_sizes=[4,8]",
        "schedule.micro_batches=2",
        "optimizer.reset_at_level=true",
        "optimizer.n_critic=2",
        "loss.adversarial.kind=wgan-gp",
        "loss.drifting.weight=1",
        "loader.texts=6",
        "loader.hard_negatives=0.3",
    ];
    assert_same(&whole(config(&more), 2), &whole(config(&more), 1), "two processes");
}

#[test]
fn three_processes_differ_from_one_by_rounding_alone() {
    let more = ["schedule.batch_sizes=[12]", "schedule.micro_batches=6"];
    let (one, three) = (whole(config(&more), 1), whole(config(&more), 3));
    let again = whole(config(&more), 3);
    assert_same(&again, &three, "the same run again");
    let (first, of_three) = (&one.stats[0], &three.stats[0]);
    for name in ["Loss/D/total", "Loss/G/total", "Gradients/D"] {
        let (a, b) = (first[name], of_three[name]);
        assert!((a - b).abs() <= 1e-3 * a.abs(), "{name}: {a} and {b}");
    }
}

#[test]
fn a_stopped_run_continues_on_another_number_of_processes() {
    let expected = whole(config(&EIGHT), 1);
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&EIGHT), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    for (size, images) in [(2, 40), (1, 72), (4, u64::MAX)] {
        let outcome = train(&mut trainer, size, images);
        assert_eq!(outcome, if images == u64::MAX { Outcome::Finished } else { Outcome::Stopped });
        drop(trainer);
        trainer = Trainer::resume(&run, Components::new()).unwrap();
    }
    drop(trainer);
    assert_same(&left(&run), &expected, "2, 1, then 4 processes");
}

/// Losses and gradients of two micro-batches are means: nothing else of a step knows of them, if no loss compares
/// the images of a batch.
#[test]
fn a_batch_of_two_halves_is_a_batch() {
    let apart = [
        "loss.attributes.weight=0",
        "loss.contrast.size=0",
        "loss.reconstruction.weight=0",
        "loss.adversarial.matching_aware=false",
        "gan.stddev_group=1",
        "augment.translation=0",
        "augment.mirror=false",
        "loader.caption_dropout=0",
        "loader.word_dropout=0",
        "schedule.batch_sizes=[8]",
        // Without it Adam makes a whole step of the rounding error of a gradient that is 0.
        "optimizer.generator.epsilon=1e-3",
        "optimizer.text.epsilon=1e-3",
        "optimizer.discriminator.epsilon=1e-3",
    ];
    let config = config(&apart);
    let splits = config.data.open(config.gan.resolution).unwrap();
    let tokenizer = train_tokenizer(&config, &splits).unwrap();
    let loader = Loader::new(splits.train.clone(), Key::new(3));
    let stage = t2f_train::schedule::Schedule::new(&config.schedule, 1, 64).unwrap().at(100);
    assert!(stage.level == 1 && stage.alpha < 1.0);
    let batch = |step: u64, part: u64, size: usize| -> Batch {
        loader.batch(8 * step + part * size as u64, size, stage.resolution).unwrap()
    };
    let state = || {
        let sizes = procedural::schema().sizes();
        TrainState::new(&config, &Components::new(), &tokenizer, &sizes, &Device::Cpu).unwrap()
    };
    let (mut of_wholes, mut of_halves) = (state(), state());
    for step in 0..3 {
        let shown = 8 * step;
        let whole = of_wholes.step(&batch(step, 0, 8), &stage, Key::new(0), step, shown).unwrap();
        let halves = [batch(step, 0, 4), batch(step, 1, 4)];
        let share = Share { batches: &halves, first: 0, count: 2, communicator: &Single };
        let mean = of_halves.step_shared(&share, &stage, Key::new(0), step, shown).unwrap();
        let number = |value: &Tensor| value.to_scalar::<f32>().unwrap();
        assert_eq!(whole.len(), mean.len());
        for ((name, a), (_, b)) in whole.iter().zip(&mean) {
            let (a, b) = (number(a), number(b));
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "step {step}, {name}: {a} and {b}");
        }
    }
    let parameters = |state: &TrainState| {
        let all = state.g_params().tensors().into_iter().chain(state.d_params().tensors());
        all.map(|(name, tensor)| (name, tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()))
            .collect::<Vec<_>>()
    };
    let (wholes, halves, initial) = (parameters(&of_wholes), parameters(&of_halves), parameters(&state()));
    let mut trained = 0;
    for (((name, a), (_, b)), (_, before)) in wholes.iter().zip(&halves).zip(&initial) {
        let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest <= 1e-5, "{name}: {largest}");
        trained += usize::from(a != before);
    }
    assert!(trained > wholes.len() / 2, "{trained} of {} parameters have changed", wholes.len());
}

#[test]
fn a_divergence_stops_all_and_a_rollback_goes_on_with_all() {
    let out = tempfile::tempdir().unwrap();
    let more = ["schedule.batch_sizes=[8]", "schedule.micro_batches=2", "schedule.anneal_kimg=0"];
    let mut trainer = Trainer::create(config(&more), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    assert_eq!(train(&mut trainer, 2, 48), Outcome::Stopped);
    drop(trainer);
    let diverging = [more.map(String::from).to_vec(), vec!["optimizer.generator.lr=1e30".into()]].concat();
    let folder = t2f_train::run_dir::RunDir::open(&run).unwrap();
    let config = folder.config().unwrap().resolve_over(&diverging).unwrap();
    let mut trainer = Trainer::restore(folder, config, Components::new()).unwrap();
    let ((), others) = on(2, |first| {
        let go_on = |_: &Event| ControlFlow::Continue(());
        let error = trainer.run_on(first, go_on).unwrap_err();
        assert!(matches!(error, Error::Divergence { .. }), "{error}");
        let back = trainer.roll_back(&error).unwrap();
        assert_eq!((back.to_step, back.rate), (6, 0.5));
        // The rate is still far too high, and all processes are there to notice it.
        let again = trainer.run_on(first, go_on).unwrap_err();
        assert!(matches!(again, Error::Divergence { .. }), "{again}");
        end(first).unwrap();
    });
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert!(run.join("diverged.json").exists());
}

#[test]
fn the_others_end_with_an_error_if_the_first_is_lost() {
    let ((), others) = on(3, |first| assert_eq!(first.rank(), 0));
    for other in others {
        assert!(matches!(other, Err(Error::Parallel(_))), "{other:?}");
    }
}

#[test]
fn processes_that_cannot_share_a_batch_are_refused_with_the_numbers() {
    let refused =
        |more: &[&str], processes: usize| config(more).for_processes(processes).unwrap_err().to_string();
    assert_eq!(
        refused(&["schedule.batch_sizes=[8]"], 3),
        "schedule.micro_batches is 3, expected a number that divides each of schedule.batch_sizes ([8]) into parts of \
         at least 2 images"
    );
    assert_eq!(
        refused(&["schedule.batch_sizes=[8]", "schedule.micro_batches=2"], 4),
        "schedule.micro_batches is 2, expected a multiple of the 4 processes"
    );
    assert!(refused(&["schedule.batch_sizes=[4]"], 4).contains("parts of at least 2 images"));
    let fits = config(&["schedule.batch_sizes=[8,16]"]).for_processes(4).unwrap();
    assert_eq!(fits.schedule.micro_batches, Some(4));
    assert_eq!(config(&[]).for_processes(1).unwrap().schedule.micro_batches, None);
}

#[test]
fn a_build_without_mpi_refuses_to_train_beside_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::command(folder.path(), &["train", "-n"]);
    command.env("OMPI_COMM_WORLD_RANK", "1").env("OMPI_COMM_WORLD_SIZE", "2");
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("a launcher started 2 processes, and this build of t2f trains on one"),
        "{printed}"
    );
    assert!(printed.contains("--features mpi"), "{printed}");
    // One process of a launcher is as good as none.
    let mut alone = program::command(folder.path(), &["train", "-n"]);
    alone.env("OMPI_COMM_WORLD_RANK", "0").env("OMPI_COMM_WORLD_SIZE", "1");
    assert!(alone.output().unwrap().status.success());
}

//! A run resumes with other settings where they can change, and refuses the others by name.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::run_dir::RunDir;
use t2f_train::trainer::{Event, Outcome, Trainer};

use crate::program::run as program;
use crate::tiny::{config, newest_checkpoint, run_to, run_whole, stats};

/// A run of 16 steps at 4x4 and 24 at 8x8, stopped after `steps`.
fn started(out: &Path, steps: u64) -> PathBuf {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out).unwrap();
    run_to(&mut trainer, steps);
    trainer.run_dir().path().to_owned()
}

/// Resumes a run with overrides.
fn resumed(run: &Path, lines: &[&str]) -> t2f_train::Result<Trainer> {
    let run = RunDir::open(run)?;
    let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    let config = run.config()?.resolve_over(&lines)?;
    Trainer::restore(run, config, Components::new())
}

/// The message of a refused resume.
fn refused(run: &Path, lines: &[&str]) -> String {
    resumed(run, lines).err().unwrap_or_else(|| panic!("{lines:?} are accepted")).to_string()
}

#[test]
fn changed_settings_are_recorded_reported_once_and_stay() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 10);
    let lines = ["optimizer.generator.lr=0.002", "loader.workers=2", "output.samples=3"];
    let mut trainer = resumed(&run, &lines).unwrap();
    let mut told = Vec::new();
    let outcome = trainer.run(|event| {
        if let Event::Changed(changes) = event {
            told.extend(changes.iter().map(ToString::to_string));
        }
        if told.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(outcome.unwrap(), Outcome::Stopped);
    let expected = [
        "loader.workers is now 2, before 1",
        "optimizer.generator.lr is now 0.002, before 0.006",
        "output.samples is now 3, before 2",
    ];
    assert_eq!(told, expected);
    drop(trainer);
    let rows = stats(&run);
    let row = rows.iter().find(|row| row.keys().any(|key| key.starts_with("Settings/"))).unwrap();
    let values = ["step", "Progress/kimg", "Settings/optimizer.generator.lr", "Settings/output.samples"];
    assert_eq!(values.map(|key| row[key]), [10.0, 0.04, 0.002, 3.0]);
    // The record is sealed: no edit is marked, and a plain resume has the new settings.
    let recorded = RunDir::open(&run).unwrap().config().unwrap();
    assert_eq!((recorded.loader.workers, recorded.optimizer.generator.lr), (2, 0.002.into()));
    let mut again = resumed(&run, &[]).unwrap();
    let told_again = again.run(|event| match event {
        Event::Changed(_) => panic!("no setting changed"),
        _ => ControlFlow::Break(()),
    });
    assert_eq!(told_again.unwrap(), Outcome::Stopped);
}

#[test]
fn the_device_of_a_resume_is_not_recorded() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 2);
    let before = fs::read(run.join("config.toml")).unwrap();
    drop(resumed(&run, &["device=auto"]).unwrap());
    assert!(fs::read(run.join("config.toml")).unwrap() == before);
    drop(resumed(&run, &["device=auto", "output.samples=3"]).unwrap());
    assert_eq!(Config::from_file(&run.join("config.toml")).unwrap().device, "cpu");
}

#[test]
fn settings_of_networks_and_texts_cannot_change_and_are_named() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 4);
    let before = fs::read(run.join("config.toml")).unwrap();
    for (line, wanted) in [
        ("gan.channels=[16,16]", "gan.channels cannot change in a run: it is [8, 8] there; start a new run"),
        ("gan.resolution=16", "gan.resolution cannot change in a run: it is 8 there; start a new run"),
        ("text.hidden_size=16", "text.hidden_size cannot change in a run: it is 8 there"),
        ("seed=5", "seed cannot change in a run: it is 0 there"),
        ("loss.contrast.size=8", "loss.contrast.size cannot change in a run: it is 64 there"),
        (
            "loss.attributes.weight=0",
            "loss.attributes.weight cannot change from or to 0 in a run: it is 5.0 there",
        ),
        (
            "optimizer.discriminator.beta1=0.5",
            "optimizer.discriminator.beta1 cannot change from or to 0 in a run",
        ),
    ] {
        let message = refused(&run, &[line, "output.samples=3"]);
        assert!(message.contains(wanted), "{line}: {message}");
        assert!(!message.contains("output.samples"), "{line}: {message}");
    }
    // By an edit of the file, too, and before the data are opened, whose fingerprint depends on it.
    let edited = String::from_utf8(before.clone()).unwrap().replace("resolution = 8", "resolution = 16");
    let edited = edited.replace("channels = [8, 8]", "channels = [8, 8, 8]") + "# edited\n";
    fs::write(run.join("config.toml"), edited).unwrap();
    let message = Trainer::resume(&run, Components::new()).err().unwrap().to_string();
    for wanted in ["gan.channels cannot change in a run: it is [8, 8] there", "gan.resolution cannot change"]
    {
        assert!(message.contains(wanted) && !message.contains("fingerprint"), "{message}");
    }
    fs::write(run.join("config.toml"), before).unwrap();
    run_whole(&mut resumed(&run, &[]).unwrap());
}

/// Every other kind of setting can change: the run goes on to its end.
#[test]
fn losses_rates_batches_and_output_can_change() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 10);
    let lines = [
        "loss.adversarial.kind=hinge",
        "loss.attributes.weight=2",
        "loss.conditioning.kl_weight=1",
        "augment.probability=0.25",
        "augment.adaptive={target=0.5}",
        "optimizer.n_critic=2",
        "optimizer.classifier.lr=1e-3",
        "ema.half_life_kimg=0.01",
        "schedule.batch_sizes=[8]",
        "schedule.anneal_kimg=0",
        "output.tick_kimg=0.01",
        "loader.caption_dropout=0.5",
        "data.memory_mib=1",
    ];
    let mut trainer = resumed(&run, &lines).unwrap();
    run_whole(&mut trainer);
    assert!(trainer.progress().images >= 160 && trainer.progress().images < 168);
}

#[test]
fn a_changed_probability_of_the_augmentation_replaces_that_of_the_checkpoint() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 4);
    let probability = |lines: &[&str]| {
        let mut trainer = resumed(&run, lines).unwrap();
        run_to(&mut trainer, 4);
        trainer.progress().augmented.unwrap().probability
    };
    let before = probability(&[]);
    assert_eq!(probability(&["augment.adaptive.target=0.1"]), before);
    assert_eq!(probability(&["augment.probability=0.875"]), 0.875);
}

/// A level that begins within a batch of the old size begins once, and the run resumes to the same bits.
#[test]
fn a_run_with_another_batch_size_still_resumes_bit_for_bit() {
    // 10 steps of 4 at 4x4, then 8 more batches of 12: the first level ends within one.
    let lines = ["schedule.batch_sizes=[12,8]", "optimizer.reset_at_level=true"];
    let run_of = |stops: &[u64]| {
        let out = tempfile::tempdir().unwrap();
        let run = started(out.path(), 10);
        let mut trainer = resumed(&run, &lines).unwrap();
        let mut levels = Vec::new();
        for stop in stops.iter().copied().chain([u64::MAX]) {
            let outcome = trainer.run(|event| {
                if let Event::Level { level, .. } = event {
                    levels.push(*level);
                }
                match event {
                    Event::Stepped { images } | Event::Started { images, .. } if *images >= stop => {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                }
            });
            if outcome.unwrap() == Outcome::Stopped {
                drop(trainer);
                trainer = Trainer::resume(&run, Components::new()).unwrap();
            }
        }
        let model = fs::read(run.join("model.safetensors")).unwrap();
        (levels, newest_checkpoint(&run), stats(&run), model)
    };
    let whole = run_of(&[]);
    assert_eq!(whole.0, [1]);
    // After 40 images come batches of 12 to 76, where 8x8 begins, then batches of 8.
    for stops in [&[40][..], &[52], &[64], &[76], &[84], &[64, 76, 84]] {
        let found = run_of(stops);
        assert!(found == whole, "stopped at {stops:?}: levels {:?}", found.0);
    }
}

#[test]
fn a_finished_run_continues_with_a_longer_schedule_and_not_with_a_shorter_one() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 100);
    let done = resumed(&run, &[]).unwrap();
    assert!(done.is_finished());
    let (key, numbers) = done.config().schedule.longer(2);
    assert_eq!((key, numbers.as_slice()), ("schedule.stable_kimg", &[0.064, 0.096][..]));
    drop(done);
    let mut longer = resumed(&run, &[&format!("{key}={numbers:?}")]).unwrap();
    assert!(!longer.is_finished());
    run_whole(&mut longer);
    assert_eq!(longer.progress().images, 208);
    drop(longer);
    let message = refused(&run, &["schedule.stable_kimg=[0.064,0.05]"]);
    assert!(message.contains("ends at 0.164 kimg, and the run has shown 0.208 kimg"), "{message}");
    let message = refused(&run, &["schedule.stable_kimg=[5,0.048]"]);
    assert!(message.contains("4x4") && message.contains("8x8"), "{message}");
}

#[test]
fn the_program_says_how_to_go_on_with_a_finished_run_and_logs_changes() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path(), 100);
    let run = run.to_str().unwrap();
    let ran = program(out.path(), &["train", "--resume", run]);
    let hint = ran.err.lines().find(|line| line.starts_with("the run was complete")).unwrap_or_default();
    assert!(hint.contains("its schedule has 0.16 kimg") && hint.contains("--resume"), "{}", ran.err);
    let set = hint.split("--set ").nth(1).unwrap().trim_end_matches('`').trim_matches('\'');
    let dry = program(out.path(), &["train", "-n", "--resume", run, "--set", set]);
    let change = "schedule.stable_kimg is now [0.064, 0.096], before [0.064, 0.048]";
    assert!(dry.code == 0 && dry.err.contains(change), "{}", dry.err);
    let longer = program(out.path(), &["train", "--resume", run, "--set", set]);
    assert_eq!(longer.code, 0, "{}", longer.err);
    assert!(!longer.err.contains("the run was complete"), "{}", longer.err);
    let log = fs::read_to_string(Path::new(run).join("log.txt")).unwrap();
    assert!(log.contains(&format!("changed: {change}")), "{log}");
    for dry in [&[][..], &["-n"]] {
        let line = ["train", "--resume", run, "--set", "gan.channels=[8,9]"];
        let ran = program(out.path(), &[&line, dry].concat());
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("gan.channels cannot change in a run: it is [8, 8] there"), "{}", ran.err);
        assert!(ran.err.contains("hint: ") && ran.err.contains("starts a new run"), "{}", ran.err);
    }
}

/// Procedural faces as a folder of images, 24 for training.
fn exported(out: &Path, name: &str, seed: u32) {
    let seed = format!("data.seed={seed}");
    let line = ["data", "export", "--out", name, "--count", "24", "--resolution", "8", "--set", &seed];
    let ran = program(out, &line);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_run_resumes_from_data_that_moved_and_not_from_other_data() {
    let out = tempfile::tempdir().unwrap();
    exported(out.path(), "faces", 0);
    exported(out.path(), "others", 1);
    let small = crate::tiny::SMALL.iter().filter(|line| !line.starts_with("data."));
    let small: Vec<&str> = small.flat_map(|line| ["--set", line]).collect();
    let mut line = vec!["train", "--data", "folder:faces", "--set", "data.files.cache=pixels"];
    line.extend(small);
    let ran = program(out.path(), &line);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let run = out.path().join("runs/00000-folder-tiny");
    let of_data = || {
        let table: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        let data = &table["data"];
        (data["path"].as_str().unwrap().to_owned(), data["files"]["cache"].as_str().unwrap().to_owned())
    };
    let whole = |name: &str| out.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned();
    assert_eq!(of_data(), (whole("faces"), whole("pixels")));

    fs::rename(out.path().join("faces"), out.path().join("moved")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let resume = |folder: &Path, more: &[&str]| {
        program(folder, &[&["train", "--resume", run.to_str().unwrap()], more].concat())
    };
    let lost = resume(elsewhere.path(), &[]);
    assert!(lost.code == 1 && lost.err.contains("faces") && lost.err.contains("--data"), "{}", lost.err);
    let other = resume(out.path(), &["--data", "folder:others"]);
    assert_eq!(other.code, 1, "{}", other.err);
    for wanted in
        ["the data are not those of the run: their fingerprint is ", ", expected ", "data.path is now others"]
    {
        assert!(other.err.contains(wanted), "{}", other.err);
    }
    assert_eq!(of_data().0, whole("faces"), "a refused place is not recorded");
    let moved = resume(out.path(), &["--data", "folder:moved"]);
    assert_eq!(moved.code, 0, "{}", moved.err);
    assert_eq!(of_data().0, whole("moved"));
    // The recorded path is absolute: the working folder does not matter.
    let again = resume(elsewhere.path(), &[]);
    assert_eq!(again.code, 0, "{}", again.err);
}

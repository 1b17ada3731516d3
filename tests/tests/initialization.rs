//! A new run starts from trained weights: what fits is copied, the rest is named, and the source is needed at
//! the start alone.

use std::fs;
use std::path::Path;

use candle_core::Tensor;
use t2f_gan::{Growth, Objective, ObjectiveContext};
use t2f_train::components::Components;
use t2f_train::initialization::Initialization;
use t2f_train::trainer::Trainer;

use crate::program::run as program;
use crate::tiny::{SMALL, config, newest_checkpoint, run_to, run_whole, stats};

/// A finished run of both levels.
fn trained(out: &Path) -> Trainer {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.join("source")).unwrap();
    run_whole(&mut trainer);
    trainer
}

/// A new run with other settings from the weights at `path`.
fn from(path: &Path, lines: &[&str], out: &Path) -> t2f_train::Result<Trainer> {
    let initial = Initialization::open(path, &Components::new())?;
    Trainer::create_from(config(lines), Components::new(), &initial, out.join("new"))
}

/// The message of a refused start.
fn refused(path: &Path, lines: &[&str], out: &Path) -> String {
    from(path, lines, out).err().unwrap_or_else(|| panic!("{lines:?} are accepted")).to_string()
}

/// Images of both trainers' averages at a level, for the same captions and noise.
fn images(trainer: &Trainer, level: usize) -> Vec<f32> {
    let pipeline = trainer.pipeline_ema();
    let captions = ["a bald man with a beard".to_owned(), "a woman with red hair".to_owned()];
    let noise = pipeline.noise(&[3, 4], 1.0, trainer.device()).unwrap();
    let images = pipeline.generate(&captions, &noise, Growth::stable(level)).unwrap();
    images.flatten_all().and_then(|images| images.to_vec1()).unwrap()
}

fn note(trainer: &Trainer, start: &str) -> String {
    let notes = trainer.notes();
    notes.iter().find(|note| note.contains(start)).unwrap_or_else(|| panic!("{start}: {notes:?}")).clone()
}

#[test]
fn equal_networks_start_with_equal_weights_at_the_trained_level() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path();
    let step = fs::read_to_string(path.join("checkpoints/LATEST")).unwrap();
    let checkpoint = path.join("checkpoints").join(step);
    for path in [path, &checkpoint, &checkpoint.join("g_ema.safetensors")] {
        let new = from(path, &[], out.path()).unwrap();
        assert!(images(&new, 1) == images(&source, 1), "{}", path.display());
        assert_eq!((new.stage().level, new.stage().alpha, new.progress().step), (1, 1.0, 0));
        let (old, new_files) =
            (newest_checkpoint(source.run_dir().path()), newest_checkpoint(new.run_dir().path()));
        assert!(old["d_params.safetensors"] == new_files["d_params.safetensors"]);
        assert!(old["g_ema.safetensors"] == new_files["g_params.safetensors"]);
        assert!(old["g_ema.safetensors"] == new_files["g_ema.safetensors"]);
        assert!(!new.notes().iter().any(|note| note.contains("start anew")), "{:?}", new.notes());
        let recorded = new.run_dir().config().unwrap();
        let origin = recorded.origin.unwrap();
        assert_eq!((origin.path.as_str(), origin.images), (path.to_str().unwrap(), 160));
        assert_eq!((origin.hash.len(), recorded.schedule.start_level), (64, Some(1)));
    }
    let plain = Trainer::create(config(&[]), Components::new(), out.path().join("plain")).unwrap();
    assert!(images(&plain, 1) != images(&source, 1));
    assert_eq!((plain.stage().level, plain.config().origin.clone()), (0, None));
}

#[test]
fn levels_that_both_resolutions_have_keep_their_weights() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path();
    let higher = ["gan.resolution=16", "gan.channels=[8,8,8]"];
    let mut new = from(path, &higher, out.path()).unwrap();
    for level in [0, 1] {
        assert!(images(&new, level) == images(&source, level), "level {level}");
    }
    let anew = note(&new, "start anew");
    for part in ["generator.layers.1", "generator.rgb_converters.2", "discriminator.layers.1"] {
        assert!(anew.contains(part), "{anew}");
    }
    assert!(!anew.contains("initial_block") && !anew.contains("final_block"), "{anew}");
    assert_eq!((new.stage().resolution, new.stage().alpha), (8, 1.0));
    run_whole(&mut new);
    // 0.096 kimg at 8x8 without a fade-in, and as many at 16x16.
    assert_eq!((new.progress().images, new.stage().resolution), (192, 16));
    let first = &stats(new.run_dir().path())[0];
    assert_eq!((first["Progress/level"], first["Progress/alpha"]), (1.0, 1.0));

    let lower =
        ["gan.resolution=4", "gan.channels=[8]", "schedule.fade_kimg=[0]", "schedule.stable_kimg=[0.02]"];
    let lower = from(path, &lower, out.path()).unwrap();
    assert!(images(&lower, 0) == images(&source, 0));
    assert_eq!((lower.stage().level, lower.config().schedule.start_level), (0, Some(0)));
    let first = from(path, &["schedule.start_level=0"], out.path()).unwrap();
    assert_eq!(first.stage().level, 0, "a level that is set is kept");

    let message = refused(path, &["gan.channels=[8,9]"], out.path());
    for part in ["gan.channels is [8, 9]", "[8, 8]", "Set gan.channels"] {
        assert!(message.contains(part), "{message}");
    }
}

/// A level that fades in is not trained yet.
#[test]
fn the_trained_level_is_that_of_the_checkpoint() {
    let out = tempfile::tempdir().unwrap();
    let mut source = Trainer::create(config(&[]), Components::new(), out.path().join("source")).unwrap();
    for (steps, level) in [(10, 0), (20, 0), (30, 1)] {
        run_to(&mut source, steps);
        let initial = Initialization::open(source.run_dir().path(), &Components::new()).unwrap();
        assert_eq!(initial.level(), level, "after {steps} steps");
    }
}

#[test]
fn words_of_both_vocabularies_keep_their_vectors() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path();
    let new = from(path, &["data.seed=7", "data.train_images=12"], out.path()).unwrap();
    let tokenizer = |trainer: &Trainer| newest_checkpoint(trainer.run_dir().path())["tokenizer.json"].clone();
    assert!(tokenizer(&new) != tokenizer(&source), "the ids differ");
    let encode = |trainer: &Trainer, caption: &str| -> Vec<f32> {
        let text = trainer.pipeline_ema().text();
        assert_eq!(text.unknown_words(caption).unwrap(), [""; 0]);
        let embedding: Tensor = text.encode(&[caption.to_owned()]).unwrap();
        embedding.flatten_all().and_then(|embedding| embedding.to_vec1()).unwrap()
    };
    let caption = "a man with hair";
    assert!(encode(&new, caption) == encode(&source, caption));
    let kept = note(&new, "words keep their vectors");
    let numbers: Vec<usize> = kept.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 2 && numbers[0] > 10 && numbers[0] <= numbers[1], "{kept}");
    let whole = note(&from(path, &[], out.path()).unwrap(), "words keep their vectors");
    let numbers: Vec<&str> = whole.split(' ').filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers[0], numbers[1], "{whole}");
}

#[test]
fn a_model_file_gives_the_generator_alone() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let new = from(&source.run_dir().model(), &[], out.path()).unwrap();
    assert!(images(&new, 1) == images(&source, 1));
    assert!(note(&new, "no discriminator").contains("start anew"));
    assert!(note(&new, "these parts start anew").ends_with(": encoder"), "{:?}", new.notes());
    let mut plain = Trainer::create(config(&[]), Components::new(), out.path().join("plain")).unwrap();
    run_to(&mut plain, 0);
    let d = |trainer: &Trainer| newest_checkpoint(trainer.run_dir().path())["d_params.safetensors"].clone();
    assert!(d(&new) == d(&plain), "the discriminator has its random weights");
    assert_eq!(new.config().origin.as_ref().unwrap().images, 160);
}

/// Without attributes there is no prior and no classifier, and the latent is shorter.
#[test]
fn parts_of_other_attributes_start_anew_and_are_named() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path();
    let lines = ["loss.attributes.weight=0", "loss.attributes.prior=false", "loss.reconstruction.weight=0"];
    let mut new = from(path, &lines, out.path()).unwrap();
    let anew = note(&new, "start anew");
    assert!(anew.contains("generator.initial_block.conv_1.weight"), "{anew}");
    assert!(!anew.contains("conv_2") && !anew.contains("text"), "{anew}");
    run_to(&mut new, 2);
    // The other way, prior, classifier and latent encoder are new.
    let back = from(new.run_dir().path(), &["name=back"], out.path()).unwrap();
    let anew = note(&back, "start anew");
    for part in ["prior", "encoder", "discriminator.attributes"] {
        assert!(anew.contains(part), "{anew}");
    }
}

#[test]
fn an_initialised_run_resumes_bit_for_bit_without_its_source() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path()).run_dir().path().to_owned();
    let lines = ["data.seed=7", "gan.resolution=16", "gan.channels=[8,8,8]"];
    let mut whole = from(&source, &lines, out.path()).unwrap();
    let stopped = from(&source, &lines, out.path()).unwrap();
    let run = stopped.run_dir().path().to_owned();
    drop(stopped);
    fs::remove_dir_all(&source).unwrap();
    for steps in [0, 7, 30] {
        let mut again = Trainer::resume(&run, Components::new()).unwrap();
        assert!(again.notes().iter().all(|note| !note.contains("anew")), "the notes are of the start");
        run_to(&mut again, steps);
    }
    run_whole(&mut Trainer::resume(&run, Components::new()).unwrap());
    run_whole(&mut whole);
    let first = whole.run_dir().path();
    assert!(newest_checkpoint(&run) == newest_checkpoint(first));
    assert_eq!(stats(&run), stats(first));
}

/// A kill between the configuration and the first checkpoint.
#[test]
fn a_run_without_a_checkpoint_reads_its_source_again_or_names_it() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path().to_owned();
    let new = from(&path, &[], out.path()).unwrap();
    let run = new.run_dir().path().to_owned();
    drop(new);
    let forget = || {
        fs::remove_dir_all(run.join("checkpoints")).unwrap();
        fs::remove_file(run.join("model.safetensors")).unwrap();
    };
    forget();
    let again = Trainer::resume(&run, Components::new()).unwrap();
    assert!(images(&again, 1) == images(&source, 1));
    drop(again);
    forget();
    fs::remove_dir_all(&path).unwrap();
    let message = Trainer::resume(&run, Components::new()).unwrap_err().to_string();
    assert!(message.contains("no checkpoint yet") && message.contains(path.to_str().unwrap()), "{message}");
}

/// An objective without terms.
#[derive(Debug)]
struct Silent;

impl Objective for Silent {
    fn name(&self) -> &str {
        "silent"
    }
}

#[test]
fn a_custom_component_of_the_source_is_required_by_name() {
    let out = tempfile::tempdir().unwrap();
    let build = |_: &ObjectiveContext<'_>| -> t2f_gan::Result<Box<dyn Objective>> { Ok(Box::new(Silent)) };
    let components = Components::new().with_objective("silent", build);
    let mut source = Trainer::create(config(&[]), components.clone(), out.path().join("source")).unwrap();
    run_to(&mut source, 2);
    let path = source.run_dir().path();
    let message = refused(path, &[], out.path());
    assert!(message.contains("`silent`") && message.contains("with_objective"), "{message}");
    let initial = Initialization::open(path, &components).unwrap();
    Trainer::create_from(config(&[]), components, &initial, out.path().join("new")).unwrap();
    from(&source.run_dir().model(), &[], out.path()).unwrap();
}

#[test]
fn the_program_describes_and_starts_from_trained_weights() {
    let out = tempfile::tempdir().unwrap();
    let source = trained(out.path());
    let path = source.run_dir().path().to_str().unwrap().to_owned();
    let small: Vec<&str> = SMALL.iter().flat_map(|line| ["--set", line]).collect();
    let with =
        |more: &[&str]| program(out.path(), &[&["train", "--init-from", &path][..], &small, more].concat());
    let more = ["--set", "gan.resolution=16", "--set", "gan.channels=[8,8,8]"];
    let dry = with(&[&more[..], &["-n"]].concat());
    assert_eq!(dry.code, 0, "{}", dry.err);
    for line in ["[origin]", "start_level = 1", &format!("# initial weights: {path}, 0.16 kimg")] {
        assert!(dry.out.contains(line), "{line}: {}", dry.out);
    }
    let phases = dry.out.split("# schedule:").nth(1).unwrap();
    assert!(!phases.contains(" 4x4") && phases.contains(" 8x8") && phases.contains("16x16"), "{phases}");
    assert!(dry.err.contains("start anew: discriminator.layers.1"), "{}", dry.err);
    let ran = with(&more);
    assert!(ran.code == 0 && ran.err.contains("words keep their vectors"), "{}", ran.err);
    let log = fs::read_to_string(out.path().join("runs/00000-procedural-tiny/log.txt")).unwrap();
    assert!(log.contains("start anew"), "{log}");
    let gone = program(out.path(), &["train", "--init-from", "nowhere"]);
    assert!(
        gone.code == 1 && gone.err.contains("nowhere") && gone.err.contains("--init-from"),
        "{}",
        gone.err
    );
    let both = program(out.path(), &["train", "--init-from", &path, "--resume", &path]);
    assert_eq!(both.code, 2, "{}", both.err);
}

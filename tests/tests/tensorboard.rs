//! Event files of TensorBoard during a run.

use std::fs;
use std::path::{Path, PathBuf};

use t2f_train::components::Components;
use t2f_train::trainer::Trainer;

use crate::tiny::{config, newest_checkpoint, run_to, run_whole, stats};

const EVENTS: [&str; 1] = ["output.tensorboard=true"];

fn event_files(run: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let is_events =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents.");
    let mut files: Vec<PathBuf> = paths.filter(is_events).collect();
    files.sort();
    files
}

/// The number of places where a part occurs in a file.
fn count(file: &Path, part: &str) -> usize {
    let bytes = fs::read(file).unwrap();
    bytes.windows(part.len()).filter(|window| *window == part.as_bytes()).count()
}

#[test]
fn event_files_have_each_row_sheet_caption_and_parameter_and_change_nothing_in_the_training() {
    let out = tempfile::tempdir().unwrap();
    let train = |settings: &[&str]| {
        let mut trainer = Trainer::create(config(settings), Components::new(), out.path()).unwrap();
        run_whole(&mut trainer);
        trainer.run_dir().path().to_owned()
    };
    let (plain, with) = (train(&[]), train(&EVENTS));
    assert!(event_files(&plain).is_empty());
    assert_eq!(stats(&plain), stats(&with));
    assert_eq!(newest_checkpoint(&plain), newest_checkpoint(&with));
    let [file] = &event_files(&with)[..] else { panic!("one file") };
    let rows = stats(&with).iter().filter(|row| row.contains_key("Loss/D/total")).count();
    assert_eq!(count(file, "Loss/D/total"), rows);
    let sheets = fs::read_dir(&with)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("fakes"));
    assert_eq!(count(file, "samples/fakes"), sheets.count());
    assert_eq!((count(file, "samples/captions"), count(file, "optimizer.generator.lr")), (1, 1));
    assert!(count(file, "weights/G/") > 10 && count(file, "weights/D/") > 10);
}

#[test]
fn each_resume_has_a_file_of_its_own_from_the_step_of_its_checkpoint() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&EVENTS), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    run_to(&mut trainer, 20);
    drop(trainer);
    let first = fs::read(&event_files(&run)[0]).unwrap();
    let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
    run_whole(&mut trainer);
    let files = event_files(&run);
    assert_eq!(files.len(), 2);
    assert_eq!(fs::read(&files[0]).unwrap(), first);
    // Step 21 in the field of steps, then a message with the status of a start.
    assert!(fs::read(&files[1]).unwrap()[..120].windows(6).any(|part| part == [0x10, 21, 0x3a, 2, 0x08, 1]));
}

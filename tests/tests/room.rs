//! Full and read-only disks, missing permissions, folders in use, and clocks that run backwards.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use t2f_files::disk::{Disk, OsDisk};
use t2f_tests::disks::{Full, Refusing};
use t2f_tests::{draft, step_of};
use t2f_train::checkpoint::load_latest;
use t2f_train::components::Components;
use t2f_train::run_dir::RunDir;
use t2f_train::trainer::Trainer;

use crate::program::run;
use crate::tiny::{config, run_to, run_whole};

/// Bytes of everything under a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { fs::metadata(path).unwrap().len() }).sum()
}

#[test]
fn a_disk_that_is_full_at_any_size_keeps_the_last_checkpoint_and_states_the_need() {
    let measure = tempfile::tempdir().unwrap();
    let whole = size(&draft(2).commit(&OsDisk, measure.path(), 3).unwrap());
    let (mut failed, mut fitted) = (0, 0);
    for (says, kind) in
        [(true, ErrorKind::StorageFull), (false, ErrorKind::StorageFull), (false, ErrorKind::QuotaExceeded)]
    {
        for i in 0..64 {
            let room = whole * 12 * i / (10 * 63);
            let folder = tempfile::tempdir().unwrap();
            draft(1).commit(&OsDisk, folder.path(), 1).unwrap();
            let disk = Full::new(room, says, kind);
            match draft(2).commit(&disk, folder.path(), 1) {
                Ok(_) => {
                    fitted += 1;
                    assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 2, "{room} bytes");
                }
                Err(error) => {
                    failed += 1;
                    let message = error.to_string();
                    assert!(
                        message.contains("it takes") && message.contains("are free"),
                        "{room}: {message}"
                    );
                    // If only the pointer did not fit, the new checkpoint is complete.
                    let found = load_latest(folder.path()).unwrap();
                    assert!(step_of(&found) == 1 || room >= whole, "{room} bytes: {message}");
                    let left = fs::read_dir(folder.path()).unwrap();
                    let names: Vec<String> =
                        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
                    assert!(!names.iter().any(|name| name.starts_with(".tmp-")), "{names:?}");
                }
            }
        }
    }
    assert!(failed > 100 && fitted > 10, "{failed} failed, {fitted} fitted");
}

/// An incomplete run of a few steps whose folder is not in use.
fn started(out: &Path) -> PathBuf {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out).unwrap();
    run_to(&mut trainer, 12);
    trainer.run_dir().path().to_owned()
}

/// Resumes a run on another disk to its end or an error.
fn resumed_on(run: &Path, disk: Arc<dyn Disk>) -> t2f_train::Result<()> {
    let run = RunDir::open_on(run, disk)?;
    let config = run.config()?;
    let mut trainer = Trainer::restore(run, config, Components::new())?;
    trainer.run(|_| ControlFlow::Continue(())).map(drop)
}

#[test]
fn training_does_not_begin_without_room_for_its_checkpoints() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path());
    let disk = Full::new(10_000, true, ErrorKind::StorageFull);
    let message = resumed_on(&run, Arc::new(disk)).unwrap_err().to_string();
    let wanted = ["no room for", "output.keep_checkpoints", "it takes", "10.0 kB are free"];
    assert!(wanted.iter().all(|part| message.contains(part)), "{message}");
    resumed_on(&run, Arc::new(OsDisk)).unwrap();
}

#[test]
fn a_run_on_a_disk_that_fills_up_stops_and_goes_on_once_there_is_room() {
    let out = tempfile::tempdir().unwrap();
    let mut whole = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    run_whole(&mut whole);
    let expected = t2f_tests::kill::Left::of(whole.run_dir().path()).unwrap();
    let run = started(out.path());
    for room in [0, 300, 40_000, 120_000] {
        let message = resumed_on(&run, Arc::new(Full::new(room, false, ErrorKind::StorageFull))).unwrap_err();
        assert!(message.to_string().contains("are free"), "{room}: {message}");
        load_latest(&run.join("checkpoints")).unwrap();
    }
    resumed_on(&run, Arc::new(OsDisk)).unwrap();
    t2f_tests::kill::Left::of(&run).unwrap().compare(&expected).unwrap();
}

#[test]
fn a_disk_that_refuses_is_named() {
    let out = tempfile::tempdir().unwrap();
    let run = started(out.path());
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        let message = resumed_on(&run, Arc::new(Refusing(kind))).unwrap_err().to_string();
        assert!(
            message.contains(run.to_str().unwrap()) && message.contains("cannot be written"),
            "{message}"
        );
    }
    resumed_on(&run, Arc::new(OsDisk)).unwrap();
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_states_the_need() {
    let out = tempfile::tempdir().unwrap();
    let of_run = started(out.path());
    // The limit is in blocks of 512 or 1024 bytes, by the shell; the largest file of a checkpoint is
    // above ten kilobytes.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" train --resume \"$1\"";
    let program = env!("CARGO_BIN_EXE_t2f-under-test");
    let ran = Command::new("sh").args(["-c", script, program, of_run.to_str().unwrap()]).output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{err}");
    let wanted = ["File too large", "it takes", "are free", "hint: "];
    assert!(wanted.iter().all(|part| err.contains(part)), "{err}");
    let found = load_latest(&of_run.join("checkpoints")).unwrap();
    assert!(found.path().ends_with("step-00000012"));
}

#[test]
fn places_that_cannot_be_written_are_named_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = home.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    // Root ignores permissions, so the program runs as another user then.
    let program = home.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_t2f-under-test"), &program).unwrap();
    let is_root = fs::write(closed.join("probe"), "").is_ok();
    let tiny = t2f_tests::kill::TINY.into_iter().flat_map(|set| ["--set", set]);
    for (out, reason) in
        [(&closed, "Permission denied"), (&file, "exists"), (&file.join("below"), "Not a directory")]
    {
        let mut command = Command::new(&program);
        command.args(["train", "--device", "cpu", "--out", out.to_str().unwrap()]).args(tiny.clone());
        if is_root {
            command.uid(65534).gid(65534);
        }
        let ran = command.output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{err}");
        let wanted = [out.to_str().unwrap(), reason, "hint: "];
        assert!(wanted.iter().all(|part| err.contains(part)), "{wanted:?}: {err}");
    }
}

#[test]
fn a_folder_has_one_user_at_a_time_in_fifty_races() {
    let out = tempfile::tempdir().unwrap();
    let trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let of_run = trainer.run_dir().path().to_owned();
    let ran = run(out.path(), &["train", "--resume", of_run.to_str().unwrap()]);
    assert!(ran.code == 1 && ran.err.contains("is in use by another process"), "{}", ran.err);
    drop(trainer);
    for race in 0..50 {
        let start = Barrier::new(4);
        let end = Barrier::new(4);
        let enter = || {
            start.wait();
            let entered = RunDir::open(&of_run);
            end.wait(); // all threads try before one releases the lock
            entered.is_ok()
        };
        let winners = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(winners, 1, "race {race}");
    }
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let out = tempfile::tempdir().unwrap();
    let mut whole = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    run_whole(&mut whole);
    let expected = t2f_tests::kill::Left::of(whole.run_dir().path()).unwrap();
    let run = started(out.path());
    // The newest checkpoint has the oldest time, and the others have future times.
    let set = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
    for entry in fs::read_dir(run.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        let newest = path.ends_with("step-00000012");
        let time =
            if newest { SystemTime::UNIX_EPOCH } else { SystemTime::now() + Duration::from_secs(1 << 30) };
        set(&path, time);
    }
    set(&run, SystemTime::UNIX_EPOCH);
    let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
    assert_eq!(trainer.progress().step, 12);
    run_whole(&mut trainer);
    t2f_tests::kill::Left::of(&run).unwrap().compare(&expected).unwrap();
}

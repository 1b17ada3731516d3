//! Reports of runs: what they contain, that they are reproducible, and that they need no network.

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};
use t2f_report::{Options, Run, Tracker, write};
use t2f_train::components::Components;
use t2f_train::trainer::Trainer;

use crate::program;
use crate::tiny::{config, run_to, run_whole};

/// Evaluations of a few images.
const EVALUATED: [&str; 3] = ["output.metrics_kimg=0.08", "output.metrics_images=4", "data.val_images=4"];

/// Every file of a report, by name.
fn report(runs: &[&Path], out: &Path) -> Vec<(String, Vec<u8>)> {
    let runs: Vec<Run> = runs.iter().map(|run| Run::open(run).unwrap()).collect();
    let files = write(&runs, out, &Options::default()).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn text(files: &[(String, Vec<u8>)], name: &str) -> String {
    let (_, bytes) = files.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(bytes.clone()).unwrap()
}

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn two_reports_of_a_run_are_identical_and_name_no_folder_of_the_machine() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&EVALUATED), Components::new(), out.path()).unwrap();
    run_whole(&mut trainer);
    let run = trainer.run_dir().path().to_owned();
    let first = report(&[&run], &out.path().join("one"));
    assert_eq!(first, report(&[&run], &out.path().join("two/deep")));
    let moved = out.path().join("elsewhere").join(run.file_name().unwrap());
    fs::create_dir(moved.parent().unwrap()).unwrap();
    fs::rename(&run, &moved).unwrap();
    drop(trainer);
    assert_eq!(first, report(&[&moved], &out.path().join("three")));
    let folder = out.path().to_string_lossy().into_owned();
    for (name, bytes) in &first {
        assert!(!bytes.windows(folder.len()).any(|part| part == folder.as_bytes()), "{name}");
    }
    let page = text(&first, "report.html");
    for part in ["40 steps", "Nearest training images", "4x4", "8x8", "KID", "type=\"range\"", "blake3"] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn a_page_requests_nothing_and_its_policy_has_the_hashes_of_style_and_script() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    run_to(&mut trainer, 20);
    let page = text(&report(&[trainer.run_dir().path()], &out.path().join("report")), "report.html");
    let sources = attributes(&page, "src");
    assert!(sources.len() > 2 && sources.iter().all(|it| it.starts_with("data:image/png;base64,")));
    for target in attributes(&page, "href") {
        let beside = out.path().join("report").join(target);
        assert!(target.starts_with('#') || beside.is_file(), "{target}");
    }
    assert!(attributes(&page, "style").is_empty() && !page.contains("@import") && !page.contains("url("));
    for tag in ["style", "script"] {
        let inline =
            page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
        let hash = base64(&Sha256::digest(inline.as_bytes()));
        assert!(page.contains(&format!("{tag}-src 'sha256-{hash}'")), "{tag}");
    }
}

/// The standard form, of a length that is not a multiple of three.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |group: &[u8], place: usize| {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        let needed = place <= group.len();
        if needed { char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]) } else { '=' }
    };
    bytes.chunks(3).flat_map(|group| (0..4).map(move |place| letter(group, place))).collect()
}

#[test]
fn an_unfinished_run_and_one_without_statistics_and_samples_have_reports() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&[]), Components::new(), out.path()).unwrap();
    let run = trainer.run_dir().path().to_owned();
    // The trainer has the lock of the folder.
    let new = report(&[&run], &out.path().join("new"));
    assert!(text(&new, "report.html").contains("no statistics yet"));
    run_to(&mut trainer, 10);
    let page = text(&report(&[&run], &out.path().join("live")), "report.html");
    assert!(page.contains("has trained so far: 36 images in 9 steps"), "{page}");
    assert!(page.contains("No metrics were measured"));
    let bare = out.path().join("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(run.join("config.toml"), bare.join("config.toml")).unwrap();
    let files = report(&[&bare], &out.path().join("of-bare"));
    assert_eq!(text(&files, "stats.csv"), "run,step,kimg,level,alpha,name,value\n");
    assert!(!files.iter().any(|(name, _)| name == "samples.png"));
}

#[test]
fn the_differences_of_two_runs_are_named() {
    let out = tempfile::tempdir().unwrap();
    let train = |settings: &[&str]| {
        let mut trainer = Trainer::create(config(settings), Components::new(), out.path()).unwrap();
        run_to(&mut trainer, 6);
        trainer.run_dir().path().to_owned()
    };
    let (one, other) = (train(&[]), train(&["seed=7", "optimizer.generator.lr=0.001"]));
    let files = report(&[&one, &other], &out.path().join("report"));
    let page = text(&files, "report.html");
    let row = "<th scope=\"row\">optimizer.generator.lr</th><td>0.006</td><td>0.001</td>";
    assert!(page.contains(row) && page.contains("<th scope=\"row\">seed</th><td>0</td><td>7</td>"));
    assert_eq!(text(&files, "runs.csv"), "run\n00000-procedural-tiny\n00001-procedural-tiny\n");
    let twice = [Run::open(&one).unwrap(), Run::open(&one).unwrap()];
    let error = write(&twice, &out.path().join("twice"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("two runs have the name 00000-procedural-tiny"), "{error}");
}

#[test]
fn training_images_that_may_show_people_are_shown_on_request_alone() {
    let out = tempfile::tempdir().unwrap();
    let faces = out.path().join("private-faces");
    let exported = program::run(
        out.path(),
        &[
            "data",
            "export",
            "--set",
            "data.train_images=12",
            "--set",
            "data.val_images=4",
            "--set",
            "data.test_images=4",
            "--format",
            "folder",
            "--out",
            "private-faces",
            "--resolution",
            "8",
        ],
    );
    assert_eq!(exported.code, 0, "{}", exported.err);
    let path = format!("data.path={}", faces.display());
    let settings = ["data={kind=\"folder\"}", &path];
    let mut trainer = Trainer::create(config(&settings), Components::new(), out.path()).unwrap();
    run_to(&mut trainer, 6);
    let run = trainer.run_dir().path().to_owned();
    let files = report(&[&run], &out.path().join("report"));
    assert!(!text(&files, "report.html").contains("Nearest training images"));
    let asked = Options { neighbours: true, ..Options::default() };
    let all = write(&[Run::open(&run).unwrap()], &out.path().join("all"), &asked).unwrap();
    assert!(fs::read_to_string(&all[0]).unwrap().contains("Nearest training images"));
    let script = text(&files, "reproduce.sh");
    assert!(
        script.contains("give --set data.path=PATH") && script.contains("path = \"private-faces\""),
        "{script}"
    );
}

#[test]
fn the_script_that_trains_again_gives_the_same_configuration() {
    let out = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::create(config(&["seed=3"]), Components::new(), out.path()).unwrap();
    run_to(&mut trainer, 6);
    let run = trainer.run_dir().path().to_owned();
    let script = text(&report(&[&run], &out.path().join("report")), "reproduce.sh");
    assert!(script.contains("seed 3, data procedural, fingerprint"), "{script}");
    let toml = script.split("<<'END_OF_CONFIGURATION'\n").nth(1).unwrap();
    let toml = toml.split("END_OF_CONFIGURATION").next().unwrap();
    let file = out.path().join("again.toml");
    fs::write(&file, toml).unwrap();
    let again = t2f_train::config::Config::from_file(&file).unwrap();
    assert!(again.changes_since(trainer.config()).unwrap().is_empty());
    let checked = Command::new("sh").arg("-n").arg(out.path().join("report/reproduce.sh")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn a_folder_that_is_no_run_is_named_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["report", "."][..], &["report", "none"], &["export", "--to", "wandb", "none"]] {
        let ran = program::run(folder.path(), command);
        assert_eq!(ran.code, 1, "{command:?}");
        let message = ["is not a run folder: it has no config.toml", "hint: give a folder such as runs/"];
        assert!(message.iter().all(|part| ran.err.contains(part)), "{}", ran.err);
        assert!(!ran.err.contains("panic") && ran.out.is_empty());
    }
    assert_eq!(program::run(folder.path(), &["report"]).code, 2);
    assert_eq!(program::run(folder.path(), &["export", "."]).code, 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_script_of_each_tracker_is_written_into_the_run() {
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join("config.toml"), "").unwrap();
    for tracker in [Tracker::Wandb, Tracker::Mlflow, Tracker::Trackio] {
        let ran = program::run(run.path(), &["export", "--to", tracker.name(), "."]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let file = run.path().join(format!("upload-{}.py", tracker.name()));
        assert_eq!(fs::read_to_string(file).unwrap(), tracker.script());
    }
}

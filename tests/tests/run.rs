//! A whole run from the command line: its folder, generation from it, and interruption.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{command, run};

/// `train` with networks of a few milliseconds per step, and more settings.
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let small = [
        "gan.resolution=8",
        "gan.channels=[8,8]",
        "gan.latent_size=12",
        "gan.code_size=8",
        "gan.compressed_size=8",
        "text.embedding_size=8",
        "text.hidden_size=8",
        "data.train_images=24",
        "data.val_images=4",
        "data.test_images=4",
        "schedule.batch_sizes=[4]",
        "schedule.fade_kimg=[0,0.016]",
        "schedule.stable_kimg=[0.016,0.016]",
        "output.tick_kimg=0.008",
        "output.sample_kimg=0.016",
        "output.checkpoint_kimg=0.024",
        "output.samples=2",
    ];
    let settings = small.into_iter().chain(more.iter().copied()).flat_map(|setting| ["--set", setting]);
    ["train", "--device", "cpu"].into_iter().chain(settings).collect()
}

/// The words of a command that the program printed, without its name and the quotes.
fn proposed(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(String::from)),
            _ => words.push(part.into()),
        }
    }
    words.split_off(1)
}

fn as_str(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn a_run_folder_is_complete_and_the_last_line_is_a_generate_command() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &train(&["seed=3"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let of_run = folder.path().join("runs/00000-procedural-quick");
    for name in [
        "config.toml",
        "overrides.txt",
        "log.txt",
        "stats.jsonl",
        "reals.png",
        "fakes_init.png",
        "fakes000000.016.png",
        "fakes000000.032.png",
        "timelapse.gif",
        "losses.svg",
        "losses.png",
        "checkpoints",
        "model.safetensors",
    ] {
        assert!(of_run.join(name).exists(), "{name} is missing");
    }
    assert!(fs::read_to_string(of_run.join("config.toml")).unwrap().contains("seed = 3"));
    assert!(fs::read_to_string(of_run.join("overrides.txt")).unwrap().contains("seed=3"));
    let log = fs::read_to_string(of_run.join("log.txt")).unwrap();
    for needle in ["level 0 (4x4)", "level 1 (8x8)", "alpha", "loss D", "img/s", "left"] {
        assert!(log.contains(needle) && ran.err.contains(needle), "{needle} is missing: {log}");
    }
    let has_time = |line: &str| {
        line.starts_with("20") && line.chars().nth(10) == Some(' ') && line.as_bytes()[16] == b':'
    };
    assert!(log.lines().all(has_time) && !ran.err.lines().any(has_time), "{log}");

    let words = proposed(ran.out.lines().last().unwrap());
    let generated = run(folder.path(), &as_str(&words));
    assert_eq!(generated.code, 0, "{words:?}: {}", generated.err);
    let png = fs::read(folder.path().join(generated.out.trim())).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}

#[test]
fn the_last_sheet_replaces_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let sheets = |folder_of_run: &str, sample_kimg: &str| {
        let more = [
            "schedule.batch_sizes=[64]",
            "schedule.fade_kimg=[0]",
            "schedule.stable_kimg=[0.64,0.896]",
            "data.train_images=64",
            sample_kimg,
        ];
        let ran = run(folder.path(), &train(&more));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let names = fs::read_dir(folder.path().join(folder_of_run)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut sheets: Vec<String> = names.filter(|name| name.starts_with("fakes0")).collect();
        sheets.sort();
        sheets
    };
    // 1536 images in batches of 64: the first batch beyond a thousand ends at 1024.
    let often = sheets("runs/00000-procedural-quick", "output.sample_kimg=1");
    assert_eq!(often, ["fakes000001.536.png", "fakes000001.png"]);
    assert_eq!(sheets("runs/00001-procedural-quick", "output.sample_kimg=5"), ["fakes000001.png"]);
}

#[test]
fn hours_scale_the_schedule_and_the_run_is_that_of_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let dry = run(folder.path(), &train(&[]).into_iter().chain(["-n", "--hours", "1"]).collect::<Vec<_>>());
    assert!(dry.code == 0 && dry.err.contains("kimg, about "), "{}", dry.err);
    assert!(!dry.out.contains("stable_kimg = [0.016, 0.016]"), "{}", dry.out);
    assert!(!folder.path().join("runs").exists());

    let short = run(folder.path(), &train(&[]).into_iter().chain(["--hours", "0.0001"]).collect::<Vec<_>>());
    assert_eq!(short.code, 0, "{}", short.err);
    let scaled = folder.path().join("runs/00000-procedural-quick");
    let config = scaled.join("config.toml");
    let again = run(folder.path(), &["train", "--device", "cpu", "--config", config.to_str().unwrap()]);
    assert_eq!(again.code, 0, "{}", again.err);
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert!(model(&scaled) == model(&folder.path().join("runs/00001-procedural-quick")));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let model = |precision: &str, threads: &str| {
        let (set, out) = (format!("precision={precision}"), format!("{precision}-{threads}"));
        let more = ["--set", &set, "--threads", threads, "--out", &out];
        let ran = run(folder.path(), &[&train(&[])[..], &more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        fs::read(folder.path().join(&out).join("00000-procedural-quick/model.safetensors")).unwrap()
    };
    let (exact, rounded) = (model("fp32", "1"), model("bf16", "1"));
    assert!(exact != rounded, "feature maps of bf16 are rounded");
    assert!(exact == model("fp32", "3"));
    assert!(rounded == model("bf16", "3"));
    let ran = run(folder.path(), &["data", "preview", "--count", "1", "--threads", "1024"]);
    assert!(ran.err.contains("warning: `--threads 1024` is more than"), "{}", ran.err);
}

#[test]
fn the_same_caption_and_seed_give_the_same_bytes_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &train(&[])).code, 0);
    let generate = |out: &str, more: &[&str]| {
        let model = ["generate", "--device", "cpu", "--model", "runs/00000-procedural-quick", "--out", out];
        let ran = run(folder.path(), &[&model, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran
    };
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    generate("a.png", &["--seeds", "5", "a bald man"]);
    generate("b.png", &["--seeds", "5", "a bald man"]);
    generate("c.png", &["--seeds", "6", "a bald man"]);
    generate("d.png", &["--seeds", "5", "--no-provenance", "a bald man"]);
    assert_eq!(bytes("a.png"), bytes("b.png"));
    assert_ne!(bytes("a.png"), bytes("c.png"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (marked, bare) = (text(bytes("a.png")), text(bytes("d.png")));
    assert!(marked.contains("trainedAlgorithmicMedia") && marked.contains("a bald man"));
    assert!(!bare.contains("trainedAlgorithmicMedia") && !bare.contains("a bald man"));

    fs::write(folder.path().join("captions.txt"), "# two\na woman\n\na qwertyuiop man\n").unwrap();
    let many = generate("faces", &["--captions", "captions.txt", "--seeds", "0,2-3"]);
    assert_eq!(
        fs::read_dir(folder.path().join("faces")).unwrap().count(),
        7,
        "six pictures and metadata.jsonl"
    );
    assert!(many.err.contains("warning") && many.err.contains("\"qwertyuiop\""), "{}", many.err);
    generate("grid.png", &["--captions", "captions.txt", "--seeds", "0-3", "--grid", "--truncation", "0.5"]);
    assert!(bytes("grid.png").starts_with(b"\x89PNG"));
}

#[test]
fn an_interrupted_run_exits_with_success_and_prints_its_resume_command() {
    let folder = tempfile::tempdir().unwrap();
    let endless = train(&["schedule.stable_kimg=[0.016,0.4]"]);
    let mut child =
        command(folder.path(), &endless).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("level 1 (8x8)")), "the run ended before it was stopped");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(lines.any(|line| line.unwrap().contains("stopped as asked")));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(out.contains("--resume"), "the run was complete before it was stopped: {out}");

    let resumed = run(folder.path(), &as_str(&proposed(out.lines().last().unwrap())));
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(model(folder.path()).exists());
    let stats = fs::read_to_string(folder.path().join("runs/00000-procedural-quick/stats.jsonl")).unwrap();
    let steps: Vec<f64> = stats
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_f64().unwrap())
        .collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
}

fn model(folder: &Path) -> std::path::PathBuf {
    folder.join("runs/00000-procedural-quick/model.safetensors")
}

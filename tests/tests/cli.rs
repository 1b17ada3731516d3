//! The command line: help has examples, errors state the accepted values, and results are in the named
//! files.

use std::fs;
use std::path::Path;

use crate::program::{Ran, run};

#[test]
fn help_of_every_command_has_examples() {
    let here = Path::new(".");
    let commands: [&[&str]; 14] = [
        &[],
        &["bench"],
        &["train"],
        &["sweep"],
        &["generate"],
        &["demo"],
        &["metrics"],
        &["plot"],
        &["data"],
        &["data", "preview"],
        &["data", "check"],
        &["data", "stats"],
        &["data", "import"],
        &["data", "export"],
    ];
    for command in commands {
        let ran = run(here, &[command, &["--help"]].concat());
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.err);
        let wanted = ["Examples:\n  t2f".to_string(), command.join(" ")];
        assert!(wanted.iter().all(|text| ran.out.contains(text)), "{command:?}: {}", ran.out);
        // The lines of the examples are not wrapped.
        let examples = ran.out.lines().skip_while(|line| *line != "Examples:");
        examples.for_each(|line| assert!(line.chars().count() <= 98, "{command:?}: {line}"));
    }
}

#[test]
fn errors_state_the_accepted_values() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &[&str]); 57] = [
        (&["bench", "--resolutions", "48"], &["--resolutions", "power of two"]),
        (&["bench", "--loss", "hinge"], &["hinge", "wgan-gp"]),
        (&["bench", "--variants", "shared"], &["--peer"]),
        (&["data", "preview", "--resolution", "63"], &["--resolution", "power of two"]),
        (&["data", "preview", "--data", "imagenet"], &["imagenet", "procedural, folder:PATH"]),
        (&["train", "--data", "lfw"], &["lfw:IMAGES,CAPTIONS"]),
        (&["data", "preview", "--split", "all"], &["train", "val", "test-comb"]),
        (&["data", "preview", "--start", "99999999"], &["--start", "20000"]),
        (&["data", "preview", "--out", "notes.txt"], &["--out", ".png"]),
        (&["plot", "x", "--smoothing", "1"], &["--smoothing", "from 0 to below 1"]),
        (&["plot", "x", "--size", "big"], &["1100x620"]),
        (&["generate", "--model", "m", "--seeds", "3-1", "a"], &["3-1", "backwards"]),
        (&["generate", "--model", "m", "--seeds", "x", "a"], &["`0,1,4-6`"]),
        (&["generate", "--model", "m", "--truncation", "2", "a"], &["--truncation", "from 0 to 1"]),
        (&["generate", "--model", "m", "--guidance-scale", "30", "a"], &["--guidance-scale", "from 0 to 20"]),
        (&["generate", "--model", "m"], &["no caption", "--captions"]),
        (&["generate", "--out", "face.jpg", "a"], &["--out face.jpg", ".png"]),
        (&["metrics", "--json", "none/x.json"], &["--json", "`none`"]),
        (&["bench", "operators", "--json", "none/x.json"], &["--json", "`none`"]),
        (&["metrics", "m", "--split", "all"], &["all", "test", "val", "train"]),
        (&["metrics", "m", "--metrics", "beauty"], &["beauty", "attributes", "ms-ssim"]),
        (&["metrics", "m", "--count", "3"], &["--count", "4.."]),
        (&["metrics", "m", "--resize", "tensorflow"], &["--inception"]),
        (&["metrics", "--metrics", "swd", "--people", "dev"], &["--people", "--metrics"]),
        (&["metrics", "--people", "dev"], &["--metrics"]),
        (&["generate", "a", "--json", "x.json"], &["--explain"]),
        (&["generate", "a", "--explain", "--json", "none/x.json"], &["--json", "`none`"]),
        (&["bench", "--set", "seed=1"], &["--set", "bench steps", "run"]),
        (&["bench", "generation", "--resolutions", "4"], &["--resolutions", "steps, operators"]),
        (&["data", "preview", "--set", "gan.resolution=8"], &["gan.resolution=8", "--resolution"]),
        (&["generate", "a", "--truncation", "-1"], &["--truncation", "from 0 to 1"]),
        (&["generate", "a", "--text-scale", "-1"], &["--guidance-scale", "from 0 to 20"]),
        (&["generate", "a", "--seeds", "-1"], &["`-1`", "`0,1,4-6`"]),
        (&["generate", "a", "--enlarge", "-1"], &["--enlarge", "1..=64"]),
        (&["metrics", "m", "--seed", "-1"], &["'-1'", "--seed"]),
        (&["plot", "x", "--smoothing", "-0.5"], &["--smoothing", "from 0 to below 1"]),
        (&["train", "--rollback", "-1"], &["'-1'", "--rollback"]),
        (&["data", "preview", "--count", "-1"], &["--count", "1..=400"]),
        (&["train", "--hours", "0"], &["--hours", "above 0 and at most 10000"]),
        (&["train", "--hours", "-1"], &["--hours", "above 0 and at most 10000"]),
        (&["train", "--hours", "1", "--resume", "runs/00000-x"], &["--hours", "--resume"]),
        (&["train", "--threads", "0"], &["--threads", "from 1 to 1024"]),
        (&["--threads", "2000", "bench"], &["--threads", "from 1 to 1024"]),
        (&["demo", "--port", "65536"], &["--port", "0..=65535"]),
        (&["demo", "a", "b"], &["unexpected argument", "'b'"]),
        (&["watch", "r", "--every", "0"], &["--every", "1..=3600"]),
        (&["walk"], &["CAPTION"]),
        (&["walk", "a"], &["two stops", "--seeds 0,1"]),
        (&["walk", "a", "b", "c", "--seeds", "0,1"], &["3 captions and 2 seeds"]),
        (&["walk", "a", "b", "--out", "x.webp"], &["x.webp", ".gif"]),
        (&["walk", "a", "b", "--strip"], &["--strip", ".png"]),
        (&["walk", "a", "b", "c", "d", "--frames", "1000"], &["3001 frames", "2000"]),
        (&["sweep"], &["--set"]),
        (&["sweep", "--set", "seed"], &["`--set seed`", "seed=0,1,2"]),
        (&["sweep", "--set", "seed=0,1", "--only", "2"], &["--only 2", "from 0"]),
        (&["sweep", "--set", "seed=0,1", "--jobs", "0"], &["--jobs", "1..=256"]),
        (&["render"], &["render", "--help"]),
    ];
    for (arguments, needles) in cases {
        let Ran { code, err, .. } = run(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.starts_with("error: "), "{arguments:?}: {err}");
        for needle in needles {
            assert!(err.contains(needle), "`{needle}` is missing for {arguments:?}: {err}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refused command writes nothing");
}

#[test]
fn options_that_exclude_each_other_are_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], [&str; 2]); 4] = [
        (&["train", "--resume", "r", "--out", "elsewhere"], ["--resume", "--out"]),
        (&["train", "--resume", "r", "--preset", "quick"], ["--resume", "--preset"]),
        (&["train", "--resume", "r", "--config", "my.toml"], ["--resume", "--config"]),
        (&["generate", "--model", "m", "--seeds", "0-3", "--out", "x.png", "a"], ["--out x.png", "--seeds"]),
    ];
    for (arguments, names) in cases {
        let Ran { code, err, .. } = run(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(names.iter().all(|name| err.contains(name)), "{arguments:?}: {err}");
    }
}

#[test]
fn errors_about_missing_files_have_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["plot", "runs/none"][..],
        &["train", "--resume", "runs/none"],
        &["train", "--preset", "fastest"],
        &["train", "--set", "gan.colour=1"],
        &["generate", "--model", "runs/none", "a man"],
        &["demo", "runs/none", "--port", "0"],
        &["metrics", "runs/none"],
        &["watch", "runs/none"],
        &["walk", "--model", "runs/none", "a man", "a woman"],
        &["generate", "--model", "m", "--captions", "none.txt"],
    ] {
        let Ran { code, err, .. } = run(folder.path(), arguments);
        assert_eq!(code, 1, "{arguments:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{arguments:?}: {err}");
    }
}

#[test]
fn hints_match_the_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("afile"), "").unwrap();
    fs::write(folder.path().join("latin.txt"), b"a man\na fianc\xe9\n").unwrap();
    let few: Vec<&str> = crate::tiny::SMALL.iter().flat_map(|line| ["--set", line]).collect();
    let out = [&["train", "--out", "afile"], &few[..]].concat();
    let mut cases: Vec<(&[&str], [&str; 2])> = vec![
        (&["train", "--preset", "face2text"], ["data.images is not set", "--data lfw:IMAGES,CAPTIONS"]),
        (&["train", "-n", "--preset", "face2text"], ["data.images is not set", "--data lfw:IMAGES,CAPTIONS"]),
        (&["train", "-n", "--set", "data.kind=folder"], ["data.path is not set", "--data folder:PATH"]),
        (
            &["train", "-n", "--set", "data.train_images=1"],
            ["data.train_images is 1", "docs/configuration.md"],
        ),
        (&["train", "--set", "gan.resolution=48"], ["gan.resolution is 48", "docs/configuration.md"]),
        (&["train", "--preset", "fastest"], ["face2text-128", "--preset"]),
        (&["train", "-n", "--config", "nothere.toml"], ["nothere.toml", "check `--config`"]),
        (
            &["train", "-n", "--config", "latin.txt"],
            ["latin.txt: not UTF-8 text at byte 13, in line 2", "--config"],
        ),
        (&["train", "-n", "--resume", "runs/none"], ["runs/none", "give a run folder"]),
        (&["generate", "--captions", "latin.txt"], ["`--captions latin.txt`", "in line 2"]),
        (&out, ["afile", "check `--out`"]),
    ];
    if !candle_core::utils::cuda_is_available() {
        cases.push((&["train", "-n", "--device", "cuda"], ["--features cuda", "--device auto"]));
    }
    for (arguments, needles) in cases {
        let Ran { code, err, .. } = run(folder.path(), arguments);
        assert_eq!(code, 1, "{arguments:?}: {err}");
        assert!(needles.iter().all(|needle| err.contains(needle)), "{arguments:?}: {err}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a run that cannot start leaves no folder");
}

#[test]
fn a_dry_run_lists_each_level_that_is_trained_once() {
    let few: Vec<&str> = crate::tiny::SMALL.iter().flat_map(|line| ["--set", line]).collect();
    let arguments = [&["train", "-n"], &few[..], &["--set", "schedule.stable_kimg=[0,0.1]"]].concat();
    let Ran { code, out, err } = run(Path::new("."), &arguments);
    assert_eq!(code, 0, "{err}");
    let rows: Vec<&str> = out.lines().skip_while(|line| !line.starts_with("# schedule")).skip(1).collect();
    assert!(rows.len() == 1 && rows[0].contains(" 8x8 "), "{rows:?}");
}

#[test]
fn plot_writes_one_run_into_its_folder_and_several_to_out() {
    let folder = tempfile::tempdir().unwrap();
    for (name, loss) in [("a", 1.0), ("b", 2.0)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let line = |kimg: u32| {
            format!("{{\"Progress/kimg\":{kimg}.0,\"Loss/D/total\":{loss},\"Loss/G/total\":0.5}}\n")
        };
        let stats: String = (0..9).map(line).collect();
        fs::write(folder.path().join(name).join("stats.jsonl"), stats).unwrap();
    }
    let one = run(folder.path(), &["plot", "a"]);
    assert_eq!((one.code, one.out.as_str()), (0, "a/losses.svg\na/losses.png\n"), "{}", one.err);
    assert!(fs::read(folder.path().join("a/losses.png")).unwrap().starts_with(b"\x89PNG"));
    let both = run(folder.path(), &["plot", "a", "b", "--keys", "Loss/D/total", "--out", "both.svg"]);
    assert_eq!(both.code, 0, "{}", both.err);
    let svg = fs::read_to_string(folder.path().join("both.svg")).unwrap();
    assert!(svg.starts_with("<svg") && !svg.contains("G total"));
    let wrong = run(folder.path(), &["plot", "a", "--out", "losses.pdf"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("losses.pdf") && wrong.err.contains(".svg"), "{}", wrong.err);
    let unknown = run(folder.path(), &["plot", "a", "--keys", "Loss/E"]);
    assert!(unknown.code == 1 && unknown.err.contains("Loss/D/total"), "{}", unknown.err);
}

#[test]
fn data_commands_preview_check_and_export_procedural_faces() {
    let folder = tempfile::tempdir().unwrap();
    let preview = run(folder.path(), &["data", "preview", "--count", "3", "--resolution", "16"]);
    assert_eq!((preview.code, preview.out.as_str()), (0, "preview.png\n"), "{}", preview.err);
    let check = run(folder.path(), &["data", "check"]);
    assert!(check.code == 0 && check.out.contains("procedural"), "{}{}", check.out, check.err);
    assert!(check.out.contains("captions          rendered on demand\n"), "{}", check.out);
    assert!(!folder.path().join("bad_files.tsv").exists());

    let export =
        ["data", "export", "--out", "faces", "--count", "2", "--resolution", "16", "--split", "test"];
    let ran = run(folder.path(), &export);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let list = fs::read_to_string(folder.path().join("faces/test/metadata.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["file_name"], "000001.png");
    assert!(lines[0]["captions"][0].as_str().is_some_and(|text| !text.is_empty()));
    assert!(folder.path().join("faces/test/000001.png").exists());
    let again = run(folder.path(), &export);
    assert!(again.code == 1 && again.err.contains("the folder is not empty"), "{}", again.err);

    let all = run(folder.path(), &["data", "export", "--out", "all", "--count", "6", "--resolution", "16"]);
    assert_eq!(all.code, 0, "{}", all.err);
    let check = run(folder.path(), &["data", "check", "--data", "folder:all", "--resolution", "16"]);
    assert!(check.code == 0 && check.out.contains("test_comb"), "{}{}", check.out, check.err);
}

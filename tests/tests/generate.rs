//! `t2f generate`: repeated captions, many captions, long captions, large grids, and checkpoints.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::schedule::ScheduleConfig;
use t2f_train::trainer::Trainer;

use crate::program::{Ran, command, run};
use crate::tiny::{SMALL, config, run_to};

/// A run of `steps` steps in a folder, and its path.
fn trained(folder: &Path, steps: u64, more: &[&str]) -> PathBuf {
    trained_with(folder, steps, config(more))
}

/// As [`trained`], with a whole configuration.
fn trained_with(folder: &Path, steps: u64, config: Config) -> PathBuf {
    let mut trainer = Trainer::create(config, Components::new(), folder.join("runs")).unwrap();
    run_to(&mut trainer, steps);
    trainer.run_dir().path().to_owned()
}

/// Generates from the run of a folder.
fn generate(folder: &Path, model: &Path, arguments: &[&str]) -> Ran {
    let model = model.to_str().unwrap();
    run(folder, &[&["generate", "--device", "cpu", "--model", model], arguments].concat())
}

fn png_files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".png")).collect()
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("metadata.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_of_captions_and_every_seed_gives_a_picture_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &[]);
    fs::write(home.path().join("captions.txt"), "a man\n".repeat(20) + "a woman\na man\n").unwrap();
    let ran =
        generate(home.path(), &model, &["--captions", "captions.txt", "--seeds", "1,1", "--out", "faces"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("repeated"), "{}", ran.err);
    let faces = home.path().join("faces");
    let files = png_files(&faces);
    assert_eq!(files.len(), 44);
    let printed: BTreeSet<String> =
        ran.out.lines().map(|line| line.strip_prefix("faces/").unwrap().to_owned()).collect();
    assert_eq!(printed, files);
    let contents: BTreeSet<Vec<u8>> = files.iter().map(|name| fs::read(faces.join(name)).unwrap()).collect();
    assert_eq!(contents.len(), 44, "all differ");

    // The name states the seed that gives the same picture.
    let single = generate(home.path(), &model, &["--seeds", "17", "--out", "one.png", "a man"]);
    assert_eq!(single.code, 0, "{}", single.err);
    let again = fs::read(faces.join("a-man-seed0017.png")).unwrap();
    assert_eq!(fs::read(home.path().join("one.png")).unwrap(), again);

    let grid = ["--captions", "captions.txt", "--seeds", "1,1", "--grid", "--out", "grid.png"];
    assert_eq!(generate(home.path(), &model, &grid).code, 0);
}

#[test]
fn generated_pictures_are_a_data_set() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &[]);
    let captions = "a man with \"red\" hair\n女の人\nun homme né à Paris\n";
    fs::write(home.path().join("captions.txt"), captions).unwrap();
    let ran = generate(
        home.path(),
        &model,
        &["--captions", "captions.txt", "--seeds", "0-3", "--enlarge", "16", "--out", "faces"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let faces = home.path().join("faces");
    let of = |rows: &[Value], key: &str| -> Vec<String> {
        rows.iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
    };
    let first = rows(&faces);
    assert_eq!(of(&first, "file_name").into_iter().collect::<BTreeSet<_>>(), png_files(&faces));
    let captions: Vec<String> = captions.lines().flat_map(|line| vec![line.to_owned(); 4]).collect();
    assert_eq!(of(&first, "caption"), captions);
    assert_eq!(first[5]["seed"], 1);
    let checked = run(home.path(), &["data", "check", "--data", "folder:faces"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);

    // A second command adds its rows, without those of pictures that it replaces or that are gone.
    fs::remove_file(faces.join(of(&first, "file_name")[0].as_str())).unwrap();
    fs::write(home.path().join("captions.txt"), "女の人\nan old man\n").unwrap();
    let ran = generate(home.path(), &model, &["--captions", "captions.txt", "--out", "faces"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let second = of(&rows(&faces), "file_name");
    assert_eq!(second.len(), 12, "{second:?}");
    assert_eq!(second.into_iter().collect::<BTreeSet<_>>(), png_files(&faces));

    // A file of other rows is not replaced.
    fs::write(faces.join("metadata.jsonl"), "{\"name\": 1}\n").unwrap();
    let refused = generate(home.path(), &model, &["--captions", "captions.txt", "--out", "faces"]);
    assert!(
        refused.code == 1 && refused.err.contains("line 1") && refused.err.contains("--out"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read_to_string(faces.join("metadata.jsonl")).unwrap(), "{\"name\": 1}\n");
}

#[test]
fn an_interrupted_generation_leaves_whole_pictures_and_their_rows() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &[]);
    let captions: String = (0..10_000).map(|i| format!("a man {i}\n")).collect();
    fs::write(home.path().join("captions.txt"), captions).unwrap();
    let arguments =
        ["generate", "--device", "cpu", "--model", model.to_str().unwrap(), "--captions", "captions.txt"];
    let mut child = command(home.path(), &[&arguments[..], &["--out", "faces"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().take(40).all(|line| line.is_ok()));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let printed = 40 + lines.count();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let faces = home.path().join("faces");
    let files = png_files(&faces);
    assert_eq!(files.len(), printed);
    assert!(printed < 10_000);
    assert_eq!(rows(&faces).len(), printed);
    assert_eq!(fs::read_dir(&faces).unwrap().count(), printed + 1, "no temporary file");
    for name in files {
        assert_eq!(image::open(faces.join(&name)).unwrap().width(), 4, "{name}");
    }
}

#[test]
fn a_picture_that_is_too_large_is_refused_before_the_generation() {
    let home = tempfile::tempdir().unwrap();
    let captions: String = (0..60).map(|i| format!("a man with red hair {i}\n")).collect();
    fs::write(home.path().join("captions.txt"), captions).unwrap();
    let grid = ["generate", "--captions", "captions.txt", "--seeds", "0-3", "--grid", "--enlarge", "64"];
    let ran = run(home.path(), &[&grid[..], &["--out", "grid.png"]].concat());
    assert_eq!(ran.code, 2, "{}", ran.err);
    for needle in ["the grid has", "pixels", " GB of memory", "at most 268 megapixels", "--enlarge"] {
        assert!(ran.err.contains(needle), "{needle}: {}", ran.err);
    }
    assert!(!home.path().join("grid.png").exists());
}

#[test]
fn words_that_are_not_read_are_named() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &["text.max_length=4"]);
    let generate = |arguments: &[&str]| {
        let ran = generate(home.path(), &model, &[arguments, &["--out", "faces"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err
    };
    let cut = generate(&["a man with a wide hat"]);
    assert!(cut.contains("the last 2 words") && cut.contains("\"wide hat\""), "{cut}");
    assert!(cut.contains("text.max_length = 4"), "{cut}");
    assert_eq!(generate(&["a man with a"]), "");

    let captions: String = (0..300).map(|i| format!("a qwert{}\n", "y".repeat(i))).collect();
    fs::write(home.path().join("captions.txt"), captions + &"a zxcvb\n".repeat(3)).unwrap();
    let unknown = generate(&["--captions", "captions.txt"]);
    assert!(unknown.contains("301 unknown words, most frequently \"zxcvb\""), "{unknown}");
    let line = unknown.lines().find(|line| line.contains("unknown words")).unwrap();
    assert_eq!(line.matches('"').count(), 20, "{line}");
}

#[test]
fn an_explanation_has_the_content_of_captions_and_the_attributes_of_pictures() {
    let home = tempfile::tempdir().unwrap();
    let path = trained(home.path(), 3, &[]);
    let captions = ["a bald man with a zxcvb", "a woman"];
    let arguments = ["--seeds", "0-1", "--out", "faces", captions[0], captions[1]];
    let plain = generate(home.path(), &path, &arguments);
    assert_eq!(plain.code, 0, "{}", plain.err);
    let files: Vec<PathBuf> = plain.out.lines().map(|line| home.path().join(line)).collect();
    let before: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let ran = generate(home.path(), &path, &[&["--explain", "--json", "why.json"], &arguments[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    for (file, before) in files.iter().zip(&before) {
        assert_eq!(fs::read(file).unwrap(), *before, "an explanation changes no picture");
    }
    for line in ["\"a woman\"", "  unknown words: \"zxcvb\"", "faces/a-woman-seed0001.png"] {
        assert!(ran.out.lines().any(|other| other == line), "{line}: {}", ran.out);
    }
    assert_eq!(ran.out.lines().filter(|line| line.starts_with("  seed 1: sex ")).count(), 2, "{}", ran.out);

    let json: Value = serde_json::from_slice(&fs::read(home.path().join("why.json")).unwrap()).unwrap();
    let model = Model::load(&path, "cpu", &Components::new()).unwrap();
    assert_eq!(json["model_hash"], model.hash());
    let repeated: Vec<String> = captions.iter().flat_map(|caption| vec![(*caption).to_owned(); 2]).collect();
    let expected = model.generate_explained(&repeated, &[0, 1, 0, 1], Sampling::default()).unwrap();
    let images: Vec<_> = expected.iter().map(|picture| picture.image.clone()).collect();
    assert_eq!(images, model.generate(&repeated, &[0, 1, 0, 1], Sampling::default()).unwrap());
    for (at, caption) in captions.iter().enumerate() {
        let found = &json["captions"][at];
        assert_eq!(found["caption"], *caption);
        let attributes = found["attributes"].as_object().unwrap();
        assert_eq!(attributes.len(), model.schema().len());
        for (name, content) in attributes {
            let values = content["values"].as_object().unwrap().values().map(|p| p.as_f64().unwrap());
            let apart = values.sum::<f64>() - content["mentioned"].as_f64().unwrap();
            assert!(apart.abs() < 1e-3, "{name}: {content}");
        }
        for seed in [0, 1] {
            let picture = &found["pictures"][seed];
            let names = expected[2 * at + seed].attributes.to_names(model.schema()).unwrap();
            assert_eq!(picture["attributes"], serde_json::to_value(names).unwrap());
            assert_eq!(picture["seed"], seed);
        }
    }
    assert_eq!(json["captions"][0]["unknown_words"], serde_json::json!(["zxcvb"]));

    let grid = ["--explain", "--grid", "--out", "grid.png", "a woman", "a man"];
    let ran = generate(home.path(), &path, &grid);
    assert!(ran.code == 0 && ran.out.contains("\n  row 2, seed 0: sex "), "{}{}", ran.out, ran.err);
}

#[test]
fn denials_that_the_model_does_not_read_are_named() {
    let home = tempfile::tempdir().unwrap();
    for prior in [true, false] {
        let setting = format!("loss.attributes.prior={prior}");
        let model = trained(home.path(), 3, &[&setting, "loss.reconstruction.weight=0"]);
        let generate = |arguments: &[&str]| {
            let ran = generate(home.path(), &model, &[arguments, &["--out", "faces"]].concat());
            assert_eq!(ran.code, 0, "{}", ran.err);
            ran
        };
        let unknown = generate(&["a man without a hat", "a hatless man, he never smiles"]).err;
        let line = unknown.lines().find(|line| line.contains("words that deny")).unwrap_or_default();
        assert!(line.starts_with("warning: ") && line.contains("may be drawn"), "{unknown}");
        for name in ["\"without\"", "\"without a hat\"", "\"hatless\"", "\"never smiles\""] {
            assert!(line.contains(name), "{name}: {unknown}");
        }
        assert!(!generate(&["a man with a hat"]).err.contains("deny"));

        // After three steps the model knows "no" and understands nothing of it.
        let ran = generate(&["--explain", "a man with no glasses"]);
        let read =
            ran.err.lines().any(|line| line.contains("does not read") && line.contains("\"no glasses\""));
        assert_eq!(read, prior, "{}", ran.err);
        assert_eq!(ran.out.contains("  denials that are not read: \"no glasses\""), prior, "{}", ran.out);
        assert_eq!(ran.err.contains("the model has no attributes"), !prior, "{}", ran.err);
        assert_eq!(ran.out.contains("  seed 0: sex "), prior, "{}", ran.out);
    }
}

#[test]
fn text_that_a_grid_cannot_draw_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &[]);
    let grid = |caption: &str| {
        let ran = generate(home.path(), &model, &["--grid", "--out", "grid.png", caption]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err
    };
    let notes = grid("赤い髪の man");
    assert!(notes.contains("Han, Hiragana") && notes.contains("Prompt"), "{notes}");
    assert!(!grid("a bald man").contains("not drawn"));
}

#[test]
fn a_checkpoint_gives_the_model_that_the_run_wrote_with_it() {
    for in_epochs in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut config = config(&["output.keep_checkpoints=9"]);
        if in_epochs {
            config.schedule = ScheduleConfig {
                epochs: Some(vec![1.0, 1.0]),
                fade_in_percentage: Some(vec![0.0, 50.0]),
                batch_sizes: vec![4],
                ..ScheduleConfig::default()
            };
        }
        let run = trained_with(home.path(), 5, config);
        let load = |path: &Path| Model::load(path, "cpu", &Components::new());
        let early = load(&run).unwrap().hash().to_owned();
        let mut trainer = Trainer::resume(&run, Components::new()).unwrap();
        run_to(&mut trainer, 20);
        drop(trainer);
        let late = load(&run).unwrap().hash().to_owned();
        assert_ne!(early, late);

        let checkpoints = run.join("checkpoints");
        let [first, last] = [5, 20].map(|step| checkpoints.join(format!("step-{step:08}")));
        for (path, hash) in [
            (first.clone(), &early),
            (first.join("g_ema.safetensors"), &early),
            (first.join("average.safetensors"), &early), // its name in version 0.1
            (last.clone(), &late),
            (checkpoints.clone(), &late),
        ] {
            assert_eq!(load(&path).unwrap().hash(), hash, "{}", path.display());
        }
        let message = load(&first.join("g_params.safetensors")).unwrap_err().to_string();
        assert!(message.contains("the folder of the checkpoint"), "{message}");

        fs::remove_file(run.join("model.safetensors")).unwrap();
        assert_eq!(load(&run).unwrap().hash(), late, "the newest checkpoint stands in for a lost model");
        let copy = home.path().join("step-00000005");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(&first).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        let message = load(&copy).unwrap_err().to_string();
        assert!(message.contains("RUN/config.toml"), "{message}");
        let file = home.path().join("alone.safetensors");
        fs::copy(first.join("g_ema.safetensors"), &file).unwrap();
        let message = load(&file).unwrap_err().to_string();
        assert!(message.contains("checkpoint's folder"), "{message}");
        fs::write(first.join("g_ema.safetensors"), "").unwrap();
        assert!(load(&first).unwrap_err().to_string().contains("g_ema.safetensors"));
    }
}

#[test]
fn the_command_at_the_end_of_a_run_has_a_caption_of_the_data() {
    let home = tempfile::tempdir().unwrap();
    let faces = home.path().join("faces");
    fs::create_dir(&faces).unwrap();
    let mut rows = String::new();
    for i in 0..24u8 {
        let picture =
            image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([i * 10, x as u8 * 15, y as u8 * 15]));
        picture.save(faces.join(format!("{i}.png"))).unwrap();
        let caption = ["un homme chauve", "une femme aux cheveux roux"][usize::from(i % 2)];
        rows += &format!("{{\"file_name\": \"{i}.png\", \"caption\": \"{caption}\"}}\n");
    }
    fs::write(faces.join("metadata.jsonl"), rows).unwrap();
    let settings = SMALL.iter().filter(|setting| !setting.starts_with("data."));
    let mut arguments = vec!["train", "--data", "folder:faces", "--plain"];
    arguments.extend(settings.flat_map(|setting| ["--set", setting]));
    let ran = run(home.path(), &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let last = ran.out.lines().last().unwrap();
    let caption = last.split('"').nth(1).unwrap();
    assert!(["un homme chauve", "une femme aux cheveux roux"].contains(&caption), "{last}");
    let model = last.split_whitespace().skip_while(|word| *word != "--model").nth(1).unwrap();
    let generated = generate(home.path(), Path::new(model), &["--out", "face.png", caption]);
    assert!(generated.code == 0 && generated.err.is_empty(), "{}", generated.err);
}

#[test]
fn a_walk_begins_and_ends_at_the_pictures_of_its_captions() {
    let home = tempfile::tempdir().unwrap();
    let model = trained(home.path(), 3, &[]);
    let walk = |arguments: &[&str]| {
        let common = ["walk", "--device", "cpu", "--model", model.to_str().unwrap(), "--enlarge", "1"];
        let ran = run(home.path(), &[&common[..], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    };
    let pixels = |path: &str| image::open(home.path().join(path)).unwrap().to_rgb8().into_raw();
    walk(&["a man", "a woman", "an old man", "--frames", "3", "--out", "frames"]);
    assert_eq!(png_files(&home.path().join("frames")).len(), 7);
    for (caption, frame) in [("a man", 0), ("a woman", 3), ("an old man", 6)] {
        assert_eq!(generate(home.path(), &model, &["--out", "one.png", caption]).code, 0);
        assert_eq!(pixels("one.png"), pixels(&format!("frames/{frame:04}.png")), "{caption}");
    }
    assert_ne!(pixels("frames/0001.png"), pixels("frames/0000.png"));

    // One caption with several seeds, in every form without another program.
    for out in ["walk.gif", "walk.png", "walk.apng"] {
        walk(&["a man", "--seeds", "0-2", "--frames", "2", "--out", out]);
        let bytes = fs::read(home.path().join(out)).unwrap();
        match out {
            "walk.gif" => {
                assert!(bytes.windows(17).any(|it| it == b"DigitalSourceType"));
                let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(bytes)).unwrap();
                assert_eq!(image::AnimationDecoder::into_frames(decoder).count(), 8);
            }
            _ => {
                assert_eq!(bytes.windows(4).filter(|it| *it == b"fcTL").count(), 8, "five and three back");
                assert!(bytes.windows(17).any(|it| it == b"DigitalSourceType"));
            }
        }
    }
    walk(&["a man", "a woman", "--frames", "4", "--strip", "--out", "strip.png"]);
    let strip = image::open(home.path().join("strip.png")).unwrap();
    assert_eq!(strip.width(), 10 + 5 * (4 + 10));
}

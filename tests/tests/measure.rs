//! `t2f metrics` on a run: every value is printed and written with its protocol, and the same command
//! gives the same values.

use std::fs;
use std::path::Path;

use serde_json::Value;
use t2f_data::{Caption, Claims, DataConfig, FolderConfig, ProceduralConfig};

use crate::program::{Ran, run};

/// A run at 32x32 of a few seconds; its images are not faces yet.
fn train(folder: &Path) {
    let settings = [
        "gan.resolution=32",
        "gan.channels=[8,8,4,4]",
        "gan.latent_size=12",
        "gan.code_size=8",
        "gan.compressed_size=8",
        "text.embedding_size=8",
        "text.hidden_size=8",
        "data.train_images=24",
        "data.val_images=4",
        "data.test_images=80",
        "schedule.batch_sizes=[4]",
        "schedule.fade_kimg=[0,0.008,0.008,0.008]",
        "schedule.stable_kimg=[0.008,0.008,0.008,0.008]",
        "output.samples=2",
    ];
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["train", "--device", "cpu"].into_iter().chain(settings).collect();
    let ran = run(folder, &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// Checks that an image folder has two images of each of the first 20 captions, with claims and seeds.
fn check_saved(saved: &Path) {
    let sizes = ProceduralConfig { train_images: 24, val_images: 4, test_images: 80, ..Default::default() };
    let test = DataConfig::Procedural(sizes).open(32).unwrap().test;
    let expected = (0..40).map(|image| test.captions(image / 2).unwrap().swap_remove(0));
    let expected: Vec<Caption> = expected.collect();
    let read = DataConfig::Folder(FolderConfig { path: saved.into(), ..FolderConfig::default() });
    let read = read.open(32).unwrap();
    assert_eq!(read.schema(), test.schema());
    let mut found: Vec<(String, Claims)> = Vec::new();
    for part in [&read.train, &read.val, &read.test] {
        for index in 0..part.len() {
            let captions = part.captions(index).unwrap();
            assert_eq!((captions.len(), part.image(index).unwrap().width), (1, 32));
            found.extend(captions.into_iter().map(|caption| (caption.text, caption.claims)));
        }
    }
    let sorted = |mut all: Vec<(String, Claims)>| {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let pairs = expected.iter().map(|caption| (caption.text.clone(), caption.claims.clone()));
    assert_eq!(sorted(found), sorted(pairs.collect()));
    let rows = fs::read_to_string(saved.join("metadata.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let names: Vec<String> = (0..40).map(|image| format!("{image:06}.png")).collect();
    assert_eq!(rows.iter().map(|row| row["file_name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert_eq!((&rows[5]["seed"], &rows[5]["caption"]), (&9.into(), &expected[5].text.as_str().into()));
}

#[test]
fn generated_and_real_images_are_compared_at_another_side() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path());
    let command = ["metrics", "runs/00000-procedural-quick", "--device", "cpu", "--count", "8"];
    let more = ["--metrics", "features,ms-ssim", "--side", "64", "--save", "saved", "--json", "side.json"];
    let ran = run(folder.path(), &[&command[..], &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(json(folder.path(), "side.json")["resolution"], 64);
    let saved = image::open(folder.path().join("saved/000000.png")).unwrap();
    assert_eq!((saved.width(), saved.height()), (64, 64));
    let ran = run(folder.path(), &[&command[..], &["--side", "100"]].concat());
    assert!(ran.code == 2 && ran.err.contains("power of two"), "{}", ran.err);
}

#[test]
fn a_run_is_measured_and_the_numbers_are_kept_with_their_protocol() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path());
    let of_run = "runs/00000-procedural-quick";
    let all = "faces,features,swd,ms-ssim,memorisation";
    let measure = |name: &str, more: &[&str]| -> Ran {
        let command = ["metrics", of_run, "--device", "cpu", "--count", "20", "--json", name];
        run(folder.path(), &[&command[..], more].concat())
    };
    let ran = measure("a.json", &["--metrics", all, "--seed", "3", "--cache", "cache"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let scores = json(folder.path(), "a.json");
    let numbers = [
        "aan",
        "edit_flip",
        "edit_leak",
        "paraphrase",
        "diversity",
        "kid_oracle",
        "fid_oracle",
        "swd_x1000",
        "ms_ssim",
        "near_copies",
        "swd_x1000_real",
        "fid_oracle_real",
        "nearest_ratio_real",
        "near_copies_real",
    ];
    for key in numbers {
        assert!(scores[key].is_f64(), "{key}: {}", scores[key]);
        assert!(ran.out.contains(key), "{key} is not printed: {}", ran.out);
        assert!(folder.path().join(of_run).join(format!("metric-{key}20.jsonl")).exists(), "{key}");
    }
    assert!(scores.get("comp_gap").is_some(), "a number or null");
    let interval = &scores["aan_ci"];
    assert!(interval[0].as_f64() <= scores["aan"].as_f64() && scores["aan"].as_f64() <= interval[1].as_f64());
    assert_eq!((&scores["n"], &scores["seed"], &scores["split"]), (&20.into(), &3.into(), &"test".into()));
    assert_eq!(scores["model_hash"].as_str().unwrap().len(), 64);
    assert!(!fs::read_dir(folder.path().join("cache")).unwrap().collect::<Vec<_>>().is_empty());

    // The same command with the cache, then other faces.
    assert_eq!(measure("b.json", &["--metrics", all, "--seed", "3", "--cache", "cache"]).code, 0);
    assert_eq!(json(folder.path(), "b.json"), scores);
    let again = ["--metrics", "features", "--seed", "4", "--faces", "2", "--save", "saved"];
    let saving = measure("c.json", &again);
    assert_eq!(saving.code, 0, "{}", saving.err);
    assert!(saving.out.contains("40 images in saved"), "{}", saving.out);
    check_saved(&folder.path().join("saved"));
    let refused = measure("c.json", &again);
    assert!(refused.code == 2 && refused.err.contains("not empty"), "{}", refused.err);
    let others = json(folder.path(), "c.json");
    assert!(others["kid_oracle"] != scores["kid_oracle"] && others["n"] == 40);
    assert!(others.get("aan").is_none(), "only requested metrics are written");
    let rows = fs::read_to_string(folder.path().join(of_run).join("metric-fid_oracle20.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["value"], &rows[0]["features"]), (&scores["fid_oracle"], &"oracle".into()));

    let wrong = measure("d.json", &["--inception", "a.json"]);
    assert!(wrong.code == 1 && wrong.err.contains("a.json") && wrong.err.contains("hint: "), "{}", wrong.err);
}

#[test]
fn captions_of_people_are_measured_from_a_file_and_from_the_program() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path());
    let of_run = "runs/00000-procedural-quick";
    let captions = "# class, caption, claims\nplain\tno glasses, red hair\tglasses=none;hair-colour=red\n\
        plain\ta bald guy\thair-length=bald\nmade-up\tlady in a beret\that=cap|beanie|brim;glasses=none\n";
    fs::write(folder.path().join("mine.tsv"), captions).unwrap();
    let measure = |more: &[&str]| -> Ran {
        let command = ["metrics", of_run, "--device", "cpu", "--metrics", "people"];
        run(folder.path(), &[&command[..], more].concat())
    };
    let ran = measure(&["--people", "mine.tsv", "--faces", "4", "--json", "a.json", "--seed", "3"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let scores = json(folder.path(), "a.json");
    for key in ["people", "people_plain", "people_made_up", "aa_people", "aa_people_shuffled", "exact_people"]
    {
        assert!(scores.get(key).is_some(), "a number or null: {key}");
        assert!(ran.out.contains(key), "{key} is not printed: {}", ran.out);
    }
    assert!(scores["aa_people"].is_f64() && scores["aa_people_ci"].is_array(), "{scores}");
    assert_eq!(scores["details"]["people"]["classes"][1]["class"], "made-up");
    assert!(ran.out.contains("12 images for 3 captions of mine-"), "{}", ran.out);
    let rows = fs::read_to_string(folder.path().join(of_run).join("metric-aa_people12.jsonl")).unwrap();
    let row: Value = serde_json::from_str(rows.trim()).unwrap();
    assert_eq!(
        (&row["split"], &row["captions"], &row["n"], &row["seed"]),
        (&"mine".into(), &3.into(), &12.into(), &3.into())
    );
    assert!(row["data"].as_str().unwrap().starts_with("mine-"), "{row}");

    let half = measure(&["--people", "dev", "--faces", "1"]);
    assert!(half.code == 0 && half.out.contains("captions of people-dev-"), "{}{}", half.out, half.err);
    fs::write(folder.path().join("wrong.tsv"), captions.replace("beanie", "beret")).unwrap();
    let wrong = measure(&["--people", "wrong.tsv"]);
    assert!(
        wrong.code == 1 && wrong.err.contains("wrong.tsv: line 4: unknown value of hat `beret`"),
        "{}",
        wrong.err
    );
    assert!(
        wrong.err.contains("expected one of none, cap, beanie, brim") && wrong.err.contains("hint: "),
        "{}",
        wrong.err
    );
}

//! The embedded models: they generate without a run, and their quality is that of their model card.

use std::path::Path;

use serde_json::Value;

use crate::program::run;

/// The model of a command without `--model`.
const DEFAULT: &str = "faces-128";

/// The embedded models, with their resolutions and the figures of the model card, from
/// `t2f metrics --json`.
const EMBEDDED: [(&str, u32, &str); 2] = [
    ("faces-64", 64, include_str!("../../crates/t2f/assets/faces-64.json")),
    ("faces-128", 128, include_str!("../../crates/t2f/assets/faces-128.json")),
];

fn ok(folder: &Path, args: &[&str]) -> String {
    let ran = run(folder, args);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    ran.out
}

#[test]
fn generates_without_a_run_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let common = ["generate", "--seeds", "5", "a woman with red hair and glasses", "--out"];
    let generate = |file: &str, model: &[&str]| {
        ok(folder.path(), &[&common[..], &[file], model].concat());
        std::fs::read(folder.path().join(file)).unwrap()
    };
    let default = generate("one.png", &[]);
    for (name, side, _) in EMBEDDED {
        let named = generate("two.png", &["--model", name]);
        assert_eq!(named == default, name == DEFAULT, "{name}");
        let size = |at: usize| u32::from_be_bytes(named[at..at + 4].try_into().unwrap());
        assert_eq!((size(16), size(20)), (side, side), "width and height in the PNG's header");
    }
    let ran = run(folder.path(), &[&common[..], &["three.png", "--model", "faces-32"]].concat());
    assert!(ran.code != 0 && ran.err.contains("faces-64 or faces-128"), "{}", ran.err);
}

/// Rounding differs between processors, which changes the class of a few faces.
#[test]
fn agreement_is_that_of_the_model_card() {
    let folder = tempfile::tempdir().unwrap();
    for (name, _, stated) in EMBEDDED {
        let arguments = ["metrics", name, "--metrics", "faces", "--count", "500", "--json", "again.json"];
        ok(folder.path(), &arguments);
        let again: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("again.json")).unwrap()).unwrap();
        let stated: Value = serde_json::from_str(stated).unwrap();
        assert_eq!(again["model_hash"], stated["model_hash"]);
        for key in ["aan", "aa", "chance", "ceiling"] {
            let of = |scores: &Value| scores[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
            let (got, want) = (of(&again), of(&stated));
            assert!((got - want).abs() < 0.02, "{name}: {key} is {got}, stated {want}");
        }
    }
}

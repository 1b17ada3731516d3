//! The embedded model: it generates without a run, and its quality is that of its model card.

use std::path::Path;

use serde_json::Value;

use crate::program::run;

/// The figures of the model card, from `t2f metrics --json`.
const STATED: &str = include_str!("../../crates/t2f/assets/faces.json");

fn ok(folder: &Path, args: &[&str]) -> String {
    let ran = run(folder, args);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    ran.out
}

#[test]
fn generates_without_a_run_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["one.png", "two.png"] {
        ok(folder.path(), &["generate", "--seeds", "5", "--out", file, "a woman with red hair and glasses"]);
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("one.png"), read("two.png"));
    let size = |at: usize| u32::from_be_bytes(read("one.png")[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (64, 64), "width and height in the PNG's header");
}

/// Rounding differs between processors, which changes the class of a few faces.
#[test]
fn agreement_is_that_of_the_model_card() {
    let folder = tempfile::tempdir().unwrap();
    ok(folder.path(), &["metrics", "--metrics", "faces", "--count", "500", "--json", "again.json"]);
    let again: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("again.json")).unwrap()).unwrap();
    let stated: Value = serde_json::from_str(STATED).unwrap();
    assert_eq!(again["model_hash"], stated["model_hash"]);
    for key in ["aan", "aa", "chance", "ceiling"] {
        let of = |scores: &Value| scores[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
        let (got, want) = (of(&again), of(&stated));
        assert!((got - want).abs() < 0.02, "{key} is {got}, stated {want}");
    }
}

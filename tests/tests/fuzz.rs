//! No input makes a parser panic or stall. The long form is
//! `cargo run --release -p t2f-tests --bin faults -- fuzz --seconds 3600`.

use std::time::{Duration, Instant};

use t2f_tests::fuzz::{corpus, targets};

/// Inputs for each target, and the time limit of a target.
const INPUTS: u64 = 1500;
const TIME: Duration = Duration::from_secs(4);

#[test]
fn no_bytes_make_a_parser_panic() {
    for (seed, mut target) in targets().into_iter().enumerate() {
        let end = Instant::now() + TIME;
        let enough = |effort: &t2f_tests::fuzz::Effort| effort.inputs >= INPUTS || Instant::now() >= end;
        let effort = target.campaign(&corpus(), seed as u64, enough);
        let effort = effort.unwrap_or_else(|crash| {
            panic!("{}: {}: {:?}", crash.target, crash.what, String::from_utf8_lossy(&crash.input))
        });
        assert!(effort.inputs >= 20, "{}: {effort:?}", target.name);
        let no_seed = target.seeds.is_empty();
        assert!(effort.accepted > 0 || no_seed, "{} accepts none of its seeds: {effort:?}", target.name);
        assert!(effort.accepted < effort.inputs || target.name == "caption", "{}: {effort:?}", target.name);
    }
}

#[test]
fn every_input_that_once_crashed_has_a_target() {
    let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()) || name == "README.md", "{name}");
    }
}

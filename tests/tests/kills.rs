//! A run killed by SIGKILL at random moments and resumed equals one that was left alone. The long
//! form is `cargo run --release -p integration --bin faults -- kill --kills 1000`.

use std::path::PathBuf;

use faults::kill::{Plan, Tally, run};

fn kill(kills: usize, threads: usize, workers: usize) -> Tally {
    let out = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_integration"));
    let seed = threads as u64;
    let plan = Plan { program, out: out.path().to_owned(), kills, threads, workers, seed };
    run(&plan).unwrap_or_else(|error| panic!("{threads} threads: {error}"))
}

#[test]
fn twenty_kills_at_random_change_no_bit_whatever_the_number_of_threads() {
    let tallies = [kill(8, 1, 1), kill(6, 2, 2), kill(6, 4, 3)];
    let hits: usize = tallies.iter().flat_map(|tally| tally.hits.values()).sum();
    assert_eq!(hits, 20, "{tallies:?}");
    let mut kinds: Vec<&str> = tallies.iter().flat_map(|tally| tally.hits.keys().copied()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.len() >= 3, "the kills hit too little: {tallies:?}");
    assert!(tallies.iter().all(|tally| tally.runs > 0), "{tallies:?}");
}

//! A run killed by SIGKILL at random moments and resumed equals an uninterrupted run. The long form is
//! `cargo run --release -p t2f-tests --bin faults -- kill --kills 1000`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use t2f_tests::kill::{Plan, Tally, run};

fn kill(kills: usize, threads: usize, workers: usize, seed: u64) -> Tally {
    let out = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_t2f-under-test"));
    let plan = Plan { program, out: out.path().to_owned(), kills, threads, workers, seed };
    let tally = run(&plan).unwrap_or_else(|error| panic!("{threads} threads: {error}"));
    assert!(tally.runs > 0 && tally.hits.values().sum::<usize>() == kills, "{tally:?}");
    tally
}

#[test]
fn twenty_kills_at_random_change_no_bit_whatever_the_number_of_threads() {
    let mut tallies = vec![kill(8, 1, 1, 1), kill(6, 2, 2, 2), kill(6, 4, 3, 4)];
    let kinds = |tallies: &[Tally]| -> BTreeSet<&str> {
        tallies.iter().flat_map(|tally| tally.hits.keys().copied()).collect()
    };
    // The timing depends on the machine: if few kinds of actions were interrupted, more kills follow.
    for seed in 5..10 {
        if kinds(&tallies).len() < 3 {
            tallies.push(kill(8, 2, 2, seed));
        }
    }
    assert!(kinds(&tallies).len() >= 3, "too few kinds of interrupted actions: {tallies:?}");
}

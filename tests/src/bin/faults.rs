//! The long forms of the fault injection tests.
//!
//! `faults kill --kills 1000 [--threads 2] [--workers 2] [--seed 0]` kills runs at random and compares
//! their results; `faults fuzz [--seconds 3600] [--target NAME] [--seed 0]` mutates the input of every
//! parser. `faults commit FOLDER CHANGES MIDST`, which a test starts, writes three checkpoints and kills
//! itself at a change.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use t2f_tests::disks::{End, Mortal};
use t2f_tests::{fuzz, kill};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["kill", options @ ..] => kill_runs(options),
        ["fuzz", options @ ..] => fuzz_parsers(options),
        ["commit", folder, changes, midst] => commit(Path::new(folder), changes, midst),
        _ => {
            Err("expected kill, fuzz or commit; the source of this program begins with their options".into())
        }
    };
    match outcome {
        Ok(line) => {
            say(&line);
            ExitCode::SUCCESS
        }
        Err(line) => {
            say(&format!("error: {line}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the output of a program")]
fn say(line: &str) {
    println!("{line}");
}

/// The value of `--name`, or a default.
fn option<T: std::str::FromStr>(options: &[&str], name: &str, default: T) -> Result<T, String> {
    let Some(at) = options.iter().position(|option| *option == name) else { return Ok(default) };
    options.get(at + 1).and_then(|value| value.parse().ok()).ok_or_else(|| format!("{name} requires a value"))
}

fn kill_runs(options: &[&str]) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let plan = kill::Plan {
        program: option(options, "--program", here.with_file_name("t2f"))?,
        out: option(options, "--out", folder.path().to_owned())?,
        kills: option(options, "--kills", 1000)?,
        threads: option(options, "--threads", 2)?,
        workers: option(options, "--workers", 2)?,
        seed: option(options, "--seed", 0)?,
    };
    let tally = kill::run(&plan)?;
    Ok(format!(
        "{} kills, {} runs, all equal to the uninterrupted run: {:?}",
        plan.kills, tally.runs, tally.hits
    ))
}

fn fuzz_parsers(options: &[&str]) -> Result<String, String> {
    let seconds: u64 = option(options, "--seconds", 3600)?;
    let seed = option(options, "--seed", 0)?;
    let only: String = option(options, "--target", String::new())?;
    let chosen: Vec<fuzz::Target> =
        fuzz::targets().into_iter().filter(|target| only.is_empty() || target.name == only).collect();
    if chosen.is_empty() {
        return Err(format!("there is no target {only}"));
    }
    let share = Duration::from_secs(seconds) / chosen.len() as u32;
    let mut inputs = 0;
    for mut target in chosen {
        let end = Instant::now() + share;
        let effort = target.campaign(&fuzz::corpus(), seed, |_| Instant::now() >= end);
        let effort = effort.map_err(|crash| {
            let path = PathBuf::from(format!(
                "crash-{}-{}",
                crash.target,
                &blake3::hash(&crash.input).to_hex()[..8]
            ));
            let kept = std::fs::write(&path, &crash.input).map(|()| path.display().to_string());
            format!(
                "{}: {}; the input is in {}",
                crash.target,
                crash.what,
                kept.unwrap_or_else(|error| error.to_string())
            )
        })?;
        say(&format!("{:>20} {:>9} inputs, {:>9} accepted", target.name, effort.inputs, effort.accepted));
        inputs += effort.inputs;
    }
    Ok(format!("{inputs} inputs, no panic"))
}

fn commit(folder: &Path, changes: &str, midst: &str) -> Result<String, String> {
    let changes = changes.parse().map_err(|_| "CHANGES must be a number")?;
    let disk = Mortal::new(changes, midst == "midst", End::Kill);
    for step in 1..=3 {
        t2f_tests::draft(step).commit(&disk, folder, 1).map_err(|error| error.to_string())?;
        say(&step.to_string());
    }
    Ok("three checkpoints".into())
}

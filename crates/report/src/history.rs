//! What happened in a run: the events of its log that are not statistics, and its warnings.

use t2f_pictures::run_log::Entry;

use crate::number::whole;
use crate::run::Run;

/// The beginnings of lines that are progress, which statistics and pictures show.
const PROGRESS: [&str; 4] = ["kimg ", "wrote ", "saved ", "metrics at "];

/// The state of a run, by its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The schedule is complete.
    Finished,
    /// The run was stopped, by a signal or by an error, which is given.
    Stopped(String),
    /// The run goes on, or was interrupted.
    Unfinished,
    /// There is no log.
    Unknown,
}

impl State {
    /// The state in words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Finished => "finished".into(),
            Self::Stopped(reason) => reason.clone(),
            Self::Unfinished => "unfinished: the run goes on, or was interrupted".into(),
            Self::Unknown => "not recorded: the run has no log".into(),
        }
    }
}

/// The state of a run.
pub(crate) fn state(run: &Run) -> State {
    let state = |entry: &Entry| match entry.text.as_str() {
        text if text.starts_with("finished:") => Some(State::Finished),
        text if text.starts_with("stopped") => {
            Some(State::Stopped(text.trim_end_matches("; to resume:").into()))
        }
        text if text.starts_with("run ") => Some(State::Unfinished),
        _ => None,
    };
    run.log.iter().rev().find_map(state).unwrap_or(State::Unknown)
}

/// The events of the log, without those of progress.
pub(crate) fn events(run: &Run) -> Vec<&Entry> {
    let is_event = |entry: &&Entry| !PROGRESS.iter().any(|beginning| entry.text.starts_with(beginning));
    run.log.iter().filter(is_event).collect()
}

/// The warnings of a run, a sentence each.
pub(crate) fn warnings(run: &Run) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if let State::Stopped(reason) = state(run) {
        found.push(reason);
    }
    for rollback in run.progress.iter().flat_map(|progress| &progress.rollbacks) {
        found.push(format!(
            "rollback from step {} to step {} with {} of the learning rates: {}",
            whole(rollback.from_step),
            whole(rollback.to_step),
            rollback.rate,
            rollback.cause
        ));
    }
    if run.path.join("diverged.json").is_file() {
        found.push(
            "the training diverged: diverged.json has the tensors that are not finite and the batch".into(),
        );
    }
    if let Some(substituted) =
        run.progress.as_ref().map(|progress| progress.substituted).filter(|count| *count > 0)
    {
        found.push(format!(
            "{} images could not be read during the run and were replaced",
            whole(substituted)
        ));
    }
    let bad = std::fs::read_to_string(run.path.join("bad_files.tsv")).unwrap_or_default();
    if bad.lines().count() > 0 {
        found.push(format!("{} lines of bad_files.tsv: files that were skipped", bad.lines().count()));
    }
    if let Some(fault) = run.faults.first() {
        found.push(format!("{} damaged lines of stats.jsonl are left out: {fault}", run.faults.len()));
    }
    let of_log = run.log.iter().map(|entry| entry.text.as_str());
    let of_log = of_log.filter(|text| text.starts_with("warning:") || text.contains("is skipped:"));
    found.extend(of_log.map(String::from));
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|warning| seen.insert(warning.clone()));
    found
}

/// The device of each start of the run, such as `cpu, 2 threads`, without repetitions.
pub(crate) fn devices(run: &Run) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for entry in run.log.iter().filter(|entry| entry.text.starts_with("run ")) {
        let Some((_, rest)) = entry.text.rsplit_once(" on ") else { continue };
        let device = rest.split(" from ").next().unwrap_or(rest);
        let device = device
            .rsplit_once(", ")
            .filter(|(_, last)| last.ends_with("in all"))
            .map_or(device, |(it, _)| it);
        if !found.iter().any(|known| known == device) {
            found.push(device.to_owned());
        }
    }
    found
}

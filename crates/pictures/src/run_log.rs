//! The log of a run, `log.txt`: a line of time and text for each event.
//!
//! Only `t2f train` writes a log; a run through the library has none.

use std::path::Path;

/// The length of the time at the beginning of a line, `2026-11-29 14:03:07`.
const TIME: usize = 19;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time in UTC.
    pub time: String,
    /// The text.
    pub text: String,
}

/// The reason why a run continued from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The run was stopped and resumed.
    Resume,
    /// The training diverged.
    Rollback,
}

/// A continuation from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The step of the checkpoint.
    pub step: u64,
    /// The reason.
    pub reason: Reason,
}

/// The entries of a run's log; none if there is no log. A line without a time continues the one before.
pub fn entries(run: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(run.join("log.txt")).unwrap_or_default();
    let mut entries: Vec<Entry> = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        match (split(line), entries.last_mut()) {
            (Some((time, text)), _) => entries.push(Entry { time: time.into(), text: text.into() }),
            (None, Some(last)) => last.text = format!("{} {}", last.text, line.trim()),
            (None, None) => {}
        }
    }
    entries
}

/// Whether the schedule of a run is complete, by its log.
pub fn is_finished(entries: &[Entry]) -> bool {
    let begins = |entry: &&Entry, text: &str| entry.text.starts_with(text);
    let last = entries.iter().rev().find(|entry| begins(entry, "finished:") || begins(entry, "run "));
    last.is_some_and(|entry| entry.text.starts_with("finished:"))
}

/// The time and the text of a line.
fn split(line: &str) -> Option<(&str, &str)> {
    let (time, text) = line.split_at_checked(TIME)?;
    let form = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let is_time = time.bytes().enumerate().all(form);
    is_time.then(|| text.strip_prefix(' ')).flatten().map(|text| (time, text))
}

/// The continuations in the log, in their order.
pub fn continuations(entries: &[Entry]) -> Vec<Continuation> {
    let mut found = Vec::new();
    let mut reason = Reason::Resume;
    for Entry { text, .. } in entries {
        if text.starts_with("back to the checkpoint") {
            reason = Reason::Rollback;
        }
        if let Some(step) = text.strip_prefix("continues from ").and_then(step) {
            found.push(Continuation { step, reason });
            reason = Reason::Resume;
        }
    }
    found
}

/// The step in the name of a checkpoint before the last colon: `…/step-00000090` or `…/step-00000090-2`.
fn step(text: &str) -> Option<u64> {
    let (_, name) = text.rsplit_once(": ").map_or(text, |(path, _)| path).rsplit_once("step-")?;
    name.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations_have_the_step_of_their_checkpoint_and_their_reason() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(entries(run.path()), []);
        let log = "2026-11-29 10:00:00 run r on cpu, 1 threads, 0.9 kimg in all\n\
                   2026-11-29 10:00:01 the training diverged\n and stops\n\
                   2026-11-29 10:00:02 back to the checkpoint of step 80 with 0.5 of the learning rate\n\
                   2026-11-29 10:00:02 continues from my: run/step-x/checkpoints/step-00000080-2: 7 files\n\
                   2026-11-29 10:00:09 continues from r/checkpoints/step-00000120: 7 files\n";
        std::fs::write(run.path().join("log.txt"), log).unwrap();
        let entries = entries(run.path());
        assert_eq!(entries.len(), 5);
        assert_eq!(entries[1].text, "the training diverged and stops");
        let at = |step, reason| Continuation { step, reason };
        assert_eq!(continuations(&entries), [at(80, Reason::Rollback), at(120, Reason::Resume)]);
    }
}

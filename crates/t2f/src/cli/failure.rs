//! The failure of a command: one line with the error, one line with a hint, and an exit code.

use std::fmt;

/// A message with a next step, the source of an [`anyhow::Error`].
#[derive(Debug)]
struct Hinted {
    message: String,
    hint: Option<String>,
    usage: bool,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// An error of the command line: exit code 2.
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Hinted { message: message.into(), hint: Some(hint.into()), usage: true })
}

/// Another error with a next step: exit code 1.
pub fn failure(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Hinted { message: message.into(), hint: Some(hint.into()), usage: false })
}

/// Adds the failed action and a next step to an error of a library.
pub fn because(
    error: impl Into<anyhow::Error>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> anyhow::Error {
    error.into().context(Hinted { message: message.into(), hint: Some(hint.into()), usage: false })
}

/// The printed form of an error: `error: action: cause`, then `hint: …` if there is one.
pub fn report(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain().map(|cause| cause.to_string().trim().replace('\n', " ")) {
        // A transparent error repeats its cause, an error about a file ends with it.
        if parts.last().is_none_or(|last| !last.ends_with(&cause)) {
            parts.push(cause);
        }
    }
    let mut text = format!("error: {}", parts.join(": "));
    if let Some(hint) = error.downcast_ref::<Hinted>().and_then(|hinted| hinted.hint.as_ref()) {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    text
}

/// 2 for an error of the command line, otherwise 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Hinted>().is_some_and(|hinted| hinted.usage) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_follow_the_message_and_usage_exits_with_two() {
        let error = usage("`--grid` wants one file", "give `--out grid.png`");
        assert_eq!(report(&error), "error: `--grid` wants one file\nhint: give `--out grid.png`");
        assert_eq!(exit_code(&error), 2);
    }

    #[test]
    fn an_error_about_a_file_is_reported_once() {
        let cause = t2f_files::Error::new("x.png", std::io::Error::other("disk full"));
        let error = because(t2f_train::Error::from(cause), "cannot write", "free some space");
        assert_eq!(report(&error), "error: cannot write: x.png: disk full\nhint: free some space");
    }

    #[test]
    fn each_cause_is_printed_once() {
        let cause = std::io::Error::other("disk full");
        let error = because(cause, "cannot write `x.png`", "free some space").context("generate");
        assert_eq!(report(&error), "error: generate: cannot write `x.png`: disk full\nhint: free some space");
        assert_eq!(exit_code(&error), 1);
    }
}

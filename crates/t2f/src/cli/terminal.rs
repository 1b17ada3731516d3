//! All output of the program. Results go to standard output, other lines to standard error; a closed pipe
//! (`t2f … | head`) is not an error.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line of the result.
pub fn result(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line about progress.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a warning.
pub fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// Whether warnings of the libraries are printed.
static TRACING: AtomicBool = AtomicBool::new(false);

/// Prints `tracing` events of the libraries from level `warn`, or from `info` if `verbose`; in colour on a
/// terminal, unless `NO_COLOR` is set.
pub fn print_events(verbose: bool) {
    if TRACING.swap(true, Ordering::SeqCst) {
        return;
    }
    let level = if verbose { tracing::Level::INFO } else { tracing::Level::WARN };
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(colour && std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The beginning of a suggested command: `cargo run --` or the name of the program, as it was started.
pub fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{release} --");
    }
    let name = std::env::args_os().next().unwrap_or_else(|| "t2f".into());
    std::path::Path::new(&name).file_name().map_or("t2f".into(), |name| name.to_string_lossy().into_owned())
}

/// A word of a command line, quoted if a shell requires it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_if_a_shell_requires_it() {
        assert_eq!(quoted("runs/00000-procedural-quick"), "runs/00000-procedural-quick");
        assert_eq!(quoted("my runs/x"), "'my runs/x'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}

//! The only place that prints. Results go to standard output, everything else to standard error;
//! a reader that went away (`t2f … | head`) is no error.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// A line of the result.
pub fn result(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line about what happens.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A line about what may be wrong.
pub fn warn(line: &str) {
    note(&format!("warning: {line}"));
}

/// Whether the library's warnings are being printed.
static TRACING: AtomicBool = AtomicBool::new(false);

/// Prints the library's `tracing` events of level `warn` and above, or from `info` if `verbose`; in
/// colour on a terminal, unless `NO_COLOR` is set.
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

/// How this program was started, for the commands that it proposes: through cargo or by its name.
pub fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{release} --");
    }
    let name = std::env::args_os().next().unwrap_or_else(|| "t2f".into());
    std::path::Path::new(&name).file_name().map_or("t2f".into(), |name| name.to_string_lossy().into_owned())
}

/// A word of a command line, quoted where a shell needs it.
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
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted("runs/00000-procedural-quick"), "runs/00000-procedural-quick");
        assert_eq!(quoted("my runs/x"), "'my runs/x'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}

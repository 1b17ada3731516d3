//! ARCHITECTURE.md lists every global of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// Functions that change the process.
const CHANGES: [&str; 8] = [
    "set_var(",
    "remove_var(",
    "mallopt(",
    "set_hook(",
    "set_global_default(",
    "set_current_dir(",
    "build_global(",
    "Signals::new(",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All sources under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the globals in a source, and the calls that change the process.
fn globals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in source.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let item = line.split_once("static ").filter(|(before, _)| {
            before.is_empty() || before.starts_with("pub") && before.ends_with([' ', ')'])
        });
        if let Some((_, item)) = item {
            found.push(item.trim_start_matches("mut ").split(':').next().unwrap_or_default().to_owned());
        }
        found.extend(CHANGES.iter().filter(|change| line.contains(*change)).map(|change| change.to_string()));
    }
    found
}

/// The globals in the sources, each with its path from `crates/`, that no row of the table lists.
fn missing(table: &str, sources: &[(String, String)]) -> Vec<String> {
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).collect();
    let listed = |path: &str, global: &str| {
        let in_file = rows.iter().filter(|row| row.contains(&format!("`{path}`")));
        // A call is listed by its file; the rows describe its effect.
        in_file.into_iter().any(|row| global.ends_with('(') || row.contains(&format!("`{global}`")))
    };
    let mut missing = Vec::new();
    for (path, source) in sources {
        for global in globals(source).into_iter().filter(|global| !listed(path, global)) {
            missing.push(format!("{path}: {global}"));
        }
    }
    missing
}

#[test]
fn every_global_is_listed() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the document");
    let section = architecture.split("## Process-wide state").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let crates = root().join("crates");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&crates).expect("the crates") {
        let folder = entry.expect("an entry").path().join("src");
        if folder.is_dir() {
            sources(&folder, &mut paths);
        }
    }
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&crates).expect("a path in crates").to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(path).expect("a source"))
    };
    let all: Vec<_> = paths.iter().map(read).collect();
    assert!(all.iter().map(|(_, source)| globals(source).len()).sum::<usize>() >= 15);
    assert_eq!(missing(section, &all), Vec::<String>::new());
}

#[test]
fn an_unlisted_global_is_found() {
    let source = "\
        // static COMMENT: u8 = 0;\n\
        fn f(x: &'static str) {}\n\
        pub(crate) static SHARED: AtomicBool = AtomicBool::new(false);\n\
        thread_local! {\n    static LOCAL: u8 = 0;\n}\n\
        unsafe { std::env::set_var(\"A\", \"B\") };\n";
    let all = [("a/src/lib.rs".to_owned(), source.to_owned())];
    let unlisted = ["a/src/lib.rs: SHARED", "a/src/lib.rs: LOCAL", "a/src/lib.rs: set_var("];
    assert_eq!(missing("", &all), unlisted);
    assert_eq!(missing("| `SHARED` | `a/src/lib.rs` |", &all), unlisted[1..2]);
    assert_eq!(missing("| `SHARED`, `LOCAL` | `b/src/lib.rs` |", &all), unlisted);
}

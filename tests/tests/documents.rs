//! Documents: every relative link leads to a file and a heading, every path of the project in code marks
//! exists, commands have the options that they are shown with, and the README stays short.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All Markdown files of the project, without those of build folders and runs.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !["target", "runs", "generated"].contains(&name.as_str())
            && !name.starts_with('.')
        {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The link targets of a document that are not web addresses.
fn links(text: &str) -> Vec<&str> {
    let of_line = |line| str::split(line, "](").skip(1).filter_map(|rest| rest.split_once(')'));
    let targets = prose(text).flat_map(of_line).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchor of a heading, as GitHub makes it: lower case, spaces as hyphens, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

/// The broken links of a document at `path`.
fn broken(path: &Path, text: &str) -> Vec<String> {
    let leads = |target: &&str| {
        let (file, heading) = target.split_once('#').map_or((*target, None), |(file, id)| (file, Some(id)));
        let file = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
        let readable = || std::fs::read_to_string(&file).unwrap_or_default();
        file.exists() && heading.is_none_or(|id| has_heading(&readable(), id))
    };
    links(text).into_iter().filter(|target| !leads(target)).map(String::from).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut paths = Vec::new();
    documents(&root(), &mut paths);
    assert!(paths.len() > 20, "{} documents", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(broken(&path, &text), [""; 0], "{}", path.display());
    }
}

#[test]
fn broken_links_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.md");
    let text = "# One, two\n[x](b.md) [y](#one-two) [z](https://example.org)\n![p](p.png) [h](#three)\n```\n[c](c.md)\n```\n";
    std::fs::write(&path, text).unwrap();
    assert_eq!(broken(&path, text), ["b.md", "p.png", "#three"]);
    std::fs::write(folder.path().join("b.md"), "## Three!\n").unwrap();
    assert_eq!(broken(&path, "[x](b.md#three) [y](b.md#four)"), ["b.md#four"]);
}

/// The paths of the project in code marks, without patterns and names to fill in.
fn paths(text: &str) -> Vec<&str> {
    let marked = prose(text).flat_map(|line| line.split('`').skip(1).step_by(2));
    let folders = ["crates/", "datasets/", "docs/", "experiments/", "tests/"];
    let of_project = |path: &&str| folders.iter().any(|folder| path.starts_with(folder));
    marked
        .filter(of_project)
        .filter(|path| !path.contains(['*', '…', ' ']) && !path.contains("NAME"))
        .collect()
}

#[test]
fn every_path_in_code_marks_exists() {
    let (mut documents_found, mut checked) = (Vec::new(), 0);
    documents(&root(), &mut documents_found);
    for document in documents_found {
        let text = std::fs::read_to_string(&document).unwrap();
        for path in paths(&text) {
            assert!(root().join(path).exists(), "{}: there is no {path}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} paths");
}

#[test]
fn paths_are_found_in_code_marks_outside_of_fences() {
    let text =
        "`crates/a.rs` crates/b.rs `run/c`\n```\n`docs/d`\n```\n`tests/NAME.rs` `docs/e.md` `docs/*.md`\n";
    assert_eq!(paths(text), ["crates/a.rs", "docs/e.md"]);
}

/// The commands of the program in code marks and in shell code, without their last comment.
fn commands(text: &str) -> Vec<String> {
    let (mut found, mut fence) = (Vec::new(), None);
    for line in text.replace("\\\n", " ").lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_none() { Some(language.to_owned()) } else { None };
            continue;
        }
        let codes: Vec<&str> = match fence.as_deref() {
            None => line.split('`').skip(1).step_by(2).collect(),
            Some("sh") => vec![line],
            Some(_) => Vec::new(),
        };
        found.extend(codes.into_iter().filter_map(command));
    }
    found
}

/// The command in a piece of code, as `t2f …`.
fn command(code: &str) -> Option<String> {
    let code = code.trim().replacen("cargo run --release -- ", "t2f ", 1);
    let code = code.split(" # ").next().unwrap_or_default().trim();
    code.starts_with("t2f ").then(|| code.to_owned())
}

/// The subcommand of a command, and the long options that it is given.
fn options(command: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let names = if matches!(words[..], ["data" | "oracle", _, ..]) { 2 } else { 1 };
    let is_name = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase());
    let subcommand = words.iter().take(names).take_while(is_name).copied().collect();
    let options = words.iter().filter(|word| word.starts_with("--"));
    (subcommand, options.map(|word| word.split('=').next().unwrap_or(word)).collect())
}

#[test]
fn every_documented_command_has_the_options_that_it_is_given() {
    let (mut found, mut helps, mut checked) = (Vec::new(), BTreeMap::new(), 0);
    documents(&root(), &mut found);
    // The log states commands of their time.
    for path in found.into_iter().filter(|path| !path.starts_with(root().join("docs/log"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        for command in commands(&text) {
            let (subcommand, options) = options(&command);
            let help = helps
                .entry(subcommand.join(" "))
                .or_insert_with(|| program::run(&root(), &[&subcommand[..], &["--help"]].concat()));
            assert_eq!(help.code, 0, "{}: {command}: {}", path.display(), help.err);
            for option in options.into_iter().filter(|option| *option != "--worker") {
                let there = help.out.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                assert!(there, "{}: {command}: there is no {option}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "{checked} options");
}

#[test]
fn commands_are_found_in_fences_and_code_marks() {
    let text = "a `t2f plot` `cargo test`\n```sh\nt2f data check --data x \\\n  --set a=b  # not --this\n\
                cargo run --release -- bench operators --json=f\n```\nt2f train --out y\n```text\nt2f x\n```\n";
    let found = commands(text);
    let parsed: Vec<_> = found.iter().map(|command| options(command)).collect();
    let expected = [
        (vec!["plot"], vec![]),
        (vec!["data", "check"], vec!["--data", "--set"]),
        (vec!["bench"], vec!["--json"]),
    ];
    assert_eq!(parsed, expected);
}

#[test]
fn the_readme_has_at_most_eighty_lines() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 80, "{} lines", readme.lines().count());
}

//! The script that trains a run again, and the citations.

use t2f_train::config::Config;

use crate::error::{Error, Result};
use crate::run::Run;

/// The citations of the program and of the methods that every run uses.
const CITATIONS: &str = include_str!("../assets/citations.txt");

/// A shell script that trains runs again, with the configuration in it.
///
/// # Errors
/// If a configuration cannot be written.
pub(crate) fn script(runs: &[Run]) -> Result<String> {
    let mut text = String::from(
        "#!/bin/sh\n# Trains again what the report shows. Arguments are passed to `t2f train`.\nset -eu\n",
    );
    for run in runs {
        text.push_str(&format!("\n# {}\n", run.name));
        for line in notes(run) {
            text.push_str(&format!("# {line}\n"));
        }
        let mut table = run.portable.clone();
        // Both are written by a run and not accepted in the configuration of a new one.
        table.remove("origin");
        table.remove("components");
        let toml = toml::to_string(&table).map_err(|error| Error::encoding("reproduce.sh", error))?;
        text.push_str(&format!(
            "config=$(mktemp)\ncat >\"$config\" <<'END_OF_CONFIGURATION'\n{toml}END_OF_CONFIGURATION\n\
             t2f train --config \"$config\" \"$@\"\nrm \"$config\"\n"
        ));
    }
    Ok(text)
}

/// The version, the seed, the data, and what the script does not repeat.
fn notes(run: &Run) -> Vec<String> {
    let mut notes = vec![
        format!("t2f {}; the run does not record the commit", version(run)),
        format!("seed {}, data {}", run.config.seed, data(run)),
    ];
    for key in &run.moved {
        notes.push(format!("{key} was a path of another machine: give --set {key}=PATH"));
    }
    for entry in run.log.iter().filter(|entry| entry.text.starts_with("changed: ")) {
        notes.push(format!(
            "the run changed a setting, which the script has from the beginning: {}",
            &entry.text[9..]
        ));
    }
    if let Some(origin) = &run.config.origin {
        let hash = &origin.hash;
        notes.push(format!(
            "the run started from trained weights, which the script does not have: blake3 {hash}"
        ));
    }
    if run.config.components != Config::default().components {
        notes.push("the run has parts of a program of its own, which the script does not have".into());
    }
    notes
}

/// The version of the program that wrote the model, or of this one.
pub(crate) fn version(run: &Run) -> String {
    let recorded = t2f_train::model::Model::provenance_of(run.path.join("model.safetensors"));
    recorded.map_or_else(|_| format!("{} (of the report)", env!("CARGO_PKG_VERSION")), |it| it.version)
}

/// The kind of the data, and the fingerprint if there is a checkpoint.
pub(crate) fn data(run: &Run) -> String {
    let kind = run.config.data.kind();
    match &run.progress {
        Some(progress) => format!("{kind}, fingerprint {}", progress.data),
        None => kind,
    }
}

/// The citations of the program, its methods and the data sets.
pub(crate) fn citations(runs: &[Run]) -> String {
    let mut text = CITATIONS.to_owned();
    let mut terms: Vec<String> = Vec::new();
    for found in runs.iter().filter_map(|run| run.config.data.terms()) {
        let line = format!("{}\n{}\n", found.terms, found.address);
        if !terms.contains(&line) {
            terms.push(line);
        }
    }
    if !terms.is_empty() {
        text.push_str("\nThe terms of the data:\n\n");
        text.push_str(&terms.join("\n"));
    }
    text
}

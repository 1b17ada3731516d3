//! The differences of several runs: their figures and their settings.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::run::Run;
use crate::summary;
use crate::table::Table;

/// The figures of runs: a row for each figure, a column for each run.
pub(crate) fn figures(runs: &[Run]) -> Table {
    let all: Vec<Vec<(String, String)>> = runs.iter().map(summary::figures).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in all.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut table = headed(runs, 1);
    for name in names {
        let value = |figures: &Vec<(String, String)>| {
            figures
                .iter()
                .find(|(other, _)| other == name)
                .map_or_else(|| "–".into(), |(_, value)| value.clone())
        };
        table.rows.push(std::iter::once(name.clone()).chain(all.iter().map(value)).collect());
    }
    table
}

/// The settings that differ from those of the first run: a row for each, a column for each run.
///
/// # Errors
/// If a configuration cannot be compared.
pub(crate) fn settings(runs: &[Run]) -> Result<Table> {
    let mut table = headed(runs, runs.len() + 1);
    let Some((first, others)) = runs.split_first() else { return Ok(table) };
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for run in others {
        keys.extend(run.config.changes_since(&first.config)?.into_iter().map(|change| change.key));
    }
    for key in keys {
        let cells = runs.iter().map(|run| setting(&run.portable, &key));
        table.rows.push(std::iter::once(key.clone()).chain(cells).collect());
    }
    Ok(table)
}

/// A table with a column for each run, of which the first `texts` columns are text.
fn headed(runs: &[Run], texts: usize) -> Table {
    let mut table = Table::new(&[""], texts);
    table.columns.extend(runs.iter().map(|run| run.name.clone()));
    table
}

/// The value of a key such as `optimizer.generator.lr`.
fn setting(table: &toml::Table, key: &str) -> String {
    let mut names = key.split('.');
    let first = names.next().and_then(|name| table.get(name));
    let value = names.try_fold(first, |value, name| Some(value?.get(name))).flatten();
    value.map_or_else(|| "not set".into(), ToString::to_string)
}

//! docs/configuration.md has every key and its default.

use t2f_train::config::Config;
use toml::{Table, Value};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// A row of the page: a key, its default or an example, and its kind.
struct Row {
    kind: Option<String>,
    key: String,
    value: String,
    is_default: bool,
}

fn rows() -> Vec<Row> {
    let code = |cell: &str| cell.split('`').nth(1).map(String::from);
    let (mut kind, mut rows) = (None, Vec::new());
    // The last table is of statistics.
    for line in PAGE.lines().take_while(|line| !line.starts_with("## Rows of")) {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = code(heading).filter(|code| code.contains('='));
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", key, value, ..] = cells[..]
            && let (Some(key), Some(of)) = (code(key), code(value))
        {
            rows.push(Row { kind: kind.clone(), key, value: of, is_default: !value.starts_with("none") });
        }
    }
    rows
}

/// The configuration that lines resolve to, without its record of them.
fn resolved(lines: &[String]) -> Config {
    let config = Config::resolve(None, None, lines).unwrap_or_else(|error| panic!("{lines:?}: {error}"));
    Config { overrides: Vec::new(), ..config }
}

#[test]
fn every_default_on_the_page_is_the_default() {
    let rows = rows();
    assert!(rows.len() > 100, "{} rows", rows.len());
    for Row { kind, key, value, is_default } in rows {
        let plain: Vec<String> = kind.into_iter().collect();
        let set: Vec<String> = plain.iter().cloned().chain([format!("{key}={value}")]).collect();
        assert_eq!(resolved(&plain) == resolved(&set), is_default, "{set:?}");
    }
}

#[test]
fn every_key_is_on_the_page() {
    let rows = rows();
    let presets = Config::presets().map(|name| Config::preset(name).unwrap());
    let kinds = rows.iter().filter_map(|row| row.kind.clone()).map(|kind| resolved(&[kind]));
    for config in presets.chain(kinds) {
        let table: Table = config.to_toml().unwrap().parse().unwrap();
        for key in leaves("", &table) {
            let named = |row: &Row| key == row.key || key.starts_with(&format!("{}.", row.key));
            assert!(rows.iter().any(named), "{key} is not on the page");
        }
    }
}

/// The paths of the values that are not tables.
fn leaves(prefix: &str, table: &Table) -> Vec<String> {
    let of = |(key, value): (&String, &Value)| match value {
        Value::Table(inner) => leaves(&format!("{prefix}{key}."), inner),
        _ => vec![format!("{prefix}{key}")],
    };
    table.iter().flat_map(of).collect()
}

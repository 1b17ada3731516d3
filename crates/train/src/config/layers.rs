//! Layers of a configuration: TOML tables that are merged, the later over the earlier.

use std::path::Path;

use toml::de::DeTable;
use toml::{Table, Value};

use super::aliases;
use super::keys::get;
use crate::error::{Error, Result};

/// The source of a layer.
#[derive(Debug)]
enum Source {
    /// A text in TOML, with its name.
    Text { name: String, text: String },
    /// The value of a `--set KEY=VALUE`.
    Override { line: String, value: String },
}

/// One layer, with old keys migrated.
#[derive(Debug)]
struct Layer {
    source: Source,
    table: Table,
    /// The old and the new path of each migrated key.
    moved: Vec<(&'static str, &'static str)>,
}

/// The place of a setting.
#[derive(Debug)]
pub(super) struct Place {
    /// `--set data.crop=2`, `my.toml, line 3` or `preset quick`.
    pub name: String,
    /// The path as it is written there, if it is an old one.
    pub old_key: Option<String>,
    /// The value as it is written, in `--set`.
    pub value: Option<String>,
}

/// The layers of a configuration and their sum.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// All layers, merged.
    pub table: Table,
    layers: Vec<Layer>,
}

impl Layers {
    /// Merges a TOML text over the earlier layers.
    pub fn add(&mut self, text: &str, name: &str) -> Result<()> {
        let source = Source::Text { name: name.to_owned(), text: text.to_owned() };
        self.merge(source, parse(text, name)?);
        Ok(())
    }

    /// Merges one `key.path=value`; a value that is not TOML is a text.
    pub fn add_override(&mut self, line: &str) -> Result<()> {
        let wrong = |message: &str| Error::Parse {
            source_name: format!("--set {line}"),
            message: format!("{message}, such as --set seed=1"),
        };
        let (path, text) = line.split_once('=').ok_or_else(|| wrong("expected key.path=value"))?;
        let (path, text) = (path.trim(), text.trim());
        let value = match format!("x = {text}").parse::<Table>() {
            Ok(mut parsed) => parsed.remove("x").ok_or_else(|| wrong("expected one value"))?,
            Err(_) => Value::String(text.to_owned()),
        };
        let mut keys = path.split('.').rev();
        let last = keys.next().filter(|key| !key.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
        let mut over = Table::from_iter([(last.to_owned(), value)]);
        for key in keys {
            over = Table::from_iter([(key.to_owned(), Value::Table(over))]);
        }
        self.merge(Source::Override { line: line.to_owned(), value: text.to_owned() }, over);
        Ok(())
    }

    fn merge(&mut self, source: Source, mut table: Table) {
        let kind = self.table.get("data").and_then(|data| data.get("kind")).and_then(Value::as_str);
        let moved = aliases::migrate(&mut table, kind);
        let layer = Layer { source, table: table.clone(), moved };
        for (old, new) in &layer.moved {
            tracing::debug!("{}: `{old}` is now `{new}`", layer.name());
        }
        replace_lengths(&mut self.table, &table);
        merge(&mut self.table, table);
        self.layers.push(layer);
    }

    /// The place of a setting: the last layer that has it.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.layers.iter().rev().find(|layer| get(&layer.table, key).is_some()).map(|layer| layer.place(key))
    }
}

impl Layer {
    fn name(&self) -> String {
        match &self.source {
            Source::Text { name, .. } => name.clone(),
            Source::Override { line, .. } => format!("--set {line}"),
        }
    }

    fn place(&self, key: &str) -> Place {
        let old_key = self.moved.iter().find_map(|(old, new)| {
            let rest = key.strip_prefix(new)?;
            (rest.is_empty() || rest.starts_with('.')).then(|| format!("{old}{rest}"))
        });
        match &self.source {
            Source::Text { name, text } => {
                let line =
                    old_key.as_deref().and_then(|old| line_of(text, old)).or_else(|| line_of(text, key));
                let name = line.map_or_else(|| name.clone(), |line| format!("{name}, line {line}"));
                Place { name, old_key, value: None }
            }
            Source::Override { value, .. } => {
                Place { name: self.name(), old_key, value: Some(value.clone()) }
            }
        }
    }
}

/// The line of a key in a TOML text, from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let (mut table, mut found) = (document.get_ref(), None);
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        found = Some(text[..name.span().start].matches('\n').count() + 1);
        let Some(inner) = value.get_ref().as_table() else { break };
        table = inner;
    }
    found
}

/// Reads a TOML text.
pub(super) fn parse(text: &str, name: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        let place =
            if error.span().is_some() { format!(", line {line}, column {column}") } else { String::new() };
        Error::Parse {
            source_name: format!("{name}{place}"),
            message: format!("is not TOML: {}", error.message().replace('\n', " ").trim_end()),
        }
    })
}

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read(path).and_then(t2f_data::text_file::decoded).map_err(|error| Error::file(path, error))
}

/// Removes `schedule.reference_images` from `base` where `over` gives lengths: those given are meant as they are.
fn replace_lengths(base: &mut Table, over: &Table) {
    let gives = |key: &str| get(over, &format!("schedule.{key}")).is_some();
    if ["fade_kimg", "stable_kimg", "epochs"].into_iter().any(gives)
        && let Some(Value::Table(schedule)) = base.get_mut("schedule")
    {
        schedule.remove("reference_images");
    }
}

/// Merges `over` into `base`, table by table. A table of another `kind` replaces the earlier one, since
/// its keys differ.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if same_kind(old, &new) => merge(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn same_kind(old: &Table, new: &Table) -> bool {
    match (old.get("kind"), new.get("kind")) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    }
}

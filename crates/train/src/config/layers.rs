//! Layers of a configuration: TOML tables that are merged, the later over the earlier.

use toml::{Table, Value};

use super::aliases;
use crate::error::{Error, Result};

/// Merges a TOML text over `base`.
pub(super) fn add(base: &mut Table, text: &str, source_name: &str) -> Result<()> {
    merge(base, migrated(parse(text, source_name)?, base, source_name));
    Ok(())
}

/// Merges one `key.path=value`; a value that is not TOML is a string.
pub(super) fn add_override(base: &mut Table, line: &str) -> Result<()> {
    let source_name = format!("--set {line}");
    let wrong =
        |message: &str| Error::Parse { source_name: source_name.clone(), message: message.to_owned() };
    let (path, value) = line.split_once('=').ok_or_else(|| wrong("expected key.path=value"))?;
    let value = match format!("x = {value}").parse::<Table>() {
        Ok(mut parsed) => parsed.remove("x").ok_or_else(|| wrong("expected one value"))?,
        Err(_) => Value::String(value.to_owned()),
    };
    let mut over = Table::new();
    let mut keys = path.trim().split('.').rev();
    let last = keys.next().filter(|key| !key.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    over.insert(last.to_owned(), value);
    for key in keys {
        over = Table::from_iter([(key.to_owned(), Value::Table(over))]);
    }
    merge(base, migrated(over, base, &source_name));
    Ok(())
}

pub(super) fn parse(text: &str, source_name: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| Error::Parse {
        source_name: source_name.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })
}

/// The layer with old keys migrated.
fn migrated(mut layer: Table, base: &Table, source_name: &str) -> Table {
    let kind = base.get("data").and_then(|data| data.get("kind")).and_then(Value::as_str);
    for (old, new) in aliases::migrate(&mut layer, kind) {
        tracing::debug!("{source_name}: `{old}` is now `{new}`");
    }
    layer
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

//! The paths of a data set in a configuration: the home folder in them, and their absolute form.

use std::path::Path;

use t2f_data::{DataConfig, SOURCES};
use t2f_files::home;
use toml::{Table, Value};

use super::keys::get;
use crate::error::{Error, Result};

/// The keys of paths below `data` that are not in `--data` for every kind.
const OTHERS: [&str; 3] = ["files.cache", "images", "attributes"];

/// The keys of paths outside of `data`.
const OUTSIDE: [&str; 3] = ["output.oracle", "text.path", "text.cache"];

/// Words for `files.cache` that stand for no path.
const WORDS: [&str; 2] = ["auto", "off"];

/// The keys of paths below `data` for a kind of data set.
fn keys(kind: &str) -> impl Iterator<Item = &'static str> {
    let of_kind = SOURCES.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| keys);
    of_kind.iter().copied().chain(OTHERS.into_iter().filter(|other| !of_kind.contains(other)))
}

/// Replaces every path of a `[data]` table, alone or in a list.
fn replace_each(data: &mut Table, kind: &str, replace: impl Fn(&str, &str) -> Result<String>) -> Result<()> {
    for key in keys(kind) {
        let Some(value) = value_mut(data, key) else { continue };
        let values = match value {
            Value::Array(list) => list.iter_mut().collect(),
            value => vec![value],
        };
        for value in values {
            if let Value::String(path) = value
                && !(key == "files.cache" && WORDS.contains(&path.as_str()))
            {
                *path = replace(key, path)?;
            }
        }
    }
    Ok(())
}

fn value_mut<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    match path.split_once('.') {
        None => table.get_mut(path),
        Some((first, rest)) => value_mut(table.get_mut(first)?.as_table_mut()?, rest),
    }
}

/// Replaces `~` at the beginning of each path by the home folder.
///
/// # Errors
/// If the home folder is not known, or is that of another user; the message names the key.
pub(super) fn expand_home(table: &mut Table) -> Result<()> {
    let kind = get(table, "data.kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    for key in OUTSIDE {
        if let Some(Value::String(path)) = value_mut(table, key) {
            *path = home::expanded(path).map_err(|error| Error::Config(format!("{key} is {error}")))?;
        }
    }
    let Some(Value::Table(data)) = table.get_mut("data") else { return Ok(()) };
    replace_each(data, &kind, |key, path| {
        home::expanded(path).map_err(|error| Error::Config(format!("data.{key} is {error}")))
    })
}

/// The same data set with absolute paths; relative ones are relative to the working folder.
///
/// # Errors
/// If the working folder is not known.
pub(super) fn absolute(data: &DataConfig) -> Result<DataConfig> {
    let failed = |error: &dyn std::fmt::Display| Error::Config(format!("the paths of [data]: {error}"));
    let mut table = Table::try_from(data).map_err(|error| failed(&error))?;
    let kind = table.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    replace_each(&mut table, &kind, |_, path| {
        if path.is_empty() {
            return Ok(String::new());
        }
        let whole = std::path::absolute(Path::new(path)).map_err(|error| failed(&error))?;
        // A path that is not UTF-8 stays as it is.
        Ok(whole.to_str().map_or_else(|| path.to_owned(), String::from))
    })?;
    Value::Table(table).try_into().map_err(|error: toml::de::Error| failed(&error.message()))
}

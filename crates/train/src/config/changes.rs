//! Settings that differ between two configurations of a run, and those that cannot change in a run.

use std::fmt;

use toml::{Table, Value};

use super::keys::below;

/// A setting that differs between two configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The full path of the key.
    pub key: String,
    /// The earlier value; none if it was not set.
    pub old: Option<Value>,
    /// The later value; none if it is not set.
    pub new: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is now {}, before {}", self.key, shown(&self.new), shown(&self.old))
    }
}

/// Keys that cannot change in a run, with those below them: networks, tokenizer and data depend on them, or the
/// identity of the run.
const FIXED: [&str; 11] = [
    "name",
    "seed",
    "text",
    "gan",
    "components",
    "origin",
    "loader.train_images",
    "loss.contrast.size",
    "loss.attributes.classifier",
    "loss.attributes.prior",
    "loss.reconstruction.encoder",
];

/// Keys that can change, but not from or to 0: only above 0 there are parameters or moments.
const FIXED_AT_ZERO: [&str; 6] = [
    "loss.attributes.weight",
    "loss.reconstruction.weight",
    "optimizer.generator.beta1",
    "optimizer.text.beta1",
    "optimizer.discriminator.beta1",
    "optimizer.classifier.beta1",
];

impl Change {
    /// Whether the setting cannot change in a run.
    pub fn is_refused(&self) -> bool {
        let zero = |value: &Option<Value>| {
            value.as_ref().and_then(|x| x.as_float().or(x.as_integer().map(|x| x as f64))) == Some(0.0)
        };
        FIXED.iter().any(|fixed| self.is_below(fixed))
            || (FIXED_AT_ZERO.contains(&self.key.as_str()) && zero(&self.old) != zero(&self.new))
    }

    /// Whether the key is `section` or below it.
    pub fn is_below(&self, section: &str) -> bool {
        self.key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// The refusal of changes: each key with its value in the run.
pub(crate) fn refusal(changes: &[Change]) -> String {
    let one = |change: &Change| {
        let zero = if FIXED.iter().any(|fixed| change.is_below(fixed)) { "" } else { " from or to 0" };
        format!("{} cannot change{zero} in a run: it is {} there", change.key, shown(&change.old))
    };
    let all: Vec<String> = changes.iter().map(one).collect();
    format!("{}; start a new run", all.join("; "))
}

fn shown(value: &Option<Value>) -> String {
    match value {
        None => "not set".into(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// The settings that differ, in the order of keys. The device is not compared: it belongs to the machine.
pub(super) fn between(old: &Table, new: &Table) -> Vec<Change> {
    let mut changes = Vec::new();
    collect("", old, new, &mut changes);
    changes.retain(|change| change.key != "device");
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

fn collect(section: &str, old: &Table, new: &Table, changes: &mut Vec<Change>) {
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for name in old.keys().chain(added) {
        let empty = Table::new();
        let tables = match (old.get(name), new.get(name)) {
            (Some(Value::Table(old)), Some(Value::Table(new))) => Some((old, new)),
            (Some(Value::Table(old)), None) => Some((old, &empty)),
            (None, Some(Value::Table(new))) => Some((&empty, new)),
            _ => None,
        };
        let key = below(section, name);
        match (tables, old.get(name), new.get(name)) {
            (Some((old, new)), ..) => collect(&key, old, new, changes),
            (None, old, new) if old != new => {
                changes.push(Change { key, old: old.cloned(), new: new.cloned() })
            }
            _ => {}
        }
    }
}

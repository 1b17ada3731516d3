//! The keys of a configuration and the values that each accepts, found by trial.
//!
//! A trial resolves a table of one value beside the kinds of its sections. The section structs alone thus
//! define the keys and their types, also those of a data set's kind, whose errors have no path.

use toml::{Table, Value};

/// A name that no key and no choice has.
const NONE: &str = "?";

/// The outcome of a trial: the resolved configuration as a table, or the message of the refusal.
pub(super) type Trial = fn(Table) -> Result<Table, String>;

/// The keys of configurations with given kinds.
pub(super) struct Keys {
    trial: Trial,
    /// The value of each `kind`, by its path.
    kinds: Vec<(String, Value)>,
}

impl Keys {
    /// The keys for the kinds of a table.
    pub fn of(table: &Table, trial: Trial) -> Self {
        let mut kinds = Vec::new();
        collect_kinds("", table, &mut kinds);
        Self { trial, kinds }
    }

    /// The same with another kind.
    pub fn with_kind(&self, path: &str, kind: &str) -> Self {
        let others = self.kinds.iter().filter(|(other, _)| other != path).cloned();
        let kinds = others.chain([(path.to_owned(), Value::from(kind))]).collect();
        Self { trial: self.trial, kinds }
    }

    /// The paths of the kinds of the sections of a key.
    pub fn kinds_of(&self, key: &str) -> impl Iterator<Item = (&str, &str)> {
        let of_section =
            move |path: &str| path.strip_suffix("kind").is_some_and(|section| key.starts_with(section));
        let kinds = self.kinds.iter().filter(move |(path, _)| of_section(path) && path != key);
        kinds.filter_map(|(path, kind)| Some((path.as_str(), kind.as_str()?)))
    }

    /// Every kind with its path.
    pub fn kinds(&self) -> &[(String, Value)] {
        &self.kinds
    }

    /// The message of a refused value; none if it is accepted.
    pub fn refusal(&self, key: &str, value: Value) -> Option<String> {
        let message = self.try_with(key, value).err()?;
        // Another key is required beside this one.
        if message.starts_with("missing field") { None } else { Some(message) }
    }

    /// Whether a key accepts a value.
    pub fn accepts(&self, key: &str, value: Value) -> bool {
        self.refusal(key, value).is_none()
    }

    /// The default of a key, if it has one.
    pub fn default(&self, key: &str) -> Option<Value> {
        let mut table = Table::new();
        for (path, kind) in self.kinds_of(key) {
            put(&mut table, path, Value::from(kind));
        }
        get(&(self.trial)(table).ok()?, key).cloned()
    }

    /// The keys below a section, without its path; none if `key` is not a section.
    pub fn fields(&self, key: &str) -> Option<Vec<String>> {
        let message = self.try_with(&below(key, NONE), Value::from(0)).err()?;
        if message.starts_with("missing field `kind`") {
            return Some(vec!["kind".into()]);
        }
        let rest = message.strip_prefix(&format!("unknown field `{NONE}`"))?;
        let mut fields = in_backticks(rest);
        if self.choices(&below(key, "kind")).is_some() {
            fields.insert(0, "kind".into());
        }
        Some(fields)
    }

    /// The words that a key accepts; none if it accepts others or no words.
    pub fn choices(&self, key: &str) -> Option<Vec<String>> {
        let message = self.try_with(key, Value::from(NONE)).err()?;
        Some(in_backticks(message.strip_prefix(&format!("unknown variant `{NONE}`"))?))
    }

    /// Whether there is such a key or section.
    pub fn has(&self, key: &str) -> bool {
        let (section, last) = key.rsplit_once('.').unwrap_or(("", key));
        self.fields(section).is_some_and(|fields| fields.iter().any(|field| field == last))
    }

    /// Every key that is not a section, in the order of the sections.
    pub fn all(&self) -> Vec<String> {
        self.all_below("")
    }

    fn all_below(&self, section: &str) -> Vec<String> {
        let keys = self.fields(section).unwrap_or_default().into_iter().map(|field| below(section, &field));
        keys.flat_map(|key| if self.fields(&key).is_some() { self.all_below(&key) } else { vec![key] })
            .collect()
    }

    fn try_with(&self, key: &str, value: Value) -> Result<Table, String> {
        let mut table = Table::new();
        for (path, kind) in self.kinds_of(key) {
            put(&mut table, path, Value::from(kind));
        }
        put(&mut table, key, value);
        (self.trial)(table)
    }
}

/// The path of a key in a section; the root has the empty path.
pub(super) fn below(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The value of a path.
pub(super) fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((first, rest)) => get(table.get(first)?.as_table()?, rest),
    }
}

/// Sets the value of a path; a value on the way that is not a table is replaced.
pub(super) fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn collect_kinds(section: &str, table: &Table, kinds: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = below(section, key);
        match value {
            Value::Table(inner) => collect_kinds(&path, inner, kinds),
            Value::String(_) if key == "kind" => kinds.push((path, value.clone())),
            _ => {}
        }
    }
}

/// The names in backticks of the rest of a message.
fn in_backticks(rest: &str) -> Vec<String> {
    rest.lines().next().unwrap_or("").split('`').skip(1).step_by(2).map(String::from).collect()
}

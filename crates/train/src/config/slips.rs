//! Faults of a configuration in the user's words: the key, the value, and the accepted form.
//!
//! The messages of the deserializer are about Rust's types, and below a section with a `kind` they have no
//! path. A refused table is therefore searched key by key.

use toml::{Table, Value};

use super::forms::{accepted, likely, listed, shown};
use super::keys::{Keys, below};

/// A fault of a configuration.
#[derive(Debug)]
pub(super) struct Slip {
    /// The full path of the key.
    pub key: String,
    /// The refused value; none if there is no such key.
    pub value: Option<Value>,
    /// The rest of the sentence that begins with the key.
    pub fault: String,
}

/// The first fault of a table; none if each key alone is accepted.
pub(super) fn find(table: &Table, keys: &Keys) -> Option<Slip> {
    // A kind decides the other keys of its section.
    let of_kind = |(key, kind): &(String, Value)| {
        let message = keys.refusal(key, kind.clone())?;
        let of_kind = message.starts_with("unknown variant") || message.starts_with(key);
        of_kind.then(|| refused(key.clone(), kind, keys)).flatten()
    };
    keys.kinds().iter().find_map(of_kind).or_else(|| in_section("", table, keys))
}

fn in_section(section: &str, table: &Table, keys: &Keys) -> Option<Slip> {
    let fields = keys.fields(section)?;
    table.iter().find_map(|(name, value)| {
        let key = below(section, name);
        if !fields.contains(name) {
            return Some(Slip { fault: unknown(&key, &fields, keys), key, value: None });
        }
        match value {
            Value::Table(inner) if keys.fields(&key).is_some() => in_section(&key, inner, keys),
            value => refused(key, value, keys),
        }
    })
}

fn refused(key: String, value: &Value, keys: &Keys) -> Option<Slip> {
    let message = keys.refusal(&key, value.clone())?;
    let fault = match message.strip_prefix(&format!("{key} is ")) {
        // A message of ours.
        Some(rest) => format!("is {rest}"),
        None => format!(
            "is {}, expected {}{}",
            shown(value),
            accepted(keys, &key, value),
            example(&key, value, keys)
        ),
    };
    Some(Slip { key, value: Some(value.clone()), fault })
}

/// The likely meaning of a refused value, or else the default.
fn example(key: &str, value: &Value, keys: &Keys) -> String {
    if keys.fields(key).is_some() {
        return String::new();
    }
    let words = keys.choices(key);
    match (likely(keys, key, value), value) {
        (Some(Value::String(word)), _) if words.is_some() => format!("; the nearest is {word}"),
        (Some(meant), _) => format!(", such as {meant}"),
        (None, Value::String(word)) if words.is_some() => {
            let words = words.unwrap_or_default();
            nearest(word, &words, 0.6).map_or_else(String::new, |word| format!("; the nearest is {word}"))
        }
        (None, _) => match keys.default(key) {
            Some(default) if !default.is_table() && words.is_none() => format!(", such as {default}"),
            _ => String::new(),
        },
    }
}

/// The rest of the sentence about a key that does not exist.
fn unknown(key: &str, fields: &[String], keys: &Keys) -> String {
    for (path, kind) in keys.kinds_of(key) {
        let kinds = keys.choices(path).unwrap_or_default();
        let with_key: Vec<String> =
            kinds.into_iter().filter(|other| keys.with_kind(path, other).has(key)).collect();
        if !with_key.is_empty() {
            let with_key = listed(&with_key, "or");
            return format!("is a setting of {path} = {with_key}, and {path} is {kind}");
        }
    }
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let near = nearest(name, fields, 0.6).map(|name| below(section, &name));
    // Parts of names, such as `size`, are ambiguous elsewhere.
    let parts: Vec<&String> = fields.iter().filter(|field| field.contains(name)).collect();
    let near = near.or_else(|| match parts.as_slice() {
        [] => elsewhere(section, name, &keys.all()),
        [one] => Some(below(section, one)),
        _ => None,
    });
    let place = if section.is_empty() { "the sections and settings are" } else { "the settings there are" };
    match near {
        Some(near) => format!("is no setting; the nearest is {near}"),
        None => format!("is no setting; {place} {}", listed(fields, "and")),
    }
}

/// The key of another section with a name as written, first below the written section.
fn elsewhere(section: &str, name: &str, all: &[String]) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let names: Vec<String> = all.iter().map(|key| last(key)).collect();
    let name = nearest(name, &names, 0.8)?;
    let mut found = all.iter().filter(|key| last(key) == name);
    found.clone().find(|key| key.starts_with(section)).or_else(|| found.next()).cloned()
}

/// The word that is most similar, if the similarity is at least `least` of 1.
pub(super) fn nearest(word: &str, words: &[String], least: f64) -> Option<String> {
    let likeness =
        |other: &String| strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &other.to_lowercase());
    let best = words.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= least).then(|| best.clone())
}

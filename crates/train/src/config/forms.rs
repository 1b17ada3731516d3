//! The form of a setting in words, and the value that a refused one is likely to mean.

use toml::{Table, Value};

use super::keys::Keys;

/// The accepted form of a key, such as `a whole number, at least 0, or a list of whole numbers`.
pub(super) fn accepted(keys: &Keys, key: &str, refused: &Value) -> String {
    let mut forms = Vec::new();
    if let Some(fields) = keys.fields(key) {
        return format!("a section with the keys {}", listed(&fields, "and"));
    }
    if keys.accepts(key, Value::from(0.5)) {
        forms.push("a number".to_owned());
    } else if keys.accepts(key, Value::from(1)) {
        let range = if refused.is_integer() { range(keys, key, Value::from) } else { String::new() };
        forms.push(format!("a whole number{range}"));
    }
    if keys.accepts(key, Value::from(true)) {
        forms.push("true or false".into());
    }
    if let Some(words) = keys.choices(key) {
        forms.push(listed(&words, "or"));
    } else if keys.accepts(key, Value::from("?")) {
        forms.push("a text in quotes".into());
    }
    forms.extend(list(keys, key, refused));
    let schedule = Table::from_iter([("from".to_owned(), 1.0.into()), ("to".to_owned(), 1.0.into())]);
    if refused.is_table() && keys.accepts(key, Value::Table(schedule)) {
        forms.push("{ from = …, to = …, shape = linear or cosine } of numbers".into());
    }
    if forms.is_empty() { "another value".into() } else { forms.join(" or ") }
}

/// The accepted form of a key that takes a list.
fn list(keys: &Keys, key: &str, refused: &Value) -> Option<String> {
    for length in 1..=4 {
        let many = |value: Value| Value::Array(vec![value; length]);
        let exactly = if length > 1 { format!("{length} ") } else { String::new() };
        if keys.accepts(key, many(Value::from(0.5))) {
            return Some(format!("a list of {exactly}numbers"));
        }
        if keys.accepts(key, many(Value::from(1))) {
            let range =
                if refused.is_array() { range(keys, key, |x| many(Value::from(x))) } else { String::new() };
            return Some(format!("a list of {exactly}whole numbers{range}"));
        }
        if keys.accepts(key, many(Value::from("?"))) {
            return Some(format!("a list of {exactly}texts"));
        }
    }
    None
}

/// The range of whole numbers that a key accepts.
fn range(keys: &Keys, key: &str, value: impl Fn(i64) -> Value) -> String {
    if keys.accepts(key, value(-1)) {
        return String::new();
    }
    let most = [u8::MAX.into(), u16::MAX.into(), u32::MAX.into()];
    let most = most
        .into_iter()
        .find(|most: &i64| keys.accepts(key, value(*most)) && !keys.accepts(key, value(most + 1)));
    most.map_or_else(|| ", at least 0".into(), |most| format!(", 0 to {most}"))
}

/// The first of the likely meanings of a refused value that the key accepts.
pub(super) fn likely(keys: &Keys, key: &str, refused: &Value) -> Option<Value> {
    meanings(refused).into_iter().find(|value| keys.accepts(key, value.clone()))
}

/// Values that a refused value may mean: other spellings of words, percentages, numbers with units, lists
/// without brackets.
fn meanings(refused: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let text = match refused {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(list) => {
            found.extend(list.first().filter(|_| list.len() == 1).cloned());
            let numbers: Option<Vec<Value>> = list.iter().map(whole).collect();
            found.extend(numbers.map(Value::Array));
            return found;
        }
        Value::Table(_) => return found,
        other => other.to_string(),
    };
    found.push(Value::from(text.to_lowercase().replace(['_', ' '], "-")));
    found.extend(truth(&text).map(Value::from));
    found.extend(text.strip_suffix('%').and_then(number).map(|percent| match percent {
        Value::Integer(percent) => Value::from(percent as f64 / 100.0),
        percent => Value::from(percent.as_float().unwrap_or(f64::NAN) / 100.0),
    }));
    let parts =
        text.trim_matches(['[', ']', '(', ')']).split([',', ';', ' ']).filter(|part| !part.is_empty());
    let parts: Option<Vec<Value>> = parts.map(number).collect();
    let parts = parts.unwrap_or_default();
    if let [one] = parts.as_slice() {
        found.extend([one.clone()].into_iter().chain(whole(one)));
    }
    if !parts.is_empty() {
        let wholes: Option<Vec<Value>> = parts.iter().map(whole).collect();
        found.push(Value::Array(parts));
        found.extend(wholes.map(Value::Array));
    }
    match text.split_once(',') {
        // Thousands: 12,000.
        Some((_, decimals)) if decimals.len() == 3 => found.extend(number(&text.replace(',', ""))),
        Some(_) => found.extend(number(&text.replace(',', "."))),
        None => {}
    }
    let unit = text.trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace());
    found.extend(number(unit));
    if !refused.is_str() {
        found.push(Value::from(text));
    }
    found
}

/// A finite number.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let finite = |value: &f64| value.is_finite();
    text.parse::<i64>().map(Value::from).ok().or_else(|| text.parse().ok().filter(finite).map(Value::from))
}

/// The number as a whole one, if it is.
fn whole(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(_) => Some(value.clone()),
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => Some(Value::from(*x as i64)),
        _ => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `a, b or c`.
pub(super) fn listed(words: &[String], last: &str) -> String {
    match words {
        [] => "none".into(),
        [one] => one.clone(),
        [others @ .., end] => format!("{} {last} {end}", others.join(", ")),
    }
}

/// A value as a user writes it; a text in backticks.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Table(_) => "a table".into(),
        other => other.to_string(),
    }
}

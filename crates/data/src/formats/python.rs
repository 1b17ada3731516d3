//! Python's literals, as pandas and NumPy write lists and dictionaries into a table: `['a', 'b']`,
//! `['a' 'b']`, `{'hair': 'red', 'smiling': True}`.

use serde_json::{Map, Value};

/// The deepest nesting that is read.
const DEPTH: usize = 16;

/// The value of a literal; `None` for any other text.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let mut rest = text.trim();
    let value = value(&mut rest, 0)?;
    rest.trim().is_empty().then_some(value)
}

fn value(rest: &mut &str, depth: usize) -> Option<Value> {
    *rest = rest.trim_start();
    if depth > DEPTH {
        return None;
    }
    match rest.chars().next()? {
        '[' => items(rest, ']', depth).map(Value::Array),
        '(' => items(rest, ')', depth).map(Value::Array),
        '{' => dictionary(rest, depth),
        '\'' | '"' => string(rest).map(Value::String),
        // Python 2 marks its text.
        'u' | 'r' | 'b' if rest[1..].starts_with(['\'', '"']) => {
            *rest = &rest[1..];
            string(rest).map(Value::String)
        }
        _ => word(rest),
    }
}

/// The items up to the closing bracket, separated by commas, or by spaces as NumPy does.
fn items(rest: &mut &str, close: char, depth: usize) -> Option<Vec<Value>> {
    *rest = &rest[1..];
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return Some(items);
        }
        items.push(value(rest, depth + 1)?);
        *rest = rest.trim_start();
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn dictionary(rest: &mut &str, depth: usize) -> Option<Value> {
    *rest = &rest[1..];
    let mut entries = Map::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return Some(Value::Object(entries));
        }
        let name = match value(rest, depth + 1)? {
            Value::String(name) => name,
            other => other.to_string(),
        };
        *rest = rest.trim_start().strip_prefix(':')?;
        entries.insert(name, value(rest, depth + 1)?);
        *rest = rest.trim_start();
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// A text in single or double quotes with its escapes.
fn string(rest: &mut &str) -> Option<String> {
    let mut letters = rest.chars();
    let quote = letters.next()?;
    let mut text = String::new();
    loop {
        match letters.next()? {
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'x' => text.push(code(&mut letters, 2)?),
                'u' => text.push(code(&mut letters, 4)?),
                'U' => text.push(code(&mut letters, 8)?),
                letter @ ('\\' | '\'' | '"') => text.push(letter),
                letter => text.extend(['\\', letter]),
            },
            letter if letter == quote => {
                *rest = letters.as_str();
                return Some(text);
            }
            letter => text.push(letter),
        }
    }
}

fn code(letters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let code: String = letters.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&code, 16).ok()?)
}

/// A number, a truth value or none.
fn word(rest: &mut &str) -> Option<Value> {
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+-._".contains(letter));
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    match word {
        "None" | "nan" | "NaN" | "null" => Some(Value::Null),
        "True" | "true" => Some(Value::Bool(true)),
        "False" | "false" => Some(Value::Bool(false)),
        number => serde_json::from_str::<serde_json::Number>(number)
            .ok()
            .or_else(|| serde_json::Number::from_f64(number.parse().ok()?))
            .map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::literal;

    #[test]
    fn lists_and_dictionaries_of_python_are_read() {
        for (text, wanted) in [
            ("['a man', \"a woman's hat\", 'it\\'s']", json!(["a man", "a woman's hat", "it's"])),
            ("['a' 'b'\n 'c']", json!(["a", "b", "c"])),
            ("('a', None, nan)", json!(["a", null, null])),
            ("[u'caf\\xe9', r'\\u8138']", json!(["café", "脸"])),
            (
                "{'hair': 'red', 'smiling': True, 'age': 27, 'x': -1.5,}",
                json!({"hair": "red", "smiling": true, "age": 27, "x": -1.5}),
            ),
            ("[['a'], []]", json!([["a"], []])),
            (" [] ", json!([])),
        ] {
            assert_eq!(literal(text), Some(wanted), "{text}");
        }
        let deep = "[".repeat(100_000);
        for text in ["['a'", "[a man]", "['a'] or so", "{'a'}", "", "a", "['\\x8']", &deep] {
            assert_eq!(literal(text), None, "{}", &text[..text.len().min(20)]);
        }
    }
}

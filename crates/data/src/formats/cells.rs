//! The captions in a cell of a metadata file: a text, or a list of texts in one of its usual forms.

use serde_json::Value;

use super::python;

/// The names that hold the text of a caption that is an object; COCO's sentences have `raw`.
const TEXTS: [&str; 6] = ["text", "caption", "raw", "sentence", "description", "prompt"];

/// The words of an empty cell that programs write into tables.
const NULLS: [&str; 6] = ["nan", "null", "none", "<na>", "n/a", "#n/a"];

/// The captions in a cell; `None` if it is empty. An entry of a list that is no text becomes an empty
/// caption, so that the claims of the others keep their places. `table` tells that the cell is of a table
/// of text, where a list is written as JSON or as a literal of Python.
///
/// On failure, the reason: what the cell holds instead, and what was expected.
pub(crate) fn captions(cell: &Value, table: bool) -> Result<Option<Vec<String>>, String> {
    match cell {
        Value::Null => Ok(None),
        Value::String(text) if table && is_null(text) => Ok(None),
        Value::String(text) => match list(text).filter(|_| table) {
            Some(list) => captions(&list, false),
            None => Ok(Some(vec![text.trim().to_owned()])),
        },
        Value::Array(entries) if entries.is_empty() => Ok(None),
        Value::Array(entries) => {
            let mut texts = Vec::new();
            entries.iter().for_each(|entry| gather(entry, &mut texts));
            let wrong = entries.iter().find(|entry| !entry.is_null() && !entry.is_string());
            match wrong.filter(|_| texts.iter().all(String::is_empty)) {
                Some(entry) => Err(format!("a list with {}: expected a list of texts", kind(entry))),
                None => Ok(Some(texts)),
            }
        }
        Value::Object(_) => match text_of(cell) {
            Some(text) => captions(text, false),
            None => Err(format!("{}: expected text or a list of texts", kind(cell))),
        },
        _ => Err(format!("{}: expected text or a list of texts", kind(cell))),
    }
}

/// Whether a cell of a table stands for nothing.
pub(crate) fn is_null(text: &str) -> bool {
    NULLS.iter().any(|null| text.trim().eq_ignore_ascii_case(null))
}

/// The list of texts that a text is, as JSON or as a literal of Python.
fn list(text: &str) -> Option<Value> {
    let text = text.trim();
    let listed =
        text.starts_with('[') && text.ends_with(']') || text.starts_with("('") && text.ends_with(')');
    if !listed {
        return None;
    }
    let list = serde_json::from_str(text).ok().or_else(|| python::literal(text));
    // A text such as `[1]` is no list of captions.
    list.filter(|list| {
        list.as_array().is_some_and(|list| list.is_empty() || list.iter().any(Value::is_string))
    })
}

/// Adds the texts of an entry of a list.
fn gather(entry: &Value, texts: &mut Vec<String>) {
    match entry {
        Value::Array(entries) => entries.iter().for_each(|entry| gather(entry, texts)),
        Value::Object(_) => {
            texts.push(text_of(entry).and_then(Value::as_str).unwrap_or_default().trim().to_owned())
        }
        other => texts.push(other.as_str().unwrap_or_default().to_owned()),
    }
}

fn text_of(object: &Value) -> Option<&Value> {
    TEXTS.iter().find_map(|name| object.get(name)).filter(|text| text.is_string() || text.is_array())
}

/// The kind of a value, for messages.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("a truth value, {value}"),
        Value::Number(number) => format!("a number, {number}"),
        Value::String(_) => "text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(entries) => {
            let names: Vec<&str> = entries.keys().map(String::as_str).take(8).collect();
            format!("an object with the keys [{}]", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captions_are_texts_lists_of_texts_and_objects_with_a_text() {
        let texts = |cell: Value| captions(&cell, false).unwrap();
        let some = |texts: &[&str]| Some(texts.iter().map(|text| text.to_string()).collect::<Vec<_>>());
        assert_eq!(texts(json!(" a man ")), some(&["a man"]));
        assert_eq!(texts(json!(["a", null, 7, "b"])), some(&["a", "", "", "b"]));
        assert_eq!(texts(json!([["a"], ["b", "c"]])), some(&["a", "b", "c"]));
        assert_eq!(texts(json!([{"raw": "a", "tokens": ["a"]}, {"raw": "b"}])), some(&["a", "b"]));
        assert_eq!(texts(json!({"text": ["a", "b"]})), some(&["a", "b"]));
        assert_eq!((texts(json!(null)), texts(json!([]))), (None, None));
        // Brackets and `None` are words where the file has lists and null.
        assert_eq!(texts(json!("['a', 'b']")), some(&["['a', 'b']"]));
        assert_eq!(texts(json!("none")), some(&["none"]));
    }

    #[test]
    fn a_cell_of_a_table_may_hold_a_list_or_a_null() {
        let texts = |cell: &str| captions(&json!(cell), true).unwrap();
        for list in ["['a man', 'old']", "[\"a man\", \"old\"]", "['a man' 'old']", "('a man', 'old')"] {
            assert_eq!(texts(list), Some(vec!["a man".into(), "old".into()]), "{list}");
        }
        assert_eq!(texts("[sic] a man"), Some(vec!["[sic] a man".into()]));
        assert_eq!(texts("[1, 2]"), Some(vec!["[1, 2]".into()]));
        for null in ["NaN", "nan", "null", "None", "<NA>"] {
            assert_eq!(texts(null), None, "{null}");
        }
        assert_eq!((texts("[]"), texts("")), (None, Some(vec![String::new()])));
    }

    #[test]
    fn any_other_cell_is_an_error_that_names_its_kind() {
        for (cell, wanted) in [
            (json!(5), "a number, 5: expected text or a list of texts"),
            (json!(true), "a truth value, true: expected"),
            (json!({"en": "a", "fr": "b"}), "an object with the keys [en, fr]: expected"),
            (json!([1, 2]), "a list with a number, 1: expected a list of texts"),
            (
                json!([null, {"en": "a"}]),
                "a list with an object with the keys [en]: expected a list of texts",
            ),
        ] {
            let reason = captions(&cell, false).unwrap_err();
            assert!(reason.starts_with(wanted), "{reason}");
        }
    }
}

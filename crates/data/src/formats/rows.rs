//! The rows of a metadata file: JSON lines, a JSON list or object, or a table of separated values.

use std::path::Path;

use serde_json::{Map, Value};

use super::cells::kind;
use super::table;
use crate::error::{Error, Result};
use crate::text_file;

/// The endings of files that can hold rows, the preferred one first.
pub(crate) const ENDINGS: [&str; 5] = ["jsonl", "csv", "json", "tsv", "ndjson"];

/// A row: its values by column. Names are folded: lower case, with `_` for spaces and hyphens.
pub(crate) type Cells = Map<String, Value>;

/// Passes each row of a file and its line to `each`. The second argument tells whether the file is a table
/// of text, where every cell is text.
///
/// # Errors
/// If the file cannot be read or has another form, with line and column; and the errors of `each`.
pub(crate) fn read(file: &Path, each: &mut dyn FnMut(usize, Cells, bool) -> Result<()>) -> Result<()> {
    let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
    let fault = |reason: String| Error::file(file, reason);
    let ending = file.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ending == "csv" || ending == "tsv" || ending == "txt" {
        let mut records = table::parse(&text).map_err(fault)?.into_iter();
        let header: Vec<String> =
            records.next().unwrap_or_default().1.iter().map(|name| folded(name)).collect();
        for (line, record) in records {
            let cells = header.iter().cloned().zip(record.into_iter().map(Value::String));
            each(line, cells.filter(|(name, _)| !name.is_empty()).collect(), true)?;
        }
        return Ok(());
    }
    let lists = ending == "json";
    let text = if lists { nan_to_null(&text).unwrap_or(text) } else { text };
    let start = text.len() - text.trim_start().len();
    match text[start..].chars().next() {
        Some('[') if lists || text[start + 1..].trim_start().starts_with('{') => {
            let mut list = List { text: &text, at: start + 1, counted: 0, line: 1 };
            while let Some((line, entry)) = list.next().map_err(fault)? {
                each(line, object(entry).map_err(|kind| fault(format!("line {line}: {kind}")))?, false)?;
            }
            Ok(())
        }
        Some('{') if lists => match serde_json::from_str(&text) {
            Ok(Value::Object(entries)) => {
                let rows = rows_of_object(entries).map_err(fault)?;
                rows.into_iter().try_for_each(|row| each(1, folded_cells(row), false))
            }
            _ => lines(file, &text, each),
        },
        _ => lines(file, &text, each),
    }
}

/// The rows of a file of JSON lines.
fn lines(file: &Path, text: &str, each: &mut dyn FnMut(usize, Cells, bool) -> Result<()>) -> Result<()> {
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let row: Cells = match serde_json::from_str(line) {
            Ok(row) => row,
            Err(error) => nan_to_null(line)
                .and_then(|line| serde_json::from_str(&line).ok())
                .ok_or_else(|| Error::file(file, wrong_line(number, &error)))?,
        };
        each(number, folded_cells(row), false)?;
    }
    Ok(())
}

/// The entries of a JSON list, one after the other, each with the line that it begins on.
struct List<'t> {
    text: &'t str,
    at: usize,
    /// The bytes whose lines are counted, and the line after them.
    counted: usize,
    line: usize,
}

impl List<'_> {
    fn next(&mut self) -> std::result::Result<Option<(usize, Value)>, String> {
        let separator = |letter: char| letter.is_whitespace() || letter == ',';
        let rest = self.text[self.at..].trim_start_matches(separator);
        self.at = self.text.len() - rest.len();
        self.line += self.text[self.counted..self.at].matches('\n').count();
        self.counted = self.at;
        if rest.starts_with(']') {
            return Ok(None);
        }
        let mut entries = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match entries.next() {
            Some(Ok(entry)) => {
                self.at += entries.byte_offset();
                Ok(Some((self.line, entry)))
            }
            Some(Err(error)) => {
                let (line, column) = (self.line + error.line() - 1, error.column());
                Err(format!("line {line}, column {column}: {}", words(&error)))
            }
            None => Err(format!("line {}: the list ends without `]`", self.line)),
        }
    }
}

/// The rows in an object: the object itself, its columns, its only list of objects, or one row for each
/// file that it names.
fn rows_of_object(mut entries: Cells) -> std::result::Result<Vec<Cells>, String> {
    match NAMES.iter().find_map(|name| entries.get(*name)) {
        Some(Value::String(_)) => return Ok(vec![entries]),
        Some(Value::Array(_) | Value::Object(_)) => return Ok(transposed(entries)),
        _ => {}
    }
    let listed =
        |value: &Value| value.as_array().is_some_and(|list| list.first().is_some_and(Value::is_object));
    let lists: Vec<String> =
        entries.iter().filter(|(_, value)| listed(value)).map(|(name, _)| name.clone()).collect();
    if lists.len() > 1 {
        return Err(format!("lists of rows in [{}]: expected one list of rows", lists.join(", ")));
    }
    if let [name] = lists.as_slice()
        && let Some(Value::Array(rows)) = entries.remove(name)
    {
        return rows.into_iter().map(object).collect();
    }
    let row = |(name, value): (String, Value)| {
        let mut row = match value {
            Value::Object(row) => row,
            value @ (Value::String(_) | Value::Array(_) | Value::Null) => {
                Cells::from_iter([("captions".into(), value)])
            }
            other => {
                return Err(format!(
                    "`{name}` is {}: expected rows, or names of files and their captions",
                    kind(&other)
                ));
            }
        };
        row.insert("file_name".into(), Value::String(name));
        Ok(row)
    };
    entries.into_iter().map(row).collect()
}

/// The rows of columns, each an object or a list, as pandas writes them.
fn transposed(columns: Cells) -> Vec<Cells> {
    let mut rows = std::collections::BTreeMap::<String, Cells>::new();
    for (name, cells) in columns {
        let cells: Vec<(String, Value)> = match cells {
            Value::Object(cells) => cells.into_iter().collect(),
            Value::Array(cells) => (0..).zip(cells).map(|(row, cell)| (format!("{row}"), cell)).collect(),
            _ => continue,
        };
        for (row, cell) in cells {
            let order = format!("{row:0>20}");
            rows.entry(order).or_default().insert(name.clone(), cell);
        }
    }
    rows.into_values().collect()
}

/// The object that a value is.
///
/// On failure, the reason.
fn object(value: Value) -> std::result::Result<Cells, String> {
    match value {
        Value::Object(row) => Ok(folded_cells(row)),
        other => Err(format!("{}: expected a row, an object of columns and values", kind(&other))),
    }
}

pub(crate) fn folded_cells(row: Map<String, Value>) -> Cells {
    let plain = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if row.keys().all(plain) {
        return row;
    }
    let mut cells = Cells::new();
    for (name, value) in row {
        // Of two names that differ in case alone, the first that is not null counts.
        let cell = cells.entry(folded(&name)).or_insert(Value::Null);
        if cell.is_null() {
            *cell = value;
        }
    }
    cells
}

/// A name of a column as names are compared.
pub(crate) fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The text with `null` for NaN and infinities outside of strings, as Python writes them; `None` if it has
/// none.
fn nan_to_null(text: &str) -> Option<String> {
    if !NANS.iter().any(|word| text.contains(word)) {
        return None;
    }
    let mut result = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut changed) = (false, false, false);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if !quoted && let Some(word) = NANS.iter().find(|word| rest.starts_with(**word)) {
            result.push_str("null");
            rest = &rest[word.len()..];
            changed = true;
            continue;
        }
        match letter {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        result.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    changed.then_some(result)
}

/// The columns of file names that tell a row from an object of other things.
const NAMES: [&str; 6] = ["file_name", "image", "image_path", "filename", "file", "path"];

const NANS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// The fault of a line of JSON with its place in the file.
fn wrong_line(number: usize, error: &serde_json::Error) -> String {
    format!("line {number}, column {}: {}", error.column(), words(error))
}

/// The words of `serde_json` without the place.
fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    words.strip_suffix(&place).unwrap_or(&words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines and rows of a file, as JSON, or the message.
    fn rows(name: &str, text: &str) -> std::result::Result<Vec<(usize, String)>, String> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut rows = Vec::new();
        let read = read(&file, &mut |line, cells, _| {
            rows.push((line, Value::Object(cells).to_string()));
            Ok(())
        });
        read.map(|()| rows).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_of_every_form_are_the_same() {
        let wanted = [r#"{"file_name":"a","text":"x"}"#, r#"{"file_name":"b","text":"y"}"#];
        for (name, text, lines) in [
            (
                "m.jsonl",
                "{\"File_Name\":\"a\",\"text\":\"x\"}\n\n{\"file name\":\"b\",\"Text\":\"y\"}",
                [1, 3],
            ),
            (
                "m.json",
                "[{\"file_name\":\"a\",\"text\":\"x\"},\n {\"file_name\":\"b\",\n\"text\":\"y\"}\n]\n",
                [1, 2],
            ),
            (
                "m.jsonl",
                "\n[{\"file_name\":\"a\",\"text\":\"x\"},\n\n{\"file_name\":\"b\",\"text\":\"y\"}]",
                [2, 4],
            ),
            (
                "m.json",
                "{\"file_name\":\"a\",\"text\":\"x\"}\n{\"file_name\":\"b\",\"text\":\"y\"}\n",
                [1, 2],
            ),
            (
                "m.json",
                r#"{"data":[{"file_name":"a","text":"x"},{"file_name":"b","text":"y"}],"n":2}"#,
                [1, 1],
            ),
            ("m.json", r#"{"a":{"text":"x"},"b":{"text":"y"}}"#, [1, 1]),
            ("m.json", r#"{"file_name":{"0":"a","1":"b"},"text":{"0":"x","1":"y"}}"#, [1, 1]),
            ("m.json", r#"{"file_name":["a","b"],"text":["x","y"]}"#, [1, 1]),
            ("m.csv", "File-Name;Text\na;x\n\nb;y\n", [2, 4]),
            ("m.TSV", "file_name\ttext\na\tx\nb\ty\n", [2, 3]),
        ] {
            let found = rows(name, text).unwrap();
            let wanted: Vec<(usize, String)> = lines.into_iter().zip(wanted.map(String::from)).collect();
            assert_eq!(found, wanted, "{text}");
        }
        assert_eq!(rows("m.json", r#"{"a":["x"]}"#).unwrap()[0].1, r#"{"captions":["x"],"file_name":"a"}"#);
    }

    #[test]
    fn numbers_that_json_lacks_are_null() {
        let row = r#"{"a":NaN,"b":[-Infinity,"NaN \" NaN"],"c":Infinity}"#;
        let wanted = r#"{"a":null,"b":[null,"NaN \" NaN"],"c":null}"#;
        assert_eq!(rows("m.jsonl", row).unwrap(), [(1, wanted.to_owned())]);
        assert_eq!(rows("m.json", &format!("[{row},\n{row}]")).unwrap()[1], (2, wanted.to_owned()));
    }

    #[test]
    fn faults_are_named_by_line_and_column() {
        for (name, text, wanted) in [
            ("m.jsonl", "\n{\"a\":}", "line 2, column 6: expected value"),
            ("m.jsonl", "\n[1]", "line 2, column"),
            ("m.json", "[{\"a\":1},\n{\"a\":}]", "line 2, column 6: expected value"),
            ("m.json", "[{\"a\":1},\n5]", "line 2: a number, 5: expected a row"),
            ("m.json", "[{\"a\":1}\n", "the list ends without `]`"),
            ("m.json", "{\"a\": 5}", "`a` is a number, 5: expected rows"),
            ("m.json", "{\"a\": [{}], \"b\": [{}]}", "lists of rows in [a, b]: expected one list of rows"),
        ] {
            let message = rows(name, text).unwrap_err();
            assert!(message.contains(&format!("{name}: ")) && message.contains(wanted), "{message}");
        }
    }
}

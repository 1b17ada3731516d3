//! Tables of separated values (RFC 4180) in the dialects that people write.
//!
//! The `csv` crate splits records. This module finds the separator (comma, semicolon, tab or bar), and
//! adds the lines of old Macs (a lone CR), spaces around fields, an error about a quote that nothing
//! closes, and the line of each record in the file.

/// A record with the line on which it begins, from 1.
pub(crate) type Record = (usize, Vec<String>);

/// The separators, the preferred one first.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// The records of a table, the header first, all with equally many fields; blank lines are left out,
/// and fields have no spaces around them.
///
/// On failure, the reason with its line.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let (separator, text, skipped) = separator(text);
    let text = normalize(text, separator).map_err(|line| {
        format!("line {}: a quote opens a field, expected a quote that closes it", line + skipped)
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator as u8)
        .from_reader(text.as_bytes());
    let mut records: Vec<Record> = Vec::new();
    let mut record = csv::StringRecord::new();
    let (mut line, mut read) = (1 + skipped, 0);
    loop {
        let start = reader.position().byte() as usize;
        if !reader.read_record(&mut record).map_err(|error| error.to_string())? {
            return Ok(records);
        }
        // The reader skips blank lines before a record.
        let begin = start + text[start..].bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        line += text[read..begin].matches('\n').count();
        read = begin;
        record.trim();
        if record.iter().all(str::is_empty) {
            continue;
        }
        let wanted = records.first().map_or(record.len(), |(_, header)| header.len());
        // Some programs end every row, but not the header, with a separator.
        let surplus = record.len().saturating_sub(wanted);
        if record.len() < wanted || record.iter().rev().take(surplus).any(|field| !field.is_empty()) {
            let called = name(separator);
            return Err(format!(
                "line {line}: {} fields, expected {wanted} as in the header; put a field with a {called} in \
                 double quotes",
                record.len()
            ));
        }
        records.push((line, record.iter().take(wanted).map(str::to_owned).collect()));
    }
}

fn name(separator: char) -> &'static str {
    match separator {
        ';' => "semicolon",
        '\t' => "tab",
        '|' => "bar",
        _ => "comma",
    }
}

/// The separator, the text without the line `sep=;` that declares it in spreadsheets, and whether there
/// was such a line.
///
/// Without the line it is the separator that the header has most often outside of quotes.
fn separator(text: &str) -> (char, &str, usize) {
    let header = text.trim_start_matches(['\n', '\r']);
    let (first, rest) = header.split_once(['\n', '\r']).unwrap_or((header, ""));
    // After CR LF the line feed is left.
    let rest = if header[first.len()..].starts_with("\r\n") { &rest[1..] } else { rest };
    if let Some(declared) = first.strip_prefix("sep=")
        && let Some(separator) = SEPARATORS.into_iter().find(|known| declared == known.to_string())
    {
        return (separator, rest, 1);
    }
    let plain = first.split('"').step_by(2);
    let count =
        |separator: &char| plain.clone().map(|piece| piece.matches(*separator).count()).sum::<usize>();
    // Of equal counts the last is the maximum.
    let most = SEPARATORS.iter().rev().max_by_key(|separator| count(separator));
    (*most.unwrap_or(&','), text, 0)
}

/// The text with LF for a lone CR, and without spaces before a quote that opens a field.
///
/// On failure, the line where a quote opens a field that nothing closes.
fn normalize(text: &str, separator: char) -> Result<String, usize> {
    let mut result = String::with_capacity(text.len());
    // Whether a quote is open and its line, and the place in the result where the field begins.
    let (mut open, mut opened, mut line, mut field) = (false, 0, 1, 0);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends = letter == '\n' || letter == '\r' && letters.peek() != Some(&'\n');
        line += usize::from(ends);
        match letter {
            '"' if open => open = false,
            // Twice within quotes it is a letter, and the field continues.
            '"' if result.ends_with('"') && result[field..].starts_with('"') => open = true,
            '"' if result[field..].trim().is_empty() => {
                result.truncate(field);
                (open, opened) = (true, line);
            }
            _ => {}
        }
        result.push(if ends { '\n' } else { letter });
        if !open && (ends || letter == separator) {
            field = result.len();
        }
    }
    if open { Err(opened) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn fields(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().into_iter().map(|(_, record)| record).collect()
    }

    #[test]
    fn quotes_line_breaks_and_carriage_returns_are_understood() {
        let table = "file_name,text\r\na.png,\"young, \"\"tall\"\"\nman\"\r\n\r\nb.png,\n";
        let expected = [["file_name", "text"], ["a.png", "young, \"tall\"\nman"], ["b.png", ""]];
        assert_eq!(fields(table), expected);
        let lines: Vec<usize> = parse(table).unwrap().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(fields("a,b\rc,d\r\re,\"f\"\r"), [["a", "b"], ["c", "d"], ["e", "f"]]);
        assert_eq!(fields("a,\"\"\"b\"\"\"\n\"\",\"c,\"\"\""), [["a", "\"b\""], ["", "c,\""]]);
    }

    #[test]
    fn a_quote_within_a_field_is_a_letter() {
        assert_eq!(
            fields("a,5'10\" tall\nb,a \"tall\" man"),
            [["a", "5'10\" tall"], ["b", "a \"tall\" man"]]
        );
        assert_eq!(fields("a, \"b, c\"\n\"\",\"d\""), [["a", "b, c"], ["", "d"]]);
    }

    #[test]
    fn the_separator_is_that_of_the_header() {
        let expected = [["file_name", "text"], ["a.png", "a man, smiling; old | bald"]];
        for separator in [",", ";", "\t", "|", ", ", " ; ", "\t "] {
            let table = format!("file_name{separator}text\na.png{separator}\"a man, smiling; old | bald\"\n");
            assert_eq!(fields(&table), expected, "{separator:?}");
        }
        assert_eq!(fields("sep=;\r\na,b;c\r\nd;e"), [["a,b", "c"], ["d", "e"]]);
        assert_eq!(fields("\"a;b;c\",d\ne,f"), [["a;b;c", "d"], ["e", "f"]]);
        assert_eq!(fields("name\na"), [["name"], ["a"]]);
        assert_eq!(parse("sep=;\n\na;b\nc;d").unwrap()[1].0, 4);
        assert_eq!(fields("a;b\nc;d;\n"), [["a", "b"], ["c", "d"]]);
    }

    #[test]
    fn a_record_that_would_lose_text_is_an_error_with_its_line() {
        let open = parse("a,b\nc,\"d\ne,f\n").unwrap_err();
        assert!(open.starts_with("line 2: a quote opens"), "{open}");
        for (table, wanted) in [("a,b\n\nc,d, e\n", "line 3: 3 fields"), ("a,b\r\nc\r\n", "line 2: 1 fields")]
        {
            let reason = parse(table).unwrap_err();
            assert!(reason.starts_with(wanted) && reason.contains("expected 2 as in the header"), "{reason}");
        }
        assert!(
            parse("a;b\nc;d;e\n").unwrap_err().ends_with("put a field with a semicolon in double quotes")
        );
    }

    #[test]
    fn blank_lines_and_records_of_empty_fields_are_left_out() {
        assert_eq!(fields("\n\na,b\n,\n\nc,d\n\n"), [["a", "b"], ["c", "d"]]);
        assert_eq!(parse("\r\n\r\na,b\r\n\r\nc,d").unwrap()[1].0, 5);
        assert!(parse("").unwrap().is_empty());
    }
}

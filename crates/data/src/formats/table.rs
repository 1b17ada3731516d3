//! Tables of comma-separated values (RFC 4180) in the dialects that people write.
//!
//! The `csv` crate splits records. This module adds the lines of old Macs (a lone CR), spaces before an
//! opening quote, an error about a quote that nothing closes, and the line of each record in the file.

/// A record with the line on which it begins, from 1.
pub(crate) type Record = (usize, Vec<String>);

/// The records of a table, the header first, all with equally many fields; blank lines are left out.
///
/// On failure, the reason with its line.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let text = normalize(text)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records: Vec<Record> = Vec::new();
    let mut record = csv::StringRecord::new();
    let (mut line, mut read) = (1, 0);
    loop {
        let start = reader.position().byte() as usize;
        if !reader.read_record(&mut record).map_err(|error| error.to_string())? {
            return Ok(records);
        }
        // The reader skips blank lines before a record.
        let begin = start + text[start..].bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        line += text[read..begin].matches('\n').count();
        read = begin;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let wanted = records.first().map_or(record.len(), |(_, header)| header.len());
        if record.len() != wanted {
            return Err(format!(
                "line {line}: {} fields, expected {wanted} as in the header; put a field with a comma in double \
                 quotes",
                record.len()
            ));
        }
        records.push((line, record.iter().map(str::to_owned).collect()));
    }
}

/// The text with LF for a lone CR, and without spaces before a quote that opens a field.
///
/// On failure, the reason: a quote opens a field and nothing closes it.
fn normalize(text: &str) -> Result<String, String> {
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
        if !open && (ends || letter == ',') {
            field = result.len();
        }
    }
    if open {
        return Err(format!("line {opened}: a quote opens a field, expected a quote that closes it"));
    }
    Ok(result)
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
    fn a_record_that_would_lose_text_is_an_error_with_its_line() {
        let open = parse("a,b\nc,\"d\ne,f\n").unwrap_err();
        assert!(open.starts_with("line 2: a quote opens"), "{open}");
        for (table, wanted) in [("a,b\n\nc,d, e\n", "line 3: 3 fields"), ("a,b\r\nc\r\n", "line 2: 1 fields")]
        {
            let reason = parse(table).unwrap_err();
            assert!(reason.starts_with(wanted) && reason.contains("expected 2 as in the header"), "{reason}");
        }
    }

    #[test]
    fn blank_lines_and_records_of_empty_fields_are_left_out() {
        assert_eq!(fields("\n\na,b\n,\n\nc,d\n\n"), [["a", "b"], ["c", "d"]]);
        assert_eq!(parse("\r\n\r\na,b\r\n\r\nc,d").unwrap()[1].0, 5);
        assert!(parse("").unwrap().is_empty());
    }
}

//! Comma-separated values (RFC 4180): quotes, doubled quotes, line breaks within quotes, and lines
//! that end in LF, CRLF or CR. A quote stands around a whole field; elsewhere it is a letter.

/// A record, with the line it begins on, from 1.
pub(crate) type Record = (usize, Vec<String>);

/// The records of a table, the header first, all with as many fields; blank lines are left out.
///
/// On failure, the reason with its line.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let (mut line, mut start) = (1, 1);
    // The line that an open quote is on.
    let mut quoted = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends = letter == '\n' || letter == '\r' && letters.peek() != Some(&'\n');
        line += usize::from(ends);
        match letter {
            '"' if quoted.is_some() && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' if quoted.is_some() => quoted = None,
            '"' if field.trim().is_empty() => {
                field.clear();
                quoted = Some(line);
            }
            letter if quoted.is_some() => field.push(letter),
            ',' => record.push(std::mem::take(&mut field)),
            '\n' | '\r' if ends => {
                record.push(std::mem::take(&mut field));
                records.push((start, std::mem::take(&mut record)));
                start = line;
            }
            // Of CRLF.
            '\r' => {}
            letter => field.push(letter),
        }
    }
    if let Some(line) = quoted {
        return Err(format!("line {line}: a quote opens a field and none closes it"));
    }
    record.push(field);
    records.push((start, record));
    records.retain(|(_, record)| record.iter().any(|field| !field.is_empty()));
    let wanted = records.first().map_or(0, |(_, header)| header.len());
    match records.iter().find(|(_, record)| record.len() != wanted) {
        Some((line, record)) => Err(format!(
            "line {line}: fields: {}, in the header: {wanted}; a field that holds a comma stands in double quotes",
            record.len()
        )),
        None => Ok(records),
    }
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
    fn what_would_lose_text_is_an_error_with_its_line() {
        let open = parse("a,b\nc,\"d\ne,f\n").unwrap_err();
        assert!(open.starts_with("line 2: a quote opens"), "{open}");
        for (table, wanted) in
            [("a,b\n\nc,d, e\n", "line 3: fields: 3"), ("a,b\r\nc\r\n", "line 2: fields: 1")]
        {
            let reason = parse(table).unwrap_err();
            assert!(reason.starts_with(wanted) && reason.contains("in the header: 2"), "{reason}");
        }
    }
}

//! Comma-separated values (RFC 4180): quotes, doubled quotes, line breaks within quotes, CRLF.

/// The records of a table; blank lines are left out.
pub(crate) fn parse(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            letter => field.push(letter),
        }
    }
    record.push(field);
    records.push(record);
    records.retain(|record| record.iter().any(|field| !field.is_empty()));
    records
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_line_breaks_and_carriage_returns_are_understood() {
        let table = "file_name,text\r\na.png,\"young, \"\"tall\"\"\nman\"\r\n\r\nb.png,\n";
        assert_eq!(
            super::parse(table),
            [["file_name", "text"], ["a.png", "young, \"tall\"\nman"], ["b.png", ""]]
        );
    }
}

//! Tables with a row of whole numbers for each image, as CelebA and its relatives publish them.
//!
//! Fields are separated by white space, or by commas in the forms of Kaggle. A first line with a single
//! number is a count and is not trusted. A header may leave out the name of the first column, or be
//! absent.

use std::path::Path;

use crate::error::{Error, Result};
use crate::text_file;

/// A table of whole numbers by the names of images.
#[derive(Debug)]
pub(crate) struct Grid {
    /// The names of the columns of numbers; numbers from 1 where the table has no header.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<GridRow>,
}

/// The row of an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GridRow {
    /// Its line in the file, from 1.
    pub(crate) line: usize,
    /// The name of the image.
    pub(crate) name: String,
    pub(crate) cells: Vec<i32>,
}

impl Grid {
    /// Reads a table.
    ///
    /// # Errors
    /// If it cannot be read, is empty, or a row has another number of cells or a cell that is no whole
    /// number; the message names line and column.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
        Self::parse(&text).map_err(|reason| Error::file(file, reason))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let mut lines = lines.map(|(number, line)| (number, fields(line))).peekable();
        if lines.peek().is_some_and(|(_, fields)| fields.len() == 1 && number(fields[0]).is_some()) {
            lines.next();
        }
        let is_header = |fields: &[&str]| fields.iter().skip(1).any(|field| number(field).is_none());
        let header = lines.next_if(|(_, fields)| fields.len() == 1 || is_header(fields));
        let Some((first_line, first)) = lines.peek() else {
            return Err("no row: expected a line with the name of an image and numbers".into());
        };
        let width = first.len().saturating_sub(1);
        let columns: Vec<String> = match &header {
            None => (1..=width).map(|column| column.to_string()).collect(),
            Some((_, names)) if names.len() == width => names.iter().map(|&name| name.to_owned()).collect(),
            Some((_, names)) if names.len() == width + 1 => {
                names[1..].iter().map(|&name| name.to_owned()).collect()
            }
            Some((line, names)) => {
                let count = names.len();
                return Err(format!(
                    "line {line} has {count} names of columns, and line {first_line} has {width} numbers after the \
                     name of the image"
                ));
            }
        };
        let rows = lines
            .map(|(line, fields)| row(line, &fields, &columns))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { columns, rows })
    }
}

fn row(line: usize, fields: &[&str], columns: &[String]) -> std::result::Result<GridRow, String> {
    let [name, cells @ ..] = fields else { return Err(format!("line {line}: no name of an image")) };
    if cells.len() != columns.len() {
        let (count, expected) = (cells.len(), columns.len());
        return Err(format!("line {line}: {count} numbers after {name}, expected {expected}"));
    }
    let cell = |(cell, column): (&&str, &String)| {
        number(cell).ok_or_else(|| format!("line {line}, column {column}: `{cell}`, expected a whole number"))
    };
    let cells = cells.iter().zip(columns).map(cell).collect::<std::result::Result<_, _>>()?;
    Ok(GridRow { line, name: (*name).to_owned(), cells })
}

/// The fields of a line; those of a table of Kaggle may be in double quotes.
fn fields(line: &str) -> Vec<&str> {
    if line.contains(',') {
        line.split(',').map(|field| field.trim().trim_matches('"')).collect()
    } else {
        line.split_whitespace().collect()
    }
}

/// A whole number, which `pandas` may have written as `1.0`.
fn number(text: &str) -> Option<i32> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cells = (usize, String, Vec<i32>);

    fn parse(text: &str) -> (Vec<String>, Vec<Cells>) {
        let grid = Grid::parse(text).unwrap();
        (grid.columns, grid.rows.into_iter().map(|row| (row.line, row.name, row.cells)).collect())
    }

    #[test]
    fn both_published_forms_and_tables_without_a_header_are_read() {
        let rows = vec![(3, "1.jpg".to_owned(), vec![-1, 1]), (4, "2.jpg".to_owned(), vec![1, -1])];
        let columns = vec!["Bald".to_owned(), "Young".to_owned()];
        let text = "202599\r\nBald Young \r\n1.jpg -1  1\r\n2.jpg  1 -1\r\n\r\n";
        assert_eq!(parse(text), (columns.clone(), rows.clone()));
        let rows: Vec<_> = rows.into_iter().map(|(line, name, cells)| (line - 1, name, cells)).collect();
        assert_eq!(
            parse("image_id,Bald,Young\n1.jpg,-1,1\n\"2.jpg\",1.0,-1"),
            (columns.clone(), rows.clone())
        );
        assert_eq!(parse("img_name Bald Young\n1.jpg -1 1\n2.jpg 1 -1"), (columns, rows));
        let numbered =
            (vec!["1".to_owned()], vec![(1, "1.jpg".to_owned(), vec![0]), (2, "2.jpg".to_owned(), vec![2])]);
        assert_eq!(parse("1.jpg 0\n2.jpg 2\n"), numbered);
    }

    #[test]
    fn errors_name_line_and_column() {
        for (text, reason) in [
            ("Bald Young\n1.jpg 1 1\n2.jpg 1 x", "line 3, column Young: `x`, expected a whole number"),
            ("Bald Young\n1.jpg 1 1\n2.jpg 1", "line 3: 1 numbers after 2.jpg, expected 2"),
            ("a b c d\n1.jpg 1 1", "line 1 has 4 names of columns, and line 2 has 2 numbers"),
            ("3\n", "no row"),
            ("", "no row"),
        ] {
            let found = Grid::parse(text).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}

//! Tables as HTML.

use std::fmt::Write;

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The number of columns at the left that are text; the others are numbers.
    pub(crate) texts: usize,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[&str], texts: usize) -> Self {
        Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new(), texts }
    }

    /// The table in a box that scrolls sideways.
    pub(crate) fn to_html(&self) -> String {
        let class = |column: usize| if column < self.texts { "" } else { " class=\"number\"" };
        let mut html = String::from("<div class=\"wide\"><table>\n<thead><tr>");
        for (column, name) in self.columns.iter().enumerate() {
            let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(column), escaped(name));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let _ = match column {
                    0 => write!(html, "<th scope=\"row\">{}</th>", escaped(cell)),
                    _ => write!(html, "<td{}>{}</td>", class(column), escaped(cell)),
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    /// The table as `DataFrame.to_html(index=False, border=0)` of pandas gives it for columns of text.
    pub(crate) fn to_pandas(&self) -> String {
        let mut html = String::from("<table class=\"dataframe\">\n  <thead>\n");
        html.push_str("    <tr style=\"text-align: right;\">\n");
        for name in &self.columns {
            let _ = writeln!(html, "      <th>{}</th>", escaped_as_pandas(name));
        }
        html.push_str("    </tr>\n  </thead>\n  <tbody>\n");
        for row in &self.rows {
            html.push_str("    <tr>\n");
            for cell in row {
                let _ = writeln!(html, "      <td>{}</td>", escaped_as_pandas(cell));
            }
            html.push_str("    </tr>\n");
        }
        html.push_str("  </tbody>\n</table>");
        html
    }
}

/// A text in HTML, also in the value of an attribute.
pub(crate) fn escaped(text: &str) -> String {
    escaped_as_pandas(text).replace('"', "&quot;").replace('\'', "&#39;")
}

fn escaped_as_pandas(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped_and_numbers_are_marked() {
        let mut table = Table::new(&["name", "value"], 1);
        table.rows.push(vec!["<a & b>".into(), "1".into()]);
        let html = table.to_html();
        assert!(
            html.contains("<th scope=\"row\">&lt;a &amp; b&gt;</th><td class=\"number\">1</td>"),
            "{html}"
        );
        assert!(table.to_pandas().contains("      <td>&lt;a &amp; b&gt;</td>\n      <td>1</td>\n"));
    }
}

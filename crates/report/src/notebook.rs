//! The notebook `report.ipynb`: nbformat 4.5, with stored outputs.
//!
//! Its code reads the tables beside it with pandas and draws with Matplotlib. The stored tables are those that the
//! code gives; the stored figures are the panels of this program.

use base64::{STANDARD, encode_config};
use serde::Serialize;
use serde_json::{Value, json};
use t2f_pictures::curves::{Panels, panels_picture};
use t2f_pictures::picture;

use crate::error::{Error, Result};
use crate::long_form;
use crate::number::{significant, whole};
use crate::run::Run;
use crate::summary;
use crate::table::Table;

/// The code of the cells.
const READ: &str = include_str!("../assets/cells/read.py");
const LAST: &str = include_str!("../assets/cells/last.py");
const METRICS: &str = include_str!("../assets/cells/metrics.py");
const CURVES: &str = include_str!("../assets/cells/curves.py");
const SAMPLES: &str = include_str!("../assets/cells/samples.py");

/// The notebook.
///
/// # Errors
/// If a figure cannot be made, or the notebook cannot be encoded.
pub(crate) fn notebook(runs: &[Run], title: &str, samples: Option<&[u8]>) -> Result<String> {
    let mut cells = Cells::default();
    let paragraphs: Vec<String> = runs.iter().map(summary::paragraph).collect();
    cells.text(&format!("# {title}\n\n{}", paragraphs.join("\n\n")));
    cells.text(
        "The code needs pandas, pyarrow and Matplotlib, and the files beside this notebook. `run_dir` is their folder; \
         Papermill can set it.",
    );
    cells.code("run_dir = \".\"", &["parameters"], Vec::new());
    cells.code(READ, &[], vec![table_output(&counts(runs))]);
    cells.text("The newest value of each statistic, without metrics.");
    cells.code(LAST, &[], vec![table_output(&last(runs))]);
    cells.text("Metrics, in the order of the images shown.");
    cells.code(METRICS, &[], vec![table_output(&metrics(runs))]);
    cells.text("Statistics over thousands of images shown.");
    let rows: Vec<_> = runs.iter().map(|run| run.curves.clone()).collect();
    let figure = match panels_picture(&rows, &Panels { size: (440, 300), ..Panels::default() }) {
        Err(t2f_pictures::Error::Empty(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
        Ok(page) => vec![picture_output(&picture::to_indexed_png(&page)?, "<Figure>")],
    };
    cells.code(CURVES, &[], figure);
    if let Some(png) = samples {
        cells.text("The newest sheet of samples.");
        cells.code(SAMPLES, &[], vec![picture_output(png, "<IPython.core.display.Image object>")]);
    }
    cells.finish()
}

/// The cells so far.
#[derive(Default)]
struct Cells {
    cells: Vec<Value>,
    executed: u64,
}

impl Cells {
    fn id(&self) -> String {
        format!("cell-{}", self.cells.len() + 1)
    }

    fn text(&mut self, source: &str) {
        let cell = json!({"cell_type": "markdown", "id": self.id(), "metadata": {}, "source": lines(source)});
        self.cells.push(cell);
    }

    fn code(&mut self, source: &str, tags: &[&str], outputs: Vec<Value>) {
        self.executed += 1;
        let metadata = if tags.is_empty() { json!({}) } else { json!({ "tags": tags }) };
        let cell = json!({
            "cell_type": "code",
            "execution_count": self.executed,
            "id": self.id(),
            "metadata": metadata,
            "outputs": outputs,
            "source": lines(source.trim_end()),
        });
        self.cells.push(cell);
    }

    /// The notebook as text, in the form of the `nbformat` package of Python.
    fn finish(self) -> Result<String> {
        let notebook = json!({
            "cells": self.cells,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        });
        let failed = |error: &dyn std::fmt::Display| Error::encoding("report.ipynb", error);
        let mut bytes = Vec::new();
        let form = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, form);
        notebook.serialize(&mut serializer).map_err(|error| failed(&error))?;
        bytes.push(b'\n');
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }
}

/// A source as a list of lines with their ends.
fn lines(source: &str) -> Vec<String> {
    source.split_inclusive('\n').map(String::from).collect()
}

fn table_output(table: &Table) -> Value {
    let data = json!({
        "text/html": lines(&table.to_pandas()),
        "text/plain": ["<IPython.core.display.HTML object>"],
    });
    json!({"data": data, "metadata": {}, "output_type": "display_data"})
}

fn picture_output(png: &[u8], plain: &str) -> Value {
    let image = encode_config(png, STANDARD) + "\n";
    json!({"data": {"image/png": image, "text/plain": [plain]}, "metadata": {}, "output_type": "display_data"})
}

/// The number of rows of each table and run.
fn counts(runs: &[Run]) -> Table {
    let (stats, metrics) = (long_form::statistics(runs), long_form::metrics(runs));
    let mut table = Table::new(&["run", "values", "metrics", "kimg"], 1);
    for run in runs {
        let of = |values: &[long_form::Value]| values.iter().filter(|value| value.run == run.name).count();
        let kimg = stats.iter().filter(|value| value.run == run.name).filter_map(|value| value.kimg);
        let kimg = kimg.fold(f64::NAN, f64::max);
        let count = |values| whole(of(values) as u64);
        table.rows.push(vec![run.name.clone(), count(&stats), count(&metrics), significant(kimg, 4)]);
    }
    table
}

/// The newest value of each statistic of each run, without metrics and settings.
fn last(runs: &[Run]) -> Table {
    let mut table = Table::new(&["run", "name", "value"], 2);
    for run in runs {
        let mut values = std::collections::BTreeMap::new();
        for value in long_form::statistics(std::slice::from_ref(run)) {
            if !value.name.starts_with("Metrics/") && !value.name.starts_with("Settings/") {
                values.insert(value.name, value.value);
            }
        }
        let rows =
            values.into_iter().map(|(name, value)| vec![run.name.clone(), name, significant(value, 4)]);
        table.rows.extend(rows);
    }
    table
}

/// The metrics of each run.
fn metrics(runs: &[Run]) -> Table {
    let mut table = Table::new(&["run", "kimg", "name", "value"], 1);
    for value in long_form::metrics(runs) {
        let kimg = value.kimg.map_or_else(|| "nan".into(), |kimg| significant(kimg, 4));
        table.rows.push(vec![value.run, kimg, value.name, significant(value.value, 4)]);
    }
    table
}

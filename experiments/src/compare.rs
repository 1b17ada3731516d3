//! Tables of results, in Markdown, and the outcome of checks.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::declare::{self, Experiment, FigureTitle};
use crate::expect::{Build, Check, Expected, Outcome};
use crate::results::{Figure, Figures, Results, RunResult};

/// Maximum number of runs as columns; more runs are rows.
const COLUMNS: usize = 3;

/// A comparison of results with the documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The printed tables and checks.
    pub text: String,
    /// Whether every check holds. The short form has no checks.
    pub as_expected: bool,
}

/// Compares the results in an output folder with `expected.json`. `root` is the folder of the experiments.
/// For the short form it only checks that no figure of the table and of `expected.json` is missing.
///
/// # Errors
/// If results or expectations cannot be read, or the results lack a figure.
pub fn compare(experiment: &Experiment, root: &Path, folder: &Path) -> Result<Comparison> {
    let results = Results::read(folder)?;
    let expected = Expected::read(&experiment.folder)?;
    let titles = declare::figure_titles(root)?;
    let mut parts = vec![table(experiment, &results, &titles)];
    if results.smoke {
        complete(experiment, &expected, &results)?;
        parts.push("The short form: values have no meaning and are not checked.".into());
        return Ok(Comparison { text: parts.join("\n\n"), as_expected: true });
    }
    let documented = documented(&expected, &results);
    if !documented.runs.is_empty() {
        let build = match expected.documented.build {
            Build::Present => "Documented:",
            Build::Earlier => "Documented, from an earlier build and not checked:",
        };
        parts.push(format!("{build}\n\n{}", table(experiment, &documented, &titles)));
    }
    let checks = expected.check(&results)?;
    parts.push(checks.iter().map(line).collect::<Vec<_>>().join("\n"));
    let as_expected = checks.iter().all(|check| check.outcome != Outcome::Fails);
    Ok(Comparison { text: parts.join("\n\n"), as_expected })
}

/// Checks that the results have every figure of `expected.json`, and every figure of the table for at least
/// one run.
fn complete(experiment: &Experiment, expected: &Expected, results: &Results) -> Result<()> {
    for key in &experiment.declaration.table {
        let there = results.runs.iter().any(|run| run.figures.contains_key(key));
        ensure!(there, "no run of `{}` has the figure `{key}` of its table", experiment.name);
    }
    for (run, key) in expected.figures() {
        let there = results.figure(run, key).is_some();
        ensure!(there, "`{}`: expected.json names `{key}` of run `{run}`, not measured", experiment.name);
    }
    Ok(())
}

/// The table of an experiment, with a column for each run, or a row for each of many runs.
pub fn table(experiment: &Experiment, results: &Results, titles: &declare::Figures) -> String {
    let keys: Vec<&String> = experiment.declaration.table.iter().collect();
    let keys: Vec<&String> = keys
        .into_iter()
        .filter(|key| results.runs.iter().any(|run| run.figures.contains_key(*key)))
        .collect();
    let title = |key: &str| titles.get(key).map_or(format!("`{key}`"), |found| found.title.clone());
    let value = |run: &RunResult, key: &str| {
        run.figures.get(key).map_or(String::new(), |figure| words(figure, titles.get(key)))
    };
    let columns = results.runs.len() <= COLUMNS;
    let heads: Vec<String> = match columns {
        true => results.runs.iter().map(|run| run.title.clone()).collect(),
        false => keys.iter().map(|key| title(key)).collect(),
    };
    let mut rows =
        vec![format!("| | {} |", heads.join(" | ")), format!("|---|{}", "---|".repeat(heads.len()))];
    let mut row = |head: String, cells: Vec<String>| rows.push(format!("| {head} | {} |", cells.join(" | ")));
    if columns {
        for key in keys {
            row(title(key), results.runs.iter().map(|run| value(run, key)).collect());
        }
    } else {
        for run in &results.runs {
            row(run.title.clone(), keys.iter().map(|key| value(run, key)).collect());
        }
    }
    rows.join("\n")
}

/// The documented figures as results, in the order and with the titles of the runs.
fn documented(expected: &Expected, results: &Results) -> Results {
    let of = |run: &RunResult| -> Option<RunResult> {
        let stated = expected.documented.runs.get(&run.name)?;
        let figures: Figures = stated.iter().map(|(key, &figure)| (key.clone(), figure.into())).collect();
        Some(RunResult { figures, ..run.clone() })
    };
    Results { runs: results.runs.iter().filter_map(of).collect(), ..results.clone() }
}

fn words(figure: &Figure, title: Option<&FigureTitle>) -> String {
    let digits = title.map_or(3, |title| title.digits);
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => {
            format!("{:.digits$} [{low:.digits$}, {high:.digits$}]", figure.value)
        }
        _ => format!("{:.digits$}", figure.value),
    }
}

fn line(check: &Check) -> String {
    let outcome = match check.outcome {
        Outcome::Holds => "holds",
        Outcome::Fails => "FAILS",
        Outcome::NotShown => "not shown, as documented",
    };
    format!("- {}: {outcome}", check.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// Results with the documented figures, one of them changed by a function.
    fn results(experiment: &Experiment, change: impl Fn(&str, &str, f64) -> f64) -> Results {
        let expected = Expected::read(&experiment.folder).unwrap();
        let runs = experiment.runs(None, &[]).unwrap();
        let runs = runs.into_iter().map(|run| {
            let stated = expected.documented.runs.get(&run.name).into_iter().flatten();
            let figures: Figures = stated
                .map(|(key, &figure)| {
                    let mut figure = Figure::from(figure);
                    let by = change(&run.name, key, figure.value) - figure.value;
                    figure.value += by;
                    figure.low = figure.low.map(|low| low + by);
                    figure.high = figure.high.map(|high| high + by);
                    (key.clone(), figure)
                })
                .collect();
            RunResult { name: run.name, title: run.title, folder: "r".into(), figures }
        });
        Results {
            experiment: experiment.name.clone(),
            version: "v".into(),
            smoke: false,
            runs: runs.collect(),
        }
    }

    fn compared(name: &str, change: impl Fn(&str, &str, f64) -> f64) -> Comparison {
        let out = tempfile::tempdir().unwrap();
        let experiment = Experiment::find(root(), name).unwrap();
        results(&experiment, change).write(out.path()).unwrap();
        compare(&experiment, root(), out.path()).unwrap()
    }

    #[test]
    fn the_short_form_must_have_every_figure_and_is_not_checked_for_values() {
        let out = tempfile::tempdir().unwrap();
        let experiment = Experiment::find(root(), "overfit-8").unwrap();
        let mut short = results(&experiment, |_, _, _| 0.0);
        short.smoke = true;
        short.write(out.path()).unwrap();
        assert!(compare(&experiment, root(), out.path()).unwrap().as_expected);
        short.runs[0].figures.remove("own_face");
        short.write(out.path()).unwrap();
        let message = compare(&experiment, root(), out.path()).unwrap_err().to_string();
        assert!(message.contains("own_face"), "{message}");
    }

    #[test]
    fn documented_figures_match_the_expectations() {
        for experiment in Experiment::all(root()).unwrap() {
            let comparison = compared(&experiment.name, |_, _, value| value);
            assert!(comparison.as_expected, "{}: {}", experiment.name, comparison.text);
        }
    }

    #[test]
    fn an_unexpected_figure_is_found() {
        let comparison = compared("fade-in", |run, key, value| match (run, key) {
            ("on", "change_8") => value + 100.0,
            _ => value,
        });
        assert!(!comparison.as_expected && comparison.text.contains("FAILS"), "{}", comparison.text);
        let comparison = compared("contrast", |run, key, value| match (run, key) {
            ("on", "aan") => value - 0.05,
            _ => value,
        });
        assert!(!comparison.as_expected, "{}", comparison.text);
    }

    #[test]
    fn few_runs_are_columns_and_many_are_rows() {
        let titles = declare::figure_titles(root()).unwrap();
        let table = |name: &str| {
            let experiment = Experiment::find(root(), name).unwrap();
            table(&experiment, &results(&experiment, |_, _, value| value), &titles)
        };
        assert!(table("contrast").contains("| AAn | 0.116 [0.077, 0.156] | 0.042 [-0.003, 0.088] |"));
        let wide = table("reconstruction");
        assert!(wide.lines().next().unwrap().contains("| AAn |"), "{wide}");
    }

    #[test]
    fn every_figure_of_a_table_has_a_title() {
        let titles = declare::figure_titles(root()).unwrap();
        for experiment in Experiment::all(root()).unwrap() {
            for key in &experiment.declaration.table {
                assert!(titles.contains_key(key), "{}: {key}", experiment.name);
            }
        }
    }
}

//! The table of a sweep: a row a run, and means over seeds.

use std::collections::BTreeMap;

use t2f_pictures::curves::RunRows;
use t2f_report::significant;

use super::grid::Grid;
use super::queue::name;

/// The key whose values are repetitions.
const SEED: &str = "seed";
/// The images shown, in thousands.
const KIMG: &str = "Progress/kimg";
/// The statistics of a run without metrics.
const LOSSES: [&str; 2] = ["Loss/D/total", "Loss/G/total"];

/// Rows of texts with a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub heading: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Lines of columns with two spaces between them.
    pub fn lines(&self) -> Vec<String> {
        let all: Vec<&Vec<String>> = std::iter::once(&self.heading).chain(&self.rows).collect();
        let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let line = |row: &&Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all.iter().map(line).collect()
    }

    /// As comma-separated values (RFC 4180).
    pub fn csv(&self) -> String {
        let quoted = |cell: &String| match cell.contains([',', '"', '\n']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.heading).chain(&self.rows).map(line).collect()
    }
}

/// The statistics in the table: all metrics, or the losses if no run has metrics.
fn keys(runs: &[(usize, RunRows)]) -> Vec<String> {
    let all = runs.iter().flat_map(|(_, run)| &run.rows).flat_map(|row| row.keys());
    let metrics: std::collections::BTreeSet<&String> =
        all.filter(|key| key.starts_with("Metrics/") && !key.ends_with("_real")).collect();
    match metrics.is_empty() {
        true => LOSSES.map(String::from).into(),
        false => metrics.into_iter().cloned().collect(),
    }
}

fn heading(first: &str, varied: impl Iterator<Item = String>, keys: &[String]) -> Vec<String> {
    let short = |key: &String| key.trim_start_matches("Metrics/").to_owned();
    let own = std::iter::once(first.to_owned()).filter(|first| !first.is_empty()).chain(varied);
    own.chain(["kimg".to_owned()]).chain(keys.iter().map(short)).collect()
}

/// The newest statistics of each run.
pub fn of_runs(grid: &Grid, runs: &[(usize, RunRows)]) -> Table {
    let keys = keys(runs);
    let row = |(number, run): &(usize, RunRows)| {
        let value = |key: &str| run.newest(key).map_or_else(|| "-".into(), |value| significant(value, 4));
        let own = grid.values(*number).into_iter().map(String::from);
        let cells = std::iter::once(name(*number)).chain(own).chain([value(KIMG)]);
        cells.chain(keys.iter().map(|key| value(key))).collect()
    };
    Table {
        heading: heading("run", grid.varied.iter().map(|(key, _)| key.clone()), &keys),
        rows: runs.iter().map(row).collect(),
    }
}

/// Mean and standard deviation over the seeds of each other combination; none without several seeds.
pub fn over_seeds(grid: &Grid, runs: &[(usize, RunRows)]) -> Option<Table> {
    let seed = grid.varied.iter().position(|(key, _)| key == SEED)?;
    let keys = keys(runs);
    let others = |number: usize| -> Vec<String> {
        let values = grid.values(number).into_iter().enumerate();
        values.filter(|(at, _)| *at != seed).map(|(_, value)| value.to_owned()).collect()
    };
    let mut groups: BTreeMap<usize, (Vec<String>, Vec<&RunRows>)> = BTreeMap::new();
    for (number, run) in runs {
        let own = others(*number);
        let known = groups.iter().find(|(_, (values, _))| *values == own).map(|(first, _)| *first);
        groups.entry(known.unwrap_or(*number)).or_insert_with(|| (own, Vec::new())).1.push(run);
    }
    let rows = groups.into_values().map(|(own, runs)| {
        let value = |key: &str| {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.newest(key)).collect();
            spread(&values)
        };
        let cells = own.into_iter().chain([runs.len().to_string(), value(KIMG)]);
        cells.chain(keys.iter().map(|key| value(key))).collect()
    });
    let rows = rows.collect();
    let names = grid.varied.iter().map(|(key, _)| key.clone()).filter(|key| key != SEED);
    Some(Table { heading: heading("", names.chain(["seeds".to_owned()]), &keys), rows })
}

/// `mean ± standard deviation` of a sample, the mean alone of one value.
fn spread(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        0 => "-".into(),
        1 => significant(mean, 4),
        _ => format!("{} ± {}", significant(mean, 4), significant((squares / (count - 1.0)).sqrt(), 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kimg: f64, kid: Option<f64>) -> RunRows {
        let mut row = BTreeMap::from([(KIMG.to_owned(), kimg), (LOSSES[0].to_owned(), 1.5)]);
        row.extend(kid.map(|kid| ("Metrics/kid_oracle".to_owned(), kid)));
        RunRows { name: String::new(), rows: vec![row], marks: Vec::new() }
    }

    #[test]
    fn a_row_has_the_values_of_a_run_and_seeds_are_averaged() {
        let grid = Grid::parse(&["gamma=0.1,1".into(), "seed=0,1".into()]).unwrap();
        let kids = [Some(1.0), Some(2.0), Some(4.0), None];
        let runs: Vec<(usize, RunRows)> =
            kids.into_iter().enumerate().map(|(at, kid)| (at, run(22.8, kid))).collect();
        let table = of_runs(&grid, &runs);
        assert_eq!(table.heading, ["run", "gamma", "seed", "kimg", "kid_oracle"]);
        assert_eq!(table.rows[1], ["001", "0.1", "1", "22.8", "2"]);
        assert_eq!(table.rows[3][4], "-");
        let seeds = over_seeds(&grid, &runs).unwrap();
        assert_eq!(seeds.heading, ["gamma", "seeds", "kimg", "kid_oracle"]);
        assert_eq!(seeds.rows, [["0.1", "2", "22.8 ± 0", "1.5 ± 0.71"], ["1", "2", "22.8 ± 0", "4"]]);
        assert_eq!(seeds.lines()[0], "gamma  seeds  kimg      kid_oracle");
    }

    #[test]
    fn without_metrics_the_losses_are_shown_and_without_seeds_no_means() {
        let grid = Grid::parse(&["text={a=1,b=2},{}".into()]).unwrap();
        let runs = [(0, run(1.0, None))];
        let table = of_runs(&grid, &runs);
        assert_eq!(table.heading, ["run", "text", "kimg", LOSSES[0], LOSSES[1]]);
        assert_eq!(table.csv().lines().last(), Some("000,\"{a=1,b=2}\",1,1.5,-"));
        assert_eq!(over_seeds(&grid, &runs), None);
    }
}

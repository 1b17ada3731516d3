//! The combinations of the settings of a sweep.

use anyhow::bail;

/// The settings of a sweep: those of all runs, and those with several values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// `KEY=VALUE`, with one value.
    pub common: Vec<String>,
    /// Keys with their values.
    pub varied: Vec<(String, Vec<String>)>,
}

impl Grid {
    /// Reads settings `KEY=VALUE` and `KEY=VALUE,VALUE`. Commas in brackets, braces and quotes belong to a value.
    ///
    /// # Errors
    /// If a setting has no `=` or an empty value, or a key has several values twice.
    pub fn parse(settings: &[String]) -> anyhow::Result<Self> {
        let mut grid = Self { common: Vec::new(), varied: Vec::new() };
        for setting in settings {
            let Some((key, values)) = setting.split_once('=') else {
                bail!("`--set {setting}` has no value, expected KEY=VALUE or KEY=VALUE,VALUE");
            };
            let (key, values) = (key.trim().to_owned(), split(values));
            if values.iter().any(String::is_empty) {
                bail!("`--set {setting}` has an empty value");
            }
            if grid.varied.iter().any(|(other, _)| *other == key) {
                bail!("`{key}` has several values twice: give them in one `--set`");
            }
            match values.as_slice() {
                [only] => grid.common.push(format!("{key}={only}")),
                _ => grid.varied.push((key, values)),
            }
        }
        Ok(grid)
    }

    /// The number of runs.
    pub fn len(&self) -> usize {
        self.varied.iter().map(|(_, values)| values.len()).product()
    }

    /// The values of the varied keys in a run. The values of the last key change first.
    pub fn values(&self, run: usize) -> Vec<&str> {
        let mut rest = run;
        let mut values: Vec<&str> = Vec::with_capacity(self.varied.len());
        for (_, of_key) in self.varied.iter().rev() {
            values.push(&of_key[rest % of_key.len()]);
            rest /= of_key.len();
        }
        values.reverse();
        values
    }

    /// The settings of a run: the common ones and its own.
    pub fn settings(&self, run: usize) -> Vec<String> {
        let own = self.varied.iter().zip(self.values(run)).map(|((key, _), value)| format!("{key}={value}"));
        self.common.iter().cloned().chain(own).collect()
    }

    /// The own settings of a run, for people: `seed=0, loss.r1_gamma=0.1`.
    pub fn label(&self, run: usize) -> String {
        let own = self.varied.iter().zip(self.values(run)).map(|((key, _), value)| format!("{key}={value}"));
        own.collect::<Vec<_>>().join(", ")
    }

    /// The number of a run and its values with the last words of their keys, for a legend: `001 seed 0, gamma 0.1`.
    pub fn short_label(&self, run: usize) -> String {
        let own = self.varied.iter().zip(self.values(run));
        let own = own.map(|((key, _), value)| format!("{} {value}", key.rsplit('.').next().unwrap_or(key)));
        format!("{run:03} {}", own.collect::<Vec<_>>().join(", ")).trim_end().to_owned()
    }
}

/// The values between commas outside brackets, braces and quotes.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut quote) = (0i32, None);
    let mut values = vec![String::new()];
    for c in text.chars() {
        match (c, quote) {
            (',', None) if depth == 0 => {
                values.push(String::new());
                continue;
            }
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth -= 1,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if let Some(value) = values.last_mut() {
            value.push(c);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[&str]) -> anyhow::Result<Grid> {
        Grid::parse(&settings.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn runs_are_all_combinations_and_the_last_key_changes_first() {
        let grid = parse(&["name=x", "seed=0,1", "loss.adversarial.r1.gamma=0.1, 1,10"]).unwrap();
        assert_eq!(grid.common, ["name=x"]);
        assert_eq!(grid.len(), 6);
        assert_eq!([0, 1, 3].map(|run| grid.values(run).join(" ")), ["0 0.1", "0 1", "1 0.1"]);
        assert_eq!(grid.settings(5), ["name=x", "seed=1", "loss.adversarial.r1.gamma=10"]);
        assert_eq!(grid.label(2), "seed=0, loss.adversarial.r1.gamma=10");
        assert_eq!(grid.short_label(2), "002 seed 0, gamma 10");
        assert_eq!(parse(&["seed=1"]).unwrap().len(), 1);
    }

    #[test]
    fn commas_within_a_value_do_not_separate_values() {
        let grid =
            parse(&["schedule.batch_sizes=[4,8],[8, 16]", "text={kind='lstm',layers=2},{}", "name=\"a,b\""]);
        let grid = grid.unwrap();
        assert_eq!(grid.varied[0].1, ["[4,8]", "[8, 16]"]);
        assert_eq!(grid.varied[1].1, ["{kind='lstm',layers=2}", "{}"]);
        assert_eq!(grid.common, ["name=\"a,b\""]);
    }

    #[test]
    fn settings_without_a_value_and_repeated_keys_are_refused() {
        for (settings, part) in [
            (&["seed"][..], "has no value"),
            (&["seed=1,,2"], "has an empty value"),
            (&["seed=0,1", "seed=2,3"], "several values twice"),
        ] {
            let error = parse(settings).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

//! Expectations: `expected.json` in an experiment's folder.
//!
//! It has the hypotheses of the experiment as relations between figures, and the documented figures. A
//! hypothesis that the documents report as not shown has `"shown": false` and never fails. Figures of the
//! present build must be reproduced; those of an earlier build are printed and not checked.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::results::{Figure, Results};

/// `expected.json`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The hypotheses.
    pub expectations: Vec<Expectation>,
    /// The documented figures.
    #[serde(default)]
    pub documented: Documented,
}

/// An expected relation of a figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Expectation {
    /// The run.
    pub run: String,
    /// The figure.
    pub key: String,
    /// The relation.
    #[serde(flatten)]
    pub relation: Relation,
    /// Whether the documents report it as shown. Default true.
    #[serde(default = "shown")]
    pub shown: bool,
}

fn shown() -> bool {
    true
}

/// A relation of a figure to numbers, or to the same figure of another run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The value lies in the closed interval.
    Within([f64; 2]),
    /// The value is not below the number.
    AtLeast(f64),
    /// The value is not above the number.
    AtMost(f64),
    /// Above that of another run by more than both intervals: each value is outside the other's interval.
    Above(String),
    /// Below that of another run by more than both intervals.
    Below(String),
    /// Not below that of another run by more than both intervals.
    NotBelow(String),
    /// Not above that of another run by more than both intervals.
    NotAbove(String),
}

/// Documented figures and their build.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Documented {
    /// The build of the figures; only those of the present build are checked.
    pub build: Build,
    /// The spread of runs with different seeds or rounding, by key.
    pub spread: BTreeMap<String, f64>,
    /// By run and key: a value, or a value with the ends of its interval.
    pub runs: BTreeMap<String, BTreeMap<String, Stated>>,
}

/// The build of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// A build with the same computation, up to rounding.
    #[default]
    Present,
    /// A build with other networks or losses.
    Earlier,
}

/// A figure in `expected.json`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Stated {
    /// A value.
    Value(f64),
    /// A value and the ends of its interval.
    Interval([f64; 3]),
}

impl From<Stated> for Figure {
    fn from(stated: Stated) -> Self {
        match stated {
            Stated::Value(value) => Self::plain(value),
            Stated::Interval([value, low, high]) => Self::with_interval(value, low, high),
        }
    }
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Holds,
    /// Not as expected.
    Fails,
    /// A hypothesis that the documents report as not shown and that is not shown again.
    NotShown,
}

/// A check and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// A description of the check, with the figures.
    pub text: String,
    /// Its outcome.
    pub outcome: Outcome,
}

impl Expected {
    /// Reads `expected.json` of an experiment's folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("expected.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))
    }

    /// The runs and keys of every checked or documented figure.
    pub fn figures(&self) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for expectation in &self.expectations {
            all.push((expectation.run.as_str(), expectation.key.as_str()));
            all.extend(expectation.relation.other().map(|other| (other, expectation.key.as_str())));
        }
        for (run, figures) in &self.documented.runs {
            all.extend(figures.keys().map(|key| (run.as_str(), key.as_str())));
        }
        all
    }

    /// Checks results: every expectation, and every documented figure of the present build.
    ///
    /// # Errors
    /// If the results lack a figure.
    pub fn check(&self, results: &Results) -> Result<Vec<Check>> {
        let figure = |run: &str, key: &str| {
            let found = results.figure(run, key).copied();
            found.with_context(|| format!("the results have no `{key}` of run `{run}`"))
        };
        let mut checks = Vec::new();
        for expectation in &self.expectations {
            let Expectation { run, key, relation, shown } = expectation;
            let value = figure(run, key)?;
            let other = relation.other().map(|other| figure(other, key)).transpose()?;
            let outcome = match (relation.holds(&value, other.as_ref()), shown) {
                (true, _) => Outcome::Holds,
                (false, true) => Outcome::Fails,
                (false, false) => Outcome::NotShown,
            };
            let beside = other.map_or(String::new(), |other| format!(", which has {}", words(&other)));
            let text = format!("{key} of {run}, {}, is {}{beside}", words(&value), relation.words());
            checks.push(Check { text, outcome });
        }
        if self.documented.build == Build::Present {
            for (run, figures) in &self.documented.runs {
                for (key, stated) in figures {
                    let (value, stated) = (figure(run, key)?, Figure::from(*stated));
                    let spread = self.documented.spread.get(key).copied().unwrap_or(0.0);
                    let outcome = match reproduces(&value, &stated, spread) {
                        true => Outcome::Holds,
                        false => Outcome::Fails,
                    };
                    let text = format!(
                        "{key} of {run}, {}, reproduces the documented {} within {spread}",
                        words(&value),
                        words(&stated)
                    );
                    checks.push(Check { text, outcome });
                }
            }
        }
        Ok(checks)
    }
}

impl Relation {
    /// The other run.
    fn other(&self) -> Option<&str> {
        match self {
            Self::Above(other) | Self::Below(other) | Self::NotBelow(other) | Self::NotAbove(other) => {
                Some(other)
            }
            Self::Within(_) | Self::AtLeast(_) | Self::AtMost(_) => None,
        }
    }

    /// Whether the relation holds; `other` is the figure of the other run. It never holds for NaN.
    fn holds(&self, figure: &Figure, other: Option<&Figure>) -> bool {
        let against = |holds: &dyn Fn(&Figure) -> bool| !figure.value.is_nan() && other.is_some_and(holds);
        let above = |a: &Figure, b: &Figure| a.value > b.high() && a.low() > b.value;
        match self {
            Self::Within([low, high]) => (*low..=*high).contains(&figure.value),
            Self::AtLeast(least) => figure.value >= *least,
            Self::AtMost(most) => figure.value <= *most,
            Self::Above(_) => against(&|other| above(figure, other)),
            Self::Below(_) => against(&|other| above(other, figure)),
            Self::NotBelow(_) => against(&|other| !above(other, figure)),
            Self::NotAbove(_) => against(&|other| !above(figure, other)),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Within([low, high]) => format!("within [{low}, {high}]"),
            Self::AtLeast(least) => format!("at least {least}"),
            Self::AtMost(most) => format!("at most {most}"),
            Self::Above(other) => format!("above that of {other}"),
            Self::Below(other) => format!("below that of {other}"),
            Self::NotBelow(other) => format!("not below that of {other}"),
            Self::NotAbove(other) => format!("not above that of {other}"),
        }
    }
}

/// Whether the intervals of two figures, each widened by half of `spread`, overlap. Half a unit of the
/// third decimal is added, since documented figures are rounded.
fn reproduces(figure: &Figure, stated: &Figure, spread: f64) -> bool {
    let slack = spread + 5e-4;
    figure.low() - slack <= stated.high() && stated.low() - slack <= figure.high()
}

fn words(figure: &Figure) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{:.3} [{low:.3}, {high:.3}]", figure.value),
        _ => format!("{:.3}", figure.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::RunResult;

    fn results(figures: &[(&str, Figure)]) -> Results {
        let run = |(name, figure): &(&str, Figure)| RunResult {
            name: (*name).into(),
            title: (*name).into(),
            folder: "r".into(),
            figures: BTreeMap::from([("x".into(), *figure)]),
        };
        let runs = figures.iter().map(run).collect();
        Results { experiment: "e".into(), version: "v".into(), smoke: false, runs }
    }

    fn outcomes(json: &str, results: &Results) -> Vec<Outcome> {
        let expected: Expected = serde_json::from_str(json).unwrap();
        expected.check(results).unwrap().iter().map(|check| check.outcome).collect()
    }

    fn relation(relation: &str, a: Figure, b: Figure) -> Outcome {
        let json = format!(r#"{{"expectations": [{{"run": "a", "key": "x", {relation}}}]}}"#);
        outcomes(&json, &results(&[("a", a), ("b", b)]))[0]
    }

    #[test]
    fn relations_to_numbers_hold_and_fail() {
        let at = |json: &str, value: f64| relation(json, Figure::plain(value), Figure::plain(0.0));
        for (json, inside, outside) in [
            (r#""within": [1, 2]"#, [1.0, 2.0], [0.99, 2.01]),
            (r#""at_least": 1.5"#, [1.5, 9.0], [1.49, f64::NAN]),
            (r#""at_most": 1.5"#, [1.5, -9.0], [1.51, f64::NAN]),
        ] {
            assert!(inside.iter().all(|&value| at(json, value) == Outcome::Holds), "{json}");
            assert!(outside.iter().all(|&value| at(json, value) == Outcome::Fails), "{json}");
        }
    }

    #[test]
    fn relations_to_another_run_use_both_intervals() {
        let low = Figure::with_interval(1.0, 0.8, 1.2);
        let middle = Figure::with_interval(1.15, 0.95, 1.35);
        let high = Figure::with_interval(2.0, 1.6, 2.4);
        let cases = [
            (r#""above": "b""#, [Outcome::Holds, Outcome::Fails, Outcome::Fails]),
            (r#""below": "b""#, [Outcome::Fails, Outcome::Fails, Outcome::Holds]),
            (r#""not_below": "b""#, [Outcome::Holds, Outcome::Holds, Outcome::Fails]),
            (r#""not_above": "b""#, [Outcome::Fails, Outcome::Holds, Outcome::Holds]),
        ];
        for (json, expected) in cases {
            let found = [(high, low), (middle, low), (low, high)].map(|(a, b)| relation(json, a, b));
            assert_eq!(found, expected, "{json}");
        }
        let unknown = relation(r#""not_below": "b""#, Figure::plain(f64::NAN), low);
        assert_eq!(unknown, Outcome::Fails);
    }

    #[test]
    fn a_hypothesis_that_is_not_shown_does_not_fail() {
        let of = |value: f64| {
            relation(r#""above": "b", "shown": false"#, Figure::plain(value), Figure::plain(1.0))
        };
        assert_eq!((of(0.5), of(1.5)), (Outcome::NotShown, Outcome::Holds));
    }

    #[test]
    fn documented_figures_are_reproduced_within_intervals_and_spread_by_the_present_build_alone() {
        let json = |build: &str, spread: f64| {
            format!(
                r#"{{"expectations": [], "documented": {{"build": "{build}", "spread": {{"x": {spread}}},
                "runs": {{"a": {{"x": [1.0, 0.9, 1.1]}}}}}}}}"#
            )
        };
        let of = |value: f64, build: &str, spread: f64| {
            let found = Figure::with_interval(value, value - 0.1, value + 0.1);
            outcomes(&json(build, spread), &results(&[("a", found)]))
        };
        assert_eq!(of(1.15, "present", 0.0), [Outcome::Holds]);
        assert_eq!(of(1.25, "present", 0.0), [Outcome::Fails]);
        assert_eq!(of(0.75, "present", 0.0), [Outcome::Fails]);
        assert_eq!(of(1.25, "present", 0.1), [Outcome::Holds]);
        assert_eq!(of(9.0, "earlier", 0.0), []);
    }

    #[test]
    fn a_figure_that_is_missing_is_an_error_that_names_it() {
        let json = r#"{"expectations": [{"run": "a", "key": "y", "at_least": 1}]}"#;
        let expected: Expected = serde_json::from_str(json).unwrap();
        let message = expected.check(&results(&[("a", Figure::plain(1.0))])).unwrap_err().to_string();
        assert!(message.contains("`y`") && message.contains("`a`"), "{message}");
    }
}

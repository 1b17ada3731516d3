//! The groups of statistics that belong on one axis.

use std::collections::{BTreeMap, BTreeSet};

use super::chart::{CurveOptions, RunRows};
use super::rows::SETTINGS;
use super::scale::Scale;

/// Statistics on one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The title.
    pub title: String,
    /// The quantity and the unit of the vertical axis.
    pub y_label: String,
    /// The keys, in the order of their colours.
    pub keys: Vec<String>,
    /// The vertical axis.
    pub scale: Scale,
}

impl Group {
    /// The options of a plot of the group.
    pub fn options(&self, smoothing: f64, size: (u32, u32)) -> CurveOptions {
        // Metrics are few, and rates, probabilities and memory have no noise.
        let exact = ["Metrics/", "Rates/", "Progress/", "Timing/memory"];
        let is_exact = |key: &String| exact.iter().any(|beginning| key.starts_with(beginning));
        let smoothing = if self.keys.iter().all(is_exact) { 0.0 } else { smoothing };
        CurveOptions {
            keys: self.keys.clone(),
            smoothing,
            scale: self.scale,
            size,
            title: self.title.clone(),
            x_label: "kimg".into(),
            y_label: self.y_label.clone(),
        }
    }
}

/// A rule: title, vertical axis, and the keys of a group; `*` at the end stands for any rest.
struct Rule(&'static str, &'static str, Scale, &'static [&'static str]);

/// The groups in their order; a key belongs to the first one that has it.
const RULES: [Rule; 14] = [
    Rule("Losses", "loss", Scale::Linear, &["Loss/D/total", "Loss/G/total"]),
    Rule("Penalties", "penalty", Scale::Log, &["Loss/D/penalty", "Loss/D/r2", "Loss/D/drift"]),
    Rule("Terms of the discriminator's loss", "loss", Scale::Log, &["Loss/D/*"]),
    Rule("Terms of the generator's loss", "loss", Scale::Log, &["Loss/G/*"]),
    Rule("Scores of the discriminator", "score", Scale::Linear, &["Loss/scores/*"]),
    Rule(
        "Discrimination (1 separates)",
        "AUC, sign",
        Scale::Linear,
        &["Scores/*", "HeldOut/*", "Loss/signs/*"],
    ),
    Rule(
        "Distances (lower is better)",
        "distance",
        Scale::Log,
        &["Metrics/kid_oracle", "Metrics/kid_oracle_real", "Metrics/fid_oracle", "Metrics/fid_oracle_real"],
    ),
    Rule(
        "Fidelity and diversity (higher is better)",
        "fraction",
        Scale::Linear,
        &["Metrics/precision_oracle", "Metrics/recall_oracle", "Metrics/coverage_oracle"],
    ),
    Rule(
        "Agreement with captions (higher is better)",
        "agreement",
        Scale::Linear,
        &["Metrics/aan", "Metrics/aan_classifier", "Metrics/aa", "Metrics/aa_real", "Metrics/aa_shuffled"],
    ),
    Rule("Norms of gradients", "norm", Scale::Log, &["Gradients/*"]),
    Rule("Learning rates", "rate", Scale::Linear, &["Rates/*"]),
    Rule("Augmentation", "probability", Scale::Linear, &["Progress/augment"]),
    Rule("Speed", "images per second", Scale::Linear, &["Timing/images_per_sec"]),
    Rule("Memory", "MiB", Scale::Linear, &["Timing/memory_mib"]),
];

/// Other keys of progress and time, which no plot of their own shows.
const LEFT_OUT: [&str; 6] =
    ["step", "Progress/kimg", "Progress/level", "Progress/alpha", "Timing/seconds", "Data/substituted"];

/// The groups of all statistics with a finite value, in a fixed order. In a plot of several runs a group of more
/// than two keys is split into one for each key, so that colours are those of the runs.
///
/// Statistics without a rule are grouped by the part of their name before the last slash; further metrics are in
/// no group.
pub fn groups(runs: &[RunRows]) -> Vec<Group> {
    let rows = runs.iter().flat_map(|run| &run.rows);
    let finite = rows.flatten().filter(|(_, value)| value.is_finite());
    let known: BTreeSet<&str> = finite.map(|(key, _)| key.as_str()).collect();
    let known = known.into_iter().filter(|key| !LEFT_OUT.contains(key) && !key.starts_with(SETTINGS));
    let mut ruled: BTreeMap<usize, Vec<(usize, &str)>> = BTreeMap::new();
    let mut others: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for key in known {
        if let Some((rule, place)) = rule_of(key) {
            ruled.entry(rule).or_default().push((place, key));
        } else if !key.starts_with("Metrics/") {
            others.entry(key.rsplit_once('/').map_or(key, |(group, _)| group)).or_default().push(key.into());
        }
    }
    let ruled = ruled.into_iter().map(|(rule, mut keys)| {
        keys.sort();
        let Rule(title, y_label, scale, _) = RULES[rule];
        let keys = keys.into_iter().map(|(_, key)| key.to_owned()).collect();
        Group { title: title.into(), y_label: y_label.into(), keys, scale }
    });
    let others = others.into_iter().map(|(title, keys)| Group {
        title: title.into(),
        y_label: "value".into(),
        keys,
        scale: Scale::Linear,
    });
    let split =
        |group: Group| if runs.len() > 1 && group.keys.len() > 2 { each_key(&group) } else { vec![group] };
    ruled.chain(others).flat_map(split).collect()
}

/// The rule of a key, and the place of the key in it.
fn rule_of(key: &str) -> Option<(usize, usize)> {
    let fits = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => key.starts_with(beginning),
        None => key == *pattern,
    };
    RULES.iter().enumerate().find_map(|(rule, Rule(.., keys))| Some((rule, keys.iter().position(fits)?)))
}

/// A group for each key of a group.
fn each_key(group: &Group) -> Vec<Group> {
    let of = |key: &String| Group { title: key.clone(), keys: vec![key.clone()], ..group.clone() };
    group.keys.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::rows::StatsRow;

    fn run(keys: &[&str]) -> RunRows {
        let row: StatsRow = keys.iter().map(|key| ((*key).to_owned(), 1.0)).collect();
        RunRows { name: "r".into(), rows: vec![row], marks: Vec::new() }
    }

    #[test]
    fn each_statistic_is_in_one_group_in_a_fixed_order() {
        let keys = [
            "step",
            "Progress/kimg",
            "Timing/images_per_sec",
            "Loss/D/adversarial",
            "Loss/G/total",
            "Loss/D/total",
            "Metrics/aan",
            "Metrics/kid_oracle",
            "Metrics/exact",
            "Own/a",
            "Own/b",
            "Settings/seed",
        ];
        let groups = groups(&[run(&keys)]);
        let titles: Vec<&str> = groups.iter().map(|group| group.title.as_str()).collect();
        let expected = [
            "Losses",
            "Terms of the discriminator's loss",
            "Distances (lower is better)",
            "Agreement with captions (higher is better)",
            "Speed",
            "Own",
        ];
        assert_eq!(titles, expected);
        assert_eq!(groups[0].keys, ["Loss/D/total", "Loss/G/total"]);
        assert_eq!(groups[5].keys, ["Own/a", "Own/b"]);
    }

    #[test]
    fn several_runs_have_a_panel_for_each_of_many_keys() {
        let runs = [run(&["Loss/G/a", "Loss/G/b", "Loss/G/c"]), run(&["Loss/G/a"])];
        assert_eq!(groups(&runs).len(), 3);
        assert_eq!(groups(&runs[..1]).len(), 1);
    }
}

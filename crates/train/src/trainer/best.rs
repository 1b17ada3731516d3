//! The best evaluation of a run, and the rule that chooses it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use t2f_metrics::measure::Measurement;

/// The figures of one evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Images shown in training.
    pub images: u64,
    /// The level of growth: 0 is 4x4.
    pub level: usize,
    /// KID (lower is better), precision, recall and agreement with captions (higher is better), where they
    /// could be computed.
    pub figures: BTreeMap<String, f64>,
}

/// The best evaluation of a run, and the best value of each figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The evaluation of the model in `best/`.
    pub evaluation: Evaluation,
    /// The best value of each figure at the present level, and the images shown by then.
    pub values: BTreeMap<String, (f64, u64)>,
}

/// The figures that choose the best model: the key of the metric, the name of the figure, and whether a higher
/// value is better. The agreement is that of the oracle, or of the run's own classifier.
const FIGURES: [(&str, &str, bool); 5] = [
    ("kid_oracle", "kid", false),
    ("precision_oracle", "precision", true),
    ("recall_oracle", "recall", true),
    ("aan", "agreement", true),
    ("aan_classifier", "agreement", true),
];

impl Evaluation {
    pub(super) fn new(images: u64, level: usize, measurement: &Measurement) -> Self {
        let mut figures = BTreeMap::new();
        for value in measurement.values() {
            let Some((_, name, _)) = FIGURES.iter().find(|(key, ..)| *key == value.key) else { continue };
            if let Some((number, _)) = value.numbers().filter(|(number, _)| number.is_finite()) {
                figures.entry((*name).to_owned()).or_insert(number);
            }
        }
        Self { images, level, figures }
    }

    /// Whether the model of this evaluation replaces that of an earlier one: at a larger level always, at the
    /// same level if at least half of the figures of both are better. No single figure decides, since images may
    /// become better while KID becomes worse; of equals the later one has been trained for longer.
    pub fn replaces(&self, earlier: &Self) -> bool {
        if self.level != earlier.level {
            return self.level > earlier.level;
        }
        let both =
            self.figures.iter().filter_map(|(name, new)| Some((name, *new, *earlier.figures.get(name)?)));
        let votes = both.map(|(name, new, old)| if better(name, new, old) { 1 } else { -1 });
        votes.sum::<i32>() >= 0
    }
}

impl Best {
    /// Takes a further evaluation and returns whether its model is the best so far.
    pub(super) fn observe(best: &mut Option<Self>, evaluation: &Evaluation) -> bool {
        let new = best.as_ref().is_none_or(|best| evaluation.replaces(&best.evaluation));
        let best = best.get_or_insert_with(Self::default);
        if evaluation.level != best.evaluation.level {
            best.values.clear();
        }
        for (name, &value) in &evaluation.figures {
            let old = best.values.get(name).map(|(old, _)| *old);
            if old.is_none_or(|old| better(name, value, old)) {
                best.values.insert(name.clone(), (value, evaluation.images));
            }
        }
        if new {
            best.evaluation = evaluation.clone();
        }
        new
    }

    /// The images shown when a figure last reached its best value.
    pub(super) fn improved(&self) -> u64 {
        self.values.values().map(|(_, images)| *images).max().unwrap_or(self.evaluation.images)
    }
}

fn better(name: &str, new: f64, old: f64) -> bool {
    let higher = FIGURES.iter().any(|(_, figure, higher)| *figure == name && *higher);
    if higher { new > old } else { new < old }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(images: u64, level: usize, figures: &[(&str, f64)]) -> Evaluation {
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Evaluation { images, level, figures }
    }

    #[test]
    fn most_figures_choose_the_best_and_of_equals_the_later() {
        let first = evaluation(1000, 3, &[("kid", 2.0), ("recall", 0.3), ("agreement", 0.5)]);
        let of = |figures: &[(&str, f64)]| evaluation(2000, 3, figures).replaces(&first);
        assert!(of(&[("kid", 2.5), ("recall", 0.4), ("agreement", 0.6)]), "two of three are better");
        assert!(!of(&[("kid", 1.5), ("recall", 0.2), ("agreement", 0.4)]), "one of three is better");
        assert!(of(&[("kid", 1.5), ("recall", 0.2)]), "one of the two of both is better");
        assert!(of(&[]), "no figure of both");
        assert!(evaluation(2000, 4, &[("kid", 9.0)]).replaces(&first), "a larger level");
        assert!(!evaluation(2000, 2, &[("kid", 1.0)]).replaces(&first), "a smaller level");
    }

    #[test]
    fn the_time_without_improvement_counts_from_the_last_best_value_of_any_figure() {
        let mut best = None;
        assert!(Best::observe(&mut best, &evaluation(1000, 3, &[("kid", 2.0), ("recall", 0.3)])));
        assert!(!Best::observe(&mut best, &evaluation(2000, 3, &[("kid", 2.5), ("recall", 0.2)])));
        assert_eq!(best.as_ref().unwrap().improved(), 1000);
        assert!(Best::observe(&mut best, &evaluation(3000, 3, &[("kid", 2.5), ("recall", 0.4)])));
        assert_eq!(best.as_ref().unwrap().improved(), 3000);
        assert_eq!(best.as_ref().unwrap().values["kid"], (2.0, 1000));
        assert!(Best::observe(&mut best, &evaluation(4000, 4, &[("kid", 7.0)])));
        assert_eq!(best.as_ref().unwrap().values, BTreeMap::from([("kid".into(), (7.0, 4000))]));
    }
}

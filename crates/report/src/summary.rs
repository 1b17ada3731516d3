//! The figures of a run in a few lines.

use t2f_pictures::curves::{KIMG, StatsRow};

use crate::history::{self, State};
use crate::number::{duration, significant, whole};
use crate::run::Run;
use crate::table::Table;

/// The metrics during a run that a summary names: key, name, and whether a higher value is better.
pub(crate) const METRICS: [(&str, &str, bool); 6] = [
    ("Metrics/kid_oracle", "KID", false),
    ("Metrics/fid_oracle", "FID", false),
    ("Metrics/precision_oracle", "precision", true),
    ("Metrics/recall_oracle", "recall", true),
    ("Metrics/aan", "AAn", true),
    ("Metrics/aan_classifier", "AAn, own classifier", true),
];

/// Names and values of the figures of a run, in the order of importance.
pub(crate) fn figures(run: &Run) -> Vec<(String, String)> {
    let mut figures = vec![("state".to_owned(), history::state(run).text())];
    let mut add = |name: &str, value: Option<String>| {
        figures.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("images shown", run.last(KIMG).map(|kimg| whole((kimg * 1000.0).round() as u64)));
    add("steps", run.last("step").map(|step| whole(step as u64)));
    add("resolution", side(run).map(|side| format!("{side}x{side}")));
    add("training time", run.last("Timing/seconds").map(duration));
    add("images per second, median", speed(run).map(|speed| significant(speed, 3)));
    add("peak memory", run.last("Timing/memory_mib").map(|mib| format!("{} MiB", significant(mib, 4))));
    add("loss of the discriminator", run.last("Loss/D/total").map(|loss| significant(loss, 4)));
    add("loss of the generator", run.last("Loss/G/total").map(|loss| significant(loss, 4)));
    for (key, name, _) in METRICS {
        add(name, run.last(key).map(|value| significant(value, 4)));
    }
    figures
}

/// The side of the generated images, in pixels.
fn side(run: &Run) -> Option<u64> {
    run.last("Progress/level").map(|level| 4u64 << (level as u32).min(20))
}

/// The median of images per second.
fn speed(run: &Run) -> Option<f64> {
    let mut all: Vec<f64> =
        run.rows().iter().filter_map(|row| row.get("Timing/images_per_sec").copied()).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// A paragraph about a run.
pub(crate) fn paragraph(run: &Run) -> String {
    let kind = run.config.data.kind();
    let Some(kimg) = run.last(KIMG) else {
        return format!(
            "The run trains on the data set {kind} with seed {} and has no statistics yet.",
            run.config.seed
        );
    };
    let state = match history::state(run) {
        State::Finished => "has finished",
        State::Stopped(_) => "was stopped",
        State::Unfinished | State::Unknown => "has trained so far",
    };
    let mut text = format!(
        "The run on the data set {kind} with seed {} {state}: {} images in {} steps",
        run.config.seed,
        whole((kimg * 1000.0).round() as u64),
        whole(run.last("step").unwrap_or(0.0) as u64)
    );
    if let Some(side) = side(run) {
        text += &format!(", up to {side}x{side} pixels");
    }
    if let Some(seconds) = run.last("Timing/seconds") {
        text += &format!(", in {} of training", duration(seconds));
    }
    text.push('.');
    let metrics: Vec<String> = METRICS
        .iter()
        .filter_map(|(key, name, _)| Some(format!("{name} {}", significant(run.last(key)?, 4))))
        .collect();
    if !metrics.is_empty() {
        let images = run.config.output.metrics_images;
        text += &format!(
            " The last evaluation, of at most {images} held-out captions, gives {}.",
            metrics.join(", ")
        );
    }
    if let Some(best) = &run.best {
        text += &format!(" The best model is that of {} kimg.", significant(best.images as f64 / 1000.0, 4));
    }
    text
}

/// The evaluations of a run: a row for each, with the metrics that the run has.
pub(crate) fn evaluations(run: &Run) -> Option<Table> {
    let rows: Vec<&StatsRow> =
        run.rows().iter().filter(|row| row.keys().any(|key| key.starts_with("Metrics/"))).collect();
    let shown: Vec<&(&str, &str, bool)> =
        METRICS.iter().filter(|(key, ..)| rows.iter().any(|row| row.contains_key(*key))).collect();
    if shown.is_empty() {
        return None;
    }
    let mut table = Table::new(&["kimg"], 0);
    let arrow = |higher: bool| if higher { "↑" } else { "↓" };
    table.columns.extend(shown.iter().map(|(_, name, higher)| format!("{name} {}", arrow(*higher))));
    for row in rows {
        let cell = |key: &str| row.get(key).map_or_else(|| "–".into(), |value| significant(*value, 4));
        let mut cells = vec![cell(KIMG)];
        cells.extend(shown.iter().map(|(key, ..)| cell(key)));
        table.rows.push(cells);
    }
    Some(table)
}

use super::*;

/// A run of 300 rows over three levels with noisy losses.
pub(super) fn example(name: &str, offset: f64) -> RunRows {
    let rows = (0..300)
        .map(|i| {
            let kimg = (i + 1) as f64 * 0.4;
            let (level, within) = ((i / 100) as f64, (i % 100) as f64);
            let alpha = if level > 0.0 { (within / 50.0).min(1.0) } else { 1.0 };
            let noise = (i as f64 * 12.9898).sin() * 0.4;
            StatsRow::from([
                (KIMG.to_string(), kimg),
                ("Progress/level".to_string(), level),
                ("Progress/alpha".to_string(), alpha),
                ("Loss/D/total".to_string(), 1.4 + offset - 0.3 * level + noise),
                ("Loss/G/total".to_string(), 0.8 + offset + 0.9 * (kimg / 40.0).sin() + noise * 0.7),
            ])
        })
        .collect();
    RunRows { name: name.into(), rows, marks: Vec::new() }
}

#[test]
fn svg_names_curves_stages_and_axes() {
    let text = svg(&[example("00000", 0.0)], &CurveOptions::default()).unwrap();
    for word in ["D total", "G total", "4x4", "8x8", "16x16", "kimg"] {
        assert!(text.contains(word), "{word} is missing");
    }
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
}

#[test]
fn changes_of_settings_are_marked_in_the_plot_of_one_run() {
    let mut run = example("00000", 0.0);
    let change = |kimg: f64, key: &str| StatsRow::from([(KIMG.to_owned(), kimg), (key.to_owned(), 1.0)]);
    run.rows.insert(120, change(48.0, "Settings/optimizer.generator.lr"));
    run.rows.push(change(119.0, "Settings/loss.conditioning.kl_weight"));
    run.marks = events(&run.rows, &[]);
    let options = CurveOptions::default();
    let text = svg(std::slice::from_ref(&run), &options).unwrap();
    assert!(text.contains("\nlr\n") && text.contains("kl_weight"), "{text}");
    let plain = svg(&[example("00000", 0.0)], &options).unwrap();
    assert!(!plain.contains("\nlr\n"));
    let both = svg(&[run.clone(), example("00001", 0.2)], &options).unwrap();
    assert!(!both.contains("kl_weight"));
    assert!(missing(&[run], &["none".to_owned()])[0].known.iter().all(|key| !key.starts_with("Settings/")));
}

#[test]
fn several_runs_are_named_and_coloured_apart() {
    let runs = [example("00000-a", 0.0), example("00001-b", 0.6)];
    let text = svg(&runs, &CurveOptions::default()).unwrap();
    assert!(text.contains("00000-a: D total") && text.contains("00001-b: G total"));
    assert!(text.contains("#0072B2") && text.contains("#D55E00"));
}

#[test]
fn picture_has_the_colour_of_every_curve_and_the_given_size() {
    let options = CurveOptions { size: (500, 300), ..CurveOptions::default() };
    let page = picture(&[example("00000", 0.0)], &options).unwrap();
    assert_eq!((page.width, page.height), (500, 300));
    for colour in [[0, 114, 178], [213, 94, 0]] {
        assert!(page.pixels.chunks(3).filter(|pixel| *pixel == colour).count() > 100, "{colour:?}");
    }
}

#[test]
fn negative_losses_use_a_symmetric_axis_and_non_finite_values_are_skipped() {
    let mut run = example("wgan", -3.0);
    for (i, bad) in [(10, f64::NAN), (20, f64::INFINITY)] {
        run.rows[i].insert("Loss/D/total".into(), bad);
    }
    let options = CurveOptions { scale: Scale::Log, ..CurveOptions::default() };
    let text = svg(&[run], &options).unwrap();
    assert!(text.contains("sym. log") && !text.contains("NaN"));
}

#[test]
fn one_row_is_enough_and_none_is_an_error() {
    let mut run = example("short", 0.0);
    run.rows.truncate(1);
    assert!(svg(std::slice::from_ref(&run), &CurveOptions::default()).is_ok());
    run.rows.clear();
    assert!(svg(&[run], &CurveOptions::default()).unwrap_err().to_string().contains("no statistics yet"));
}

#[test]
fn the_error_of_an_unknown_key_lists_the_known_ones() {
    let options = CurveOptions { keys: vec!["Loss/X".into()], ..CurveOptions::default() };
    let message = svg(&[example("00000", 0.0)], &options).unwrap_err().to_string();
    assert!(message.contains("Loss/X") && message.contains("Loss/D/total"), "{message}");
}

#[test]
fn damaged_rows_of_a_run_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stats.jsonl"), "{\"Loss/D/total\":1.5}\n{\"Loss/D/to").unwrap();
    let run = rows_of_run(folder.path()).unwrap();
    assert_eq!(run.rows, [StatsRow::from([("Loss/D/total".to_string(), 1.5)])]);
    assert!(rows_of_run(&folder.path().join("none")).unwrap_err().to_string().contains("stats.jsonl"));
}

#[test]
fn one_value_is_a_dot_and_curves_of_several_are_lines() {
    let mut run = example("short", 0.0);
    run.rows[0].insert("Metrics/aan".into(), 0.5);
    let keys = vec!["Metrics/aan".to_owned()];
    let text = svg(&[run], &CurveOptions { keys, ..CurveOptions::default() }).unwrap();
    assert!(text.contains("<circle") && text.contains("metrics"), "{text}");
    assert!(!svg(&[example("long", 0.0)], &CurveOptions::default()).unwrap().contains("<circle"));
}

#[test]
fn labels_of_short_levels_do_not_overlap() {
    let row = |kimg: f64, level: f64| {
        StatsRow::from([
            (KIMG.to_owned(), kimg),
            ("Progress/level".to_owned(), level),
            ("Loss/D/total".to_owned(), 1.0),
        ])
    };
    let rows = vec![row(0.1, 0.0), row(0.2, 1.0), row(0.3, 2.0), row(100.0, 2.0)];
    let text =
        svg(&[RunRows { name: "r".into(), rows, marks: Vec::new() }], &CurveOptions::default()).unwrap();
    let place = |label: &str| {
        let before = text.split(&format!("\n{label}\n")).next().unwrap().rsplit("<text ").next().unwrap();
        let number = |name: &str| -> f64 {
            before.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        (number("x"), number("y"))
    };
    let (first, second) = (place("4x4"), place("8x8"));
    assert!(second.0 - first.0 >= 30.0 || (second.1 - first.1).abs() >= 12.0, "{first:?} {second:?}");
}

#[test]
fn panels_have_the_title_of_each_group() {
    let mut run = example("00000", 0.0);
    run.rows[5].insert("Metrics/kid_oracle".into(), 2.5);
    run.rows[9].insert("Rates/generator".into(), 0.006);
    let text = panels_svg(std::slice::from_ref(&run), &Panels::default()).unwrap();
    for title in ["Losses", "Distances (lower is better)", "Learning rates"] {
        assert!(text.contains(title), "{title} is missing");
    }
    let page = panels_picture(&[run], &Panels { size: (300, 200), ..Panels::default() }).unwrap();
    assert_eq!((page.width, page.height), (600, 400));
    assert!(panels_svg(&[], &Panels::default()).is_err());
}

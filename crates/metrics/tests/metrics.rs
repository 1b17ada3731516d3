//! The measurement of a generator by several metrics at once.

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{DataConfig, Dataset, Image, ProceduralConfig};
use t2f_metrics::measure::{Measurement, measure};
use t2f_metrics::metric::{Accumulator, Batch, Better, Images, MetricValue, Outcome, Part, Report};
use t2f_metrics::oracle::Oracle;
use t2f_metrics::request::{Generate, GenerationRequest};
use t2f_metrics::{Context, Error, Metric, Result, all, select};

fn splits(test_images: usize) -> Result<t2f_data::Splits> {
    let sizes = ProceduralConfig { train_images: 24, val_images: 24, test_images, ..Default::default() };
    Ok(DataConfig::Procedural(sizes).open(32)?)
}

/// Metrics of a generator of the real images of a part: always the same of each caption.
fn measured(part: Part, per_caption: usize, names: &[&str]) -> Result<Measurement> {
    let splits = splits(80)?;
    let data = part.of(&splits);
    let request = GenerationRequest::first(data, 24, per_caption, 0)?;
    let generate = |_: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
        Ok(seeds
            .iter()
            .map(|&seed| data.image(seed as usize / per_caption % data.len()))
            .collect::<t2f_data::Result<_>>()?)
    };
    let oracle = Oracle::embedded(32)?.unwrap();
    let context = Context::new(&generate, &splits, part, &request).with_oracle(&oracle);
    measure(&context, &select(all(), names)?)
}

fn outcome<'m>(measurement: &'m Measurement, key: &str) -> &'m Outcome {
    let value = measurement.values().find(|value| value.key == key);
    &value.unwrap_or_else(|| panic!("no {key} in {measurement:?}")).outcome
}

fn value(measurement: &Measurement, key: &str) -> f64 {
    match outcome(measurement, key) {
        Outcome::Number(number) => *number,
        Outcome::Estimate(estimate) => estimate.value,
        Outcome::Missing(reason) => panic!("no {key}: {reason}"),
    }
}

#[test]
fn similarity_and_distance_are_across_captions_however_many_images_a_caption_has() -> Result<()> {
    let names = ["ms-ssim", "swd"];
    let (one, two) = (measured(Part::Val, 1, &names)?, measured(Part::Val, 2, &names)?);
    assert_eq!(outcome(&two, "ms_ssim"), outcome(&two, "ms_ssim_real"));
    assert!(value(&two, "ms_ssim") < 0.9, "equal images of one caption are not a pair: {two:?}");
    // 24 of 48 images are compared with 24: one of each caption.
    assert_eq!(two, one);
    assert!(two.values().all(|value| value.images == Some(24)));
    // A copy of the data has no distance from it, and other images of its kind have one.
    assert_eq!(value(&one, "swd_x1000"), 0.0);
    assert!(value(&one, "swd_x1000_real") > 0.0);
    let train = measured(Part::Train, 1, &["swd", "memorisation"])?;
    assert!(train.values().all(|value| !value.key.ends_with("_real")), "{train:?}");
    assert_eq!((value(&train, "nearest_ratio"), value(&train, "near_copies")), (0.0, 1.0));
    Ok(())
}

#[test]
fn the_composition_gap_is_measured_on_the_test_part() -> Result<()> {
    assert!(value(&measured(Part::Test, 1, &["composition"])?, "comp_gap").is_finite());
    for part in [Part::Val, Part::Train] {
        let measurement = measured(part, 1, &["composition"])?;
        assert!(
            matches!(outcome(&measurement, "comp_gap"), Outcome::Missing(reason) if reason.contains("test part"))
        );
    }
    Ok(())
}

#[test]
fn a_generator_of_real_images_that_ignores_captions_scores_nothing_but_diversity() -> Result<()> {
    let splits = splits(150)?;
    let copies = ProceduralFaces::new(Split::Test, 4, 1000, 32);
    let generate = |_: &[String], seeds: &[u64]| -> Result<Vec<Image>> {
        Ok(seeds.iter().map(|&seed| copies.image(seed as usize)).collect::<t2f_data::Result<_>>()?)
    };
    let oracle = Oracle::embedded(32)?.unwrap();
    let request = GenerationRequest::first(splits.test.as_ref(), 60, 2, 0)?;
    let context = Context::new(&generate, &splits, Part::Test, &request).with_oracle(&oracle);
    let scores = measure(&context, &select(all(), &["attributes"])?)?;
    assert!(scores.left_out.is_empty(), "{:?}", scores.left_out);
    let Outcome::Estimate(normalised) = outcome(&scores, "aan") else { panic!("{scores:?}") };
    assert!(normalised.low < 0.1, "{normalised:?}");
    assert_eq!((value(&scores, "edit_flip"), value(&scores, "edit_leak")), (0.0, 0.0));
    assert_eq!(value(&scores, "paraphrase"), 1.0);
    // The errors of the classifier, and those of few images.
    assert!(value(&scores, "edit_flip_real") > 0.9 && value(&scores, "edit_leak_real") < 0.05, "{scores:?}");
    assert!(value(&scores, "diversity") < value(&scores, "diversity_real") + 0.1);
    // The table of attributes has a heading and a row for each attribute with claims.
    let (report, details) = (&scores.reports[0].1, &scores.reports[0].1.details["attributes"]["agreement"]);
    let rows = details["attributes"].as_object().unwrap();
    assert_eq!(report.notes.len(), 1 + rows.len());
    for (name, row) in rows {
        let of = |key: &str| row[key].as_f64().unwrap();
        let expected = (of("agreement") - of("shuffled")) / (of("real") - of("shuffled"));
        assert!((of("normalised") - expected).abs() < 1e-9, "{name}: {row}");
        assert!(report.notes.iter().any(|note| note.starts_with(name.as_str())), "{:?}", report.notes);
    }
    // The details have the keys of this version and, for procedural faces, those of earlier ones.
    let details = &scores.reports[0].1.details;
    let (new, old) = (&details["attributes"]["agreement"], &details["faces"]["agreement"]);
    assert_eq!(new["shuffled"], old["chance"]);
    let attributes = new["attributes"].as_object().unwrap();
    for (name, scores) in attributes {
        let earlier = &old["factors"][name];
        assert_eq!(
            (&scores["shuffled"], &scores["real"]),
            (&earlier["chance"], &earlier["ceiling"]),
            "{name}"
        );
    }
    assert!(attributes.len() > 5 && attributes.len() == old["factors"].as_object().unwrap().len());
    assert!(new["shuffled"].is_object() && new.get("chance").is_none());
    Ok(())
}

/// Counts the generated images, or fails at one of its stages.
struct Count {
    fails_at: &'static str,
}

struct Counting {
    fails_at: &'static str,
    images: usize,
}

impl Metric for Count {
    fn name(&self) -> &'static str {
        "count"
    }
    fn about(&self) -> &'static str {
        "the number of images"
    }
    fn start<'a>(&'a self, _: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        fail(self.fails_at, "start")?;
        Ok(Box::new(Counting { fails_at: self.fails_at, images: 0 }))
    }
}

impl Accumulator for Counting {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        self.images += batch.images().len();
        fail(self.fails_at, "observe")
    }
    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report> {
        fail(self.fails_at, "finish")?;
        assert!(self.images() == Images::All || generated.len() == self.images || generated.is_empty());
        Ok(Report::new([MetricValue::number("count", "images", self.images as f64, Better::Baseline)]))
    }
}

fn fail(at: &str, stage: &str) -> Result<()> {
    if at == stage { Err(Error::State(format!("failed at {stage}"))) } else { Ok(()) }
}

#[test]
fn a_metric_that_fails_at_any_stage_is_named_and_costs_no_other() -> Result<()> {
    let splits = splits(80)?;
    let request = GenerationRequest::first(splits.val.as_ref(), 24, 3, 0)?;
    let generate = |captions: &[String], _: &[u64]| Ok(vec![Image::filled(32, 32, [9; 3]); captions.len()]);
    let context = Context::new(&generate, &splits, Part::Val, &request);
    let stages = ["start", "observe", "finish", ""];
    let mut metrics: Vec<Box<dyn Metric>> = Vec::new();
    for fails_at in stages {
        metrics.push(Box::new(Count { fails_at }));
    }
    metrics.extend(select(all(), &["swd"])?);
    let measurement = measure(&context, &metrics)?;
    let reasons: Vec<&str> = measurement.left_out.iter().map(|left| left.reason.as_str()).collect();
    assert_eq!(reasons, ["failed at start", "failed at observe", "failed at finish"]);
    assert_eq!(value(&measurement, "count"), 72.0);
    assert!(value(&measurement, "swd_x1000") > 0.0);
    Ok(())
}

#[test]
fn a_generator_that_fails_ends_the_measurement() -> Result<()> {
    let splits = splits(80)?;
    let request = GenerationRequest::first(splits.test.as_ref(), 8, 1, 0)?;
    let oracle = Oracle::embedded(32)?.unwrap();
    let out_of_memory = |_: &[String], _: &[u64]| Err(Error::Generator("out of memory".into()));
    let too_few = |_: &[String], _: &[u64]| Ok(vec![]);
    for (generate, message) in [(&out_of_memory as &Generate, "out of memory"), (&too_few, "0 images for 8")]
    {
        for metric in ["swd", "edits", "agreement"] {
            let context = Context::new(generate, &splits, Part::Test, &request).with_oracle(&oracle);
            let error = measure(&context, &select(all(), &[metric])?).unwrap_err();
            assert!(error.to_string().contains(message), "{metric}: {error}");
        }
    }
    Ok(())
}

#[test]
fn metrics_are_selected_by_name_and_group_in_the_order_of_the_list() -> Result<()> {
    let names = |selected: &[&str]| -> Result<Vec<String>> {
        Ok(select(all(), selected)?.iter().map(|metric| metric.name().into()).collect())
    };
    assert_eq!(names(&["swd", "agreement"])?, ["agreement", "swd"]);
    let attributes = ["agreement", "composition", "edits", "paraphrase", "diversity"];
    assert_eq!(names(&["attributes", "edits"])?, attributes);
    let message = names(&["beauty"]).unwrap_err().to_string();
    assert!(message.contains("beauty") && message.contains("ms-ssim"), "{message}");
    let mut all: Vec<String> = all().iter().map(|metric| metric.name().into()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 12, "names are unique");
    Ok(())
}

//! `t2f data stats`: counts of captions, words, attributes and groups.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use t2f_data::{Dataset, Observation};

use super::{Opened, Part, vocabulary};
use crate::cli::terminal;

/// The options of `t2f data stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data stats
  t2f data stats --data folder:my-faces --split train

No image is read.")]
pub struct Stats {
    #[command(flatten)]
    opened: Opened,
    /// Only this part
    #[arg(long, value_enum)]
    split: Option<Part>,
}

/// Prints the counts of each part.
pub fn run(options: &Stats) -> anyhow::Result<()> {
    let splits = options.opened.open_unread()?;
    let parts = match options.split {
        Some(part) => vec![part.required(&splits)?],
        None => Part::value_variants().iter().filter_map(|part| part.of(&splits)).collect(),
    };
    for (name, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        terminal::result(&format!("{name}: {} images", part.len()));
        groups(part.as_ref());
        captions(part.as_ref())?;
        attributes(part.as_ref());
    }
    if let Some(words) = vocabulary(&splits)? {
        terminal::result(&format!("vocabulary\n  {}", words.to_string().replace('\n', "\n  ")));
    }
    Ok(())
}

/// The number of groups and of their images.
fn groups(part: &dyn Dataset) {
    let mut sizes = BTreeMap::<&str, usize>::new();
    for group in (0..part.len()).filter_map(|index| part.group(index)) {
        *sizes.entry(group).or_default() += 1;
    }
    if let Some((name, most)) = sizes.iter().max_by_key(|(_, size)| **size) {
        terminal::result(&format!(
            "  groups          {}, the largest `{name}` with {most} images",
            sizes.len()
        ));
    }
}

/// The number of captions of an image, of words of a caption, and of claims.
fn captions(part: &dyn Dataset) -> anyhow::Result<()> {
    if !part.has_captions() {
        terminal::result("  captions        none");
        return Ok(());
    }
    let (mut each, mut words, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..part.len() {
        let captions = part.captions(index)?;
        each.push(captions.len());
        words.extend(captions.iter().map(|caption| caption.text.split_whitespace().count()));
        claims.extend(captions.iter().map(|caption| caption.claims.iter().count()));
    }
    terminal::result(&format!("  captions        {}, of an image: {}", words.len(), spread(&mut each)));
    terminal::result(&format!("  words           of a caption: {}", spread(&mut words)));
    if claims.iter().any(|count| *count > 0) {
        terminal::result(&format!("  claims          of a caption: {}", spread(&mut claims)));
    }
    Ok(())
}

/// Mean, smallest, median, 95th percentile and largest of counts.
fn spread(counts: &mut [usize]) -> String {
    counts.sort_unstable();
    let at = |share: f64| counts[((counts.len() - 1) as f64 * share).round() as usize];
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    format!("mean {mean:.1}, from {} to {}, median {}, 95 % up to {}", at(0.0), at(1.0), at(0.5), at(0.95))
}

/// The share of each value of every attribute, among the images where it is known.
fn attributes(part: &dyn Dataset) {
    let schema = part.schema();
    for (at, attribute) in schema.attributes().iter().enumerate() {
        let (mut counts, mut hidden, mut known) = (vec![0usize; attribute.values.len()], 0usize, 0usize);
        for observed in (0..part.len()).filter_map(|index| part.attributes(index)) {
            match observed.get(at) {
                Observation::Unknown => continue,
                Observation::Hidden => hidden += 1,
                Observation::Value(value) => counts[usize::from(value)] += 1,
            }
            known += 1;
        }
        let share = |count: usize| 100.0 * count as f64 / known.max(1) as f64;
        let mut shares: Vec<(usize, &str)> =
            counts.into_iter().zip(attribute.values.iter().map(String::as_str)).collect();
        shares.push((hidden, "not visible"));
        shares.retain(|(count, _)| *count > 0);
        shares.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let shares: Vec<String> =
            shares.into_iter().map(|(count, value)| format!("{value} {:.1} %", share(count))).collect();
        terminal::result(&format!("  {:<15} known of {known}: {}", attribute.name, shares.join(", ")));
    }
}

//! `t2f data check`: reads every file of a data set once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use t2f_data::{Dataset, PreflightReport, Splits, near_duplicates};
use t2f_pictures::picture;

use super::{Opened, Part, vocabulary};
use crate::cli::failure::failure;
use crate::cli::terminal;

/// The pairs of near-duplicates that are printed.
const PAIRS: usize = 5;

/// The options of `t2f data check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f data check
  t2f data check --data folder:my-faces
  t2f data check --data lfw:lfw-deepfunneled,face2text --resolution 128
  t2f data check --out bad_files.tsv        path and reason of every unusable file")]
pub struct Check {
    #[command(flatten)]
    opened: Opened,
    /// List of unusable files, written if there are any; an existing file is replaced
    #[arg(short, long, default_value = "bad_files.tsv", value_name = "FILE.tsv")]
    out: PathBuf,
}

/// Prints the result of the check and writes the list of unusable files.
pub fn run(options: &Check) -> anyhow::Result<()> {
    let list = |report: &PreflightReport| -> anyhow::Result<()> {
        if !report.bad.is_empty() {
            picture::write_whole(&options.out, report.bad_files_tsv().as_bytes())?;
            let file = options.out.display();
            terminal::warn(&format!("{} files cannot be used: see {file}", report.bad.len()));
        }
        Ok(())
    };
    let splits = options.opened.open();
    if let Some(report) = splits.as_ref().err().and_then(Opened::refused) {
        list(report)?;
    }
    let splits = splits?;
    let report = &splits.report;
    terminal::result(&format!("dataset           {}", splits.train.name()));
    terminal::result(&format!("images            {} ({} without colour)", report.images, report.gray));
    if !splits.train.has_captions() {
        terminal::result("captions          none: training is unconditional");
    } else if report.captions > 0 {
        terminal::result(&format!(
            "captions          {} ({} dropped)",
            report.captions, report.dropped_captions
        ));
        terminal::result(&format!("without caption   {}", report.uncaptioned));
    } else {
        terminal::result("captions          rendered on demand");
    }
    if !splits.schema().is_empty() {
        let attributes = splits.schema().attributes().iter();
        let attributes =
            attributes.map(|attribute| format!("{} ({})", attribute.name, attribute.values.len()));
        terminal::result(&format!("attributes        {}", attributes.collect::<Vec<_>>().join(", ")));
    }
    for note in &report.notes {
        terminal::result(&format!("note              {note}"));
    }
    for (name, part) in Part::value_variants().iter().filter_map(|part| part.of(&splits)) {
        terminal::result(&format!("{name:<17} {} images, content {}", part.len(), part.fingerprint()));
    }
    if report.captions > 0
        && let Some(words) = vocabulary(&splits)?
    {
        words.to_string().lines().for_each(|line| terminal::result(&format!("words             {line}")));
    }
    if report.captions > 0 || !splits.train.has_captions() {
        duplicates(&splits);
    }
    list(report)?;
    if splits.train.is_empty() {
        return Err(failure("there are no training images", "the list of unusable files has the reasons"));
    }
    Ok(())
}

/// Prints how many images are nearly the same, and how many such pairs lie in two parts.
fn duplicates(splits: &Splits) {
    let parts: Vec<_> = Part::value_variants().iter().filter_map(|part| part.of(splits)).collect();
    let sets: Vec<&dyn Dataset> = parts.iter().map(|(_, part)| part.as_ref()).collect();
    let pairs = near_duplicates(&sets);
    if pairs.is_empty() {
        terminal::result("near-duplicates   none");
        return;
    }
    let across = pairs.iter().filter(|pair| pair.images[0].0 != pair.images[1].0).count();
    let equal = pairs.iter().filter(|pair| pair.difference == 0.0).count();
    terminal::result(&format!(
        "near-duplicates   {} pairs, {equal} of equal images, {across} in two parts; the closest:",
        pairs.len()
    ));
    let mut closest: Vec<_> = pairs.iter().collect();
    closest.sort_by(|a, b| a.difference.total_cmp(&b.difference));
    for pair in closest.iter().take(PAIRS) {
        let [one, other] = pair.images.map(|(part, index)| {
            let (name, set) = &parts[part];
            format!("{name} {}", set.file_name(index).map_or_else(|| index.to_string(), str::to_owned))
        });
        terminal::result(&format!("                  {one}, {other}"));
    }
}

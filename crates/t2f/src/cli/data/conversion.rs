//! Writing a data set in another format, for `t2f data export` and `t2f data import`.

use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use t2f_data::{DataConfig, Dataset, Form, Pixels, Splits, Terms, convert};
use t2f_pictures::picture;

use crate::cli::failure::{because, usage};
use crate::cli::terminal;

/// The terms that the configuration's data set is under, once the user has accepted them.
pub fn accepted(config: &DataConfig, accepted: Option<&str>) -> anyhow::Result<Option<Terms>> {
    let Some(terms) = config.terms() else { return Ok(None) };
    match accepted {
        Some(name) if name == terms.name => Ok(Some(terms)),
        Some(name) => Err(usage(
            format!("`--accept-license {name}`: the data set is under the terms of `{}`", terms.name),
            format!("{} {}", terms.terms, terms.address),
        )),
        None => Err(usage(
            format!("a copy of the data set needs your agreement to its terms: {}", terms.terms),
            format!("read {}; `--accept-license {}` agrees", terms.address, terms.name),
        )),
    }
}

/// A conversion of parts into a folder.
#[derive(Debug)]
pub struct Conversion<'c> {
    /// The data set.
    pub config: &'c DataConfig,
    /// The format of the files.
    pub form: Form,
    /// Original files or squares.
    pub pixels: Pixels,
    /// The terms of the data set.
    pub terms: Option<Terms>,
    /// The folder.
    pub out: &'c Path,
}

impl Conversion<'_> {
    /// Writes the parts, the list of unusable files, and the terms; prints the counts.
    pub fn run(&self, splits: &Splits, parts: &[(&'static str, Arc<dyn Dataset>)]) -> anyhow::Result<()> {
        let parts: Vec<(&str, &dyn Dataset)> = parts
            .iter()
            .filter(|(_, part)| !part.is_empty())
            .map(|(name, part)| (*name, part.as_ref()))
            .collect();
        let total: usize = parts.iter().map(|(_, part)| part.len()).sum();
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:32} {percent:>3}%  {pos} of {len} images  {eta} left")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let written = convert(&parts, self.out, self.form, self.pixels, |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        written.map_err(|error| because(error, "cannot export", "name another folder with `--out`"))?;
        for (name, part) in &parts {
            let folder = match self.form {
                Form::Parquet { .. } => self.out.join("data"),
                _ => self.out.join(name),
            };
            terminal::result(&format!("{} images in {}", part.len(), folder.display()));
        }
        self.write_notes(splits)
    }

    fn write_notes(&self, splits: &Splits) -> anyhow::Result<()> {
        let bad = &splits.report.bad;
        if !bad.is_empty() {
            let file = self.out.join("bad_files.tsv");
            picture::write_whole(&file, splits.report.bad_files_tsv().as_bytes())?;
            let file = file.display();
            terminal::warn(&format!("{} files cannot be used and are not written: see {file}", bad.len()));
        }
        if let Some(terms) = self.terms {
            let Terms { name, terms, address } = terms;
            let text =
                format!("Images and captions of the data set `{name}`.\n\n{terms}\n\nSource: {address}\n");
            picture::write_whole(&self.out.join("LICENSE.txt"), text.as_bytes())?;
        }
        let crop = serde_json::to_value(self.config)?["crop"].as_f64();
        if let Some(crop) = crop.filter(|crop| *crop != 1.0 && self.pixels == Pixels::Original) {
            terminal::note(&format!(
                "the images are written whole: `--set data.crop={crop}` crops them as `{}` does",
                self.config.kind()
            ));
        }
        Ok(())
    }
}

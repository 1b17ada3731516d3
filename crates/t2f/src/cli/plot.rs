//! `t2f plot`: loss curves of finished or running runs.

use std::path::{Path, PathBuf};

use clap::Args;
use t2f_pictures::curves::{self, CurveOptions, RunRows, Scale};
use t2f_pictures::picture;

use crate::cli::failure::{because, usage};
use crate::cli::terminal;

/// The options of `t2f plot`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f plot runs/00000-procedural-quick
  t2f plot runs/00000-* --out compare.svg                  several runs in one plot
  t2f plot runs/00003-lfw-gpu --smoothing 0.98 --log
  t2f plot runs/00000-procedural-quick --keys Loss/D/adversarial,Loss/D/penalty --out d.png")]
pub struct Options {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Output file, .svg or .png [default: losses.svg and losses.png in the run, or losses.svg
    /// here for several runs]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Statistics to plot, separated by commas [default: Loss/D/total,Loss/G/total]
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    keys: Vec<String>,
    /// Weight of the past in the smoothed curve, from 0 (raw) to below 1
    #[arg(long, default_value_t = 0.9, value_parser = weight)]
    smoothing: f64,
    /// Logarithmic axis; symmetric about 0 if a value is not positive
    #[arg(long)]
    log: bool,
    /// Width and height in pixels
    #[arg(long, default_value = "1100x620", value_parser = size, value_name = "WxH")]
    size: (u32, u32),
}

/// A number in `[0, 1)`.
fn weight(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(weight) if (0.0..1.0).contains(&weight) => Ok(weight),
        _ => Err("expected a number from 0 to below 1, such as 0.9".into()),
    }
}

/// `1100x620`.
fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    match sides {
        Some((w, h)) if (200..=8000).contains(&w) && (150..=8000).contains(&h) => Ok((w, h)),
        _ => Err("expected WIDTHxHEIGHT, from 200x150 to 8000x8000, such as 1100x620".into()),
    }
}

/// Runs `t2f plot`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let rows = options.runs.iter().map(|run| rows(run)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut how =
        CurveOptions { smoothing: options.smoothing, size: options.size, ..CurveOptions::default() };
    if options.log {
        how.scale = Scale::Log;
    }
    if !options.keys.is_empty() {
        how.keys.clone_from(&options.keys);
    }
    let absent = curves::missing(&rows, &how.keys);
    // Without any curve the plot is refused below.
    if absent.len() < rows.len() * how.keys.len() {
        for curves::Missing { run, key, known } in absent {
            let known = if known.is_empty() { "no statistics".into() } else { known.join(", ") };
            terminal::warn(&format!("{run} has no {key}, and no curve of it is drawn; the run has {known}"));
        }
    }
    let files = match (&options.out, options.runs.as_slice()) {
        (Some(file), _) => vec![file.clone()],
        (None, [run]) => vec![run.join("losses.svg"), run.join("losses.png")],
        (None, _) => vec![PathBuf::from("losses.svg")],
    };
    for file in files {
        draw(&rows, &how, &file)?;
        terminal::result(&file.display().to_string());
    }
    Ok(())
}

fn rows(run: &Path) -> anyhow::Result<RunRows> {
    curves::rows_of_run(run).map_err(|error| {
        because(
            error,
            format!("`{}` is not a run folder", run.display()),
            "give a folder such as runs/00000-procedural-quick; `t2f train` creates one",
        )
    })
}

fn draw(rows: &[RunRows], how: &CurveOptions, file: &Path) -> anyhow::Result<()> {
    let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    let bytes = match extension.as_deref() {
        Some("svg") => curves::svg(rows, how).map(String::into_bytes),
        Some("png") => curves::picture(rows, how).and_then(|page| picture::to_png(&page, None)),
        _ => {
            let message = format!("`--out {}` is neither .svg nor .png", file.display());
            return Err(usage(message, "give a name such as losses.svg or losses.png"));
        }
    };
    let bytes =
        bytes.map_err(|error| because(error, "nothing was plotted", "choose statistics with `--keys`"))?;
    Ok(picture::write_whole(file, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_weights_out_of_range_are_refused() {
        assert_eq!(size("640x480").unwrap(), (640, 480));
        for text in ["640", "10x10", "640x", "99999x480", "a x b"] {
            assert!(size(text).unwrap_err().contains("1100x620"));
        }
        assert_eq!(weight("0").unwrap(), 0.0);
        for text in ["1", "-0.1", "NaN", "x"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }
}

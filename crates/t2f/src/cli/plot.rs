//! `t2f plot`: curves of finished or running runs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use t2f_data::Image;
use t2f_pictures::curves::{self, CurveOptions, Panels, RunRows, Scale};
use t2f_pictures::picture;

use crate::cli::failure::{because, usage};
use crate::cli::terminal;

/// The options of `t2f plot`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f plot runs/00000-procedural-quick
  t2f plot runs/00000-* --out compare.svg                  several runs in one plot
  t2f plot runs/00000-procedural-quick --panels            all statistics, a panel a group
  t2f plot runs/00003-lfw-gpu --smoothing 0.98 --scale log
  t2f plot runs/00000-procedural-quick --keys Loss/D/adversarial,Loss/D/penalty --out d.png")]
pub struct Options {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Output file, .svg or .png [default: losses.svg and losses.png in the run, or losses.svg
    /// here for several runs; panels instead of losses with --panels]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Statistics to plot, separated by commas [default: Loss/D/total,Loss/G/total]
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    keys: Vec<String>,
    /// All statistics, a panel for each group: losses, scores, penalties, metrics and others
    #[arg(long, conflicts_with_all = ["keys", "scale", "log"])]
    panels: bool,
    /// Weight of the neighbours in the smoothed curve, from 0 (raw) to below 1
    #[arg(long, default_value_t = 0.8, value_parser = weight)]
    smoothing: f64,
    /// The vertical axis; symlog is linear near 0 and logarithmic beyond, on both sides
    #[arg(long, value_enum, default_value_t = Axis::Linear)]
    scale: Axis,
    /// The same as --scale log; symmetric about 0 if a value is not positive
    #[arg(long, conflicts_with = "scale")]
    log: bool,
    /// Width and height in pixels, of a panel with --panels [default: 1100x620, or 560x340]
    #[arg(long, value_parser = size, value_name = "WxH")]
    size: Option<(u32, u32)>,
}

/// A vertical axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Axis {
    Linear,
    Log,
    Symlog,
}

impl From<Axis> for Scale {
    fn from(axis: Axis) -> Self {
        match axis {
            Axis::Linear => Self::Linear,
            Axis::Log => Self::Log,
            Axis::Symlog => Self::SymmetricLog,
        }
    }
}

/// The form of the plot.
enum Plot {
    /// Statistics on one axis.
    One(CurveOptions),
    /// A panel for each group.
    Panels(Panels),
}

impl Plot {
    fn new(options: &Options) -> Self {
        if options.panels {
            let size = options.size.unwrap_or(Panels::default().size);
            return Self::Panels(Panels { smoothing: options.smoothing, size, ..Panels::default() });
        }
        let defaults = CurveOptions::default();
        Self::One(CurveOptions {
            keys: if options.keys.is_empty() { defaults.keys.clone() } else { options.keys.clone() },
            smoothing: options.smoothing,
            scale: if options.log { Scale::Log } else { options.scale.into() },
            size: options.size.unwrap_or(defaults.size),
            ..defaults
        })
    }

    /// The name of its files without extension.
    fn name(&self) -> &'static str {
        match self {
            Self::One(_) => "losses",
            Self::Panels(_) => "panels",
        }
    }

    fn svg(&self, rows: &[RunRows]) -> t2f_pictures::Result<String> {
        match self {
            Self::One(options) => curves::svg(rows, options),
            Self::Panels(panels) => curves::panels_svg(rows, panels),
        }
    }

    fn picture(&self, rows: &[RunRows]) -> t2f_pictures::Result<Image> {
        match self {
            Self::One(options) => curves::picture(rows, options),
            Self::Panels(panels) => curves::panels_picture(rows, panels),
        }
    }
}

/// A number in `[0, 1)`.
fn weight(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(weight) if (0.0..1.0).contains(&weight) => Ok(weight),
        _ => Err("expected a number from 0 to below 1, such as 0.8".into()),
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
    let plot = Plot::new(options);
    warn_of_missing(&rows, &plot);
    let named = |extension: &str| format!("{}.{extension}", plot.name());
    let files = match (&options.out, options.runs.as_slice()) {
        (Some(file), _) => vec![file.clone()],
        (None, [run]) => vec![run.join(named("svg")), run.join(named("png"))],
        (None, _) => vec![PathBuf::from(named("svg"))],
    };
    for file in files {
        draw(&rows, &plot, &file)?;
        terminal::result(&file.display().to_string());
    }
    Ok(())
}

/// Names the runs that lack a key which others have.
fn warn_of_missing(rows: &[RunRows], plot: &Plot) {
    let keys: Vec<String> = match plot {
        Plot::One(options) => options.keys.clone(),
        Plot::Panels(_) => curves::groups(rows).into_iter().flat_map(|group| group.keys).collect(),
    };
    let absent = curves::missing(rows, &keys);
    // Without any curve the plot is refused.
    if absent.len() == rows.len() * keys.len() {
        return;
    }
    match plot {
        Plot::One(_) => {
            for curves::Missing { run, key, known } in absent {
                let known = if known.is_empty() { "no statistics".into() } else { known.join(", ") };
                terminal::warn(&format!(
                    "{run} has no {key}, and no curve of it is drawn; the run has {known}"
                ));
            }
        }
        Plot::Panels(_) => {
            for run in rows {
                let of_run = absent.iter().filter(|missing| missing.run == run.name);
                let keys: Vec<&str> = of_run.map(|missing| missing.key.as_str()).collect();
                if !keys.is_empty() {
                    terminal::warn(&format!("{} has no {}", run.name, keys.join(", ")));
                }
            }
        }
    }
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

fn draw(rows: &[RunRows], plot: &Plot, file: &Path) -> anyhow::Result<()> {
    let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    let bytes = match extension.as_deref() {
        Some("svg") => plot.svg(rows).map(String::into_bytes),
        Some("png") => plot.picture(rows).and_then(|page| picture::to_png(&page, None)),
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

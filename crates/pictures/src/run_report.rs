//! The pictures of a run: curves of losses, metrics and all statistics, and the timelapse.

use std::path::{Path, PathBuf};

use crate::curves::{self, CurveOptions, Panels, Scale};
use crate::error::{Error, Result};
use crate::picture;
use crate::timelapse::Timelapse;

/// The metrics during a run whose curves are plotted together.
const METRICS: [&str; 5] = [
    "Metrics/kid_oracle",
    "Metrics/precision_oracle",
    "Metrics/recall_oracle",
    "Metrics/aan",
    "Metrics/aan_classifier",
];

/// Writes curves and timelapse into a run folder, replaces older ones, and returns the paths of the written files:
/// losses and metrics on one axis each (`losses`, `metrics`) and all statistics in panels (`panels`), each as SVG
/// and PNG, and `timelapse.gif`. A run without statistics has no curves, and one without metrics none of these.
///
/// # Errors
/// If a file of the run cannot be read, or one cannot be written.
pub fn write(run: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut keep = |name: &str, bytes: Result<Vec<u8>>| {
        let path = run.join(name);
        match bytes {
            Err(Error::Empty(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(bytes) => picture::write_whole(&path, &bytes).map(|()| written.push(path)),
        }
    };
    let rows = [curves::rows_of_run(run)?];
    let keys = METRICS.map(String::from).into();
    // Distances and fractions share a logarithmic axis.
    let metrics = CurveOptions { keys, smoothing: 0.0, scale: Scale::Log, ..CurveOptions::default() };
    for (name, options) in [("losses", CurveOptions::default()), ("metrics", metrics)] {
        let svg = curves::svg(&rows, &options).map(String::into_bytes);
        let png = curves::picture(&rows, &options).and_then(|page| picture::to_png(&page, None));
        keep(&format!("{name}.svg"), svg)?;
        keep(&format!("{name}.png"), png)?;
    }
    let panels = Panels::default();
    keep("panels.svg", curves::panels_svg(&rows, &panels).map(String::into_bytes))?;
    keep("panels.png", curves::panels_picture(&rows, &panels).and_then(|page| picture::to_png(&page, None)))?;
    keep("timelapse.gif", Timelapse::default().of_run(run))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use t2f_data::Image;

    use super::*;

    #[test]
    fn curves_and_timelapse_are_written_where_statistics_and_samples_exist() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("stats.jsonl"), "").unwrap();
        picture::write(&run.path().join("fakes_init.png"), &Image::filled(4, 4, [9; 3]), None).unwrap();
        let names = |written: Vec<PathBuf>| -> Vec<String> {
            written.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(write(run.path()).unwrap()), ["timelapse.gif"]);
        let line = "{\"Progress/kimg\":1.0,\"Loss/D/total\":1.5,\"Loss/G/total\":0.5}\n";
        std::fs::write(run.path().join("stats.jsonl"), line).unwrap();
        assert_eq!(
            names(write(run.path()).unwrap()),
            ["losses.svg", "losses.png", "panels.svg", "panels.png", "timelapse.gif"]
        );
        let metrics = "{\"Progress/kimg\":1.0,\"Metrics/kid_oracle\":1.5,\"Metrics/recall_oracle\":0.0}\n";
        std::fs::write(run.path().join("stats.jsonl"), format!("{line}{metrics}")).unwrap();
        let plots = ["losses", "metrics", "panels"];
        let mut all: Vec<String> =
            plots.iter().flat_map(|name| [format!("{name}.svg"), format!("{name}.png")]).collect();
        all.push("timelapse.gif".into());
        assert_eq!(names(write(run.path()).unwrap()), all);
    }
}

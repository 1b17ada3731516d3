//! Scripts that upload a run to a tracker of experiments.

/// A tracker of experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracker {
    /// Weights & Biases.
    Wandb,
    /// MLflow.
    Mlflow,
    /// Trackio.
    Trackio,
}

/// The part that reads a run.
const RUN: &str = include_str!("../assets/upload/run.py");

impl Tracker {
    /// The name of its Python package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wandb => "wandb",
            Self::Mlflow => "mlflow",
            Self::Trackio => "trackio",
        }
    }

    /// A Python script that uploads the run in its first argument, or in its own folder: settings, statistics and
    /// samples. It needs Python 3.11 and the package of the tracker.
    pub fn script(self) -> String {
        let name = self.name();
        let upload = match self {
            Self::Wandb => include_str!("../assets/upload/wandb.py"),
            Self::Mlflow => include_str!("../assets/upload/mlflow.py"),
            Self::Trackio => include_str!("../assets/upload/trackio.py"),
        };
        // The import of the tracker comes after those of the standard library.
        let (import, upload) = upload.split_once("\n\n").unwrap_or((upload, ""));
        let run = RUN.replacen("\n\nfolder =", &format!("\n\n{import}\n\nfolder ="), 1);
        format!(
            "\"\"\"Uploads a run of t2f by {name}: settings, statistics and samples.\n\n\
             Usage: python upload-{name}.py [RUN]; default the folder of this file.\n\"\"\"\n\n{run}\n\n{upload}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_import_of_the_tracker_is_among_the_imports() {
        for tracker in [Tracker::Wandb, Tracker::Mlflow, Tracker::Trackio] {
            let script = tracker.script();
            let lines: Vec<&str> = script.lines().collect();
            let at = |line: &str| {
                lines.iter().position(|it| *it == line).unwrap_or_else(|| panic!("{line}: {script}"))
            };
            assert!(at(&format!("import {}", tracker.name())) < at("def settings():"));
            assert_eq!(script.matches(&format!("import {}", tracker.name())).count(), 1);
        }
    }
}

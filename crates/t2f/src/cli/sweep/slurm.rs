//! The Slurm script of a sweep: an array job with a task for each run.

use crate::cli::terminal::quoted;

use super::Options;
use super::grid::Grid;

/// The script. Each task trains one run, and resumes it if the task is started again.
pub fn script(options: &Options, grid: &Grid, threads: Option<usize>) -> String {
    let mut words =
        vec!["t2f".to_owned(), "--threads".into(), "\"$SLURM_CPUS_PER_TASK\"".into(), "sweep".into()];
    let out = options.out.to_string_lossy();
    if let Some(preset) = &options.preset {
        words.extend(["--preset".into(), quoted(preset)]);
    }
    if let Some(config) = &options.config {
        words.extend(["--config".into(), quoted(&config.to_string_lossy())]);
    }
    let data = options.data.iter().flat_map(super::Source::overrides);
    let settings: Vec<String> = data.chain(options.settings.iter().cloned()).collect();
    words.extend(settings.iter().flat_map(|setting| ["--set".into(), quoted(setting)]));
    words.extend(["--out".into(), quoted(&out)]);
    let command = words.join(" ");
    let log = quoted(&format!("{out}/slurm-%A-%a.txt"));
    let (last, cores) = (grid.len() - 1, threads.unwrap_or(4));
    format!(
        "#!/bin/bash
# A task for each run; afterwards the same command without --only writes the table and the plot:
# {}
#SBATCH --job-name=t2f-sweep
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task={cores}
#SBATCH --output={log}
# SIGTERM before the time limit: the run stops after a checkpoint, and a second submission resumes it.
#SBATCH --signal=B:TERM@120
set -euo pipefail
exec {command} --only \"$SLURM_ARRAY_TASK_ID\"
",
        command.replace("\"$SLURM_CPUS_PER_TASK\"", &cores.to_string())
    )
}

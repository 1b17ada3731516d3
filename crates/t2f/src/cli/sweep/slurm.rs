//! The Slurm script of a sweep: an array job with a task for each run.

use crate::cli::terminal::quoted;

use super::Options;
use super::grid::Grid;

/// The script. Each task trains one run, and resumes it if the task is started again.
pub fn script(options: &Options, grid: &Grid, threads: Option<usize>) -> String {
    let out = options.out.to_string_lossy();
    let arguments: Vec<String> =
        options.arguments(options.settings()).iter().map(|word| quoted(word)).collect();
    let command = |threads: &str| {
        format!("t2f --threads {threads} sweep {} --out {}", arguments.join(" "), quoted(&out))
    };
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
exec {} --only \"$SLURM_ARRAY_TASK_ID\"
",
        command(&cores.to_string()),
        command("\"$SLURM_CPUS_PER_TASK\"")
    )
}

//! The place of a process among those that a launcher started.

use std::env;

/// The place of this process among those that `mpirun` or `srun` started together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
    /// The number of this process among those of its machine, from 0.
    pub local_rank: usize,
    /// The number of processes on this machine.
    pub local_size: usize,
}

/// The variables of rank, size, local rank and local size, by launcher: Open MPI, MPICH and its relatives
/// (Hydra), and Slurm with PMI.
const VARIABLES: [[&str; 4]; 2] = [
    [
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ],
    ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"],
];

/// The variables of a step of Slurm with an MPI plugin (`srun --mpi=pmix` or `pmi2`).
const SLURM: [&str; 4] =
    ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"];

impl Launch {
    /// The place of this process from the variables of its launcher; `None` if no launcher of MPI started it.
    pub fn from_env() -> Option<Self> {
        Self::from(|name| env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        // "2(x3),1" of Slurm has the leading number of this kind of node.
        let number = |name: &str| {
            let text = variable(name)?;
            text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok()
        };
        let slurm = variable("PMIX_RANK").or_else(|| variable("PMI_FD")).is_some();
        let named = VARIABLES.into_iter().chain(slurm.then_some(SLURM));
        named.into_iter().find_map(|[rank, size, local_rank, local_size]| {
            let (rank, size) = (number(rank)?, number(size)?);
            if rank >= size {
                return None;
            }
            let local_size = number(local_size).unwrap_or(1).clamp(1, size);
            let local_rank = number(local_rank).unwrap_or(0).min(local_size - 1);
            Some(Self { rank, size, local_rank, local_size })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<Launch> {
        Launch::from(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn each_launcher_is_known_by_its_variables() {
        let place = Launch { rank: 3, size: 8, local_rank: 1, local_size: 2 };
        let open_mpi = [
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "8"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        assert_eq!(of(&open_mpi), Some(place));
        let hydra =
            [("PMI_RANK", "3"), ("PMI_SIZE", "8"), ("MPI_LOCALRANKID", "1"), ("MPI_LOCALNRANKS", "2")];
        assert_eq!(of(&hydra), Some(place));
        let slurm = [
            ("PMIX_RANK", "3"),
            ("SLURM_PROCID", "3"),
            ("SLURM_STEP_NUM_TASKS", "8"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x4)"),
        ];
        assert_eq!(of(&slurm), Some(place));
    }

    #[test]
    fn a_job_of_slurm_without_mpi_is_no_launch() {
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_LOCALID", "0")]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("PMI_RANK", "8"), ("PMI_SIZE", "8")]), None);
    }
}

//! The processes of `mpirun` or `srun` that train one model.

use std::time::Duration;

use t2f_train::parallel::{Communicator, Launch, Single};

#[cfg(not(feature = "mpi"))]
use crate::cli::failure::failure;

/// The processes that a launcher started together with this one; one process without a launcher.
///
/// # Errors
/// If this build cannot join several processes, or MPI fails.
pub fn join(patience: Duration) -> anyhow::Result<Box<dyn Communicator>> {
    match Launch::from_env() {
        Some(launch) if launch.size > 1 => joined(launch, patience),
        _ => Ok(Box::new(Single)),
    }
}

#[cfg(feature = "mpi")]
fn joined(_: Launch, patience: Duration) -> anyhow::Result<Box<dyn Communicator>> {
    use crate::cli::failure::because;
    let hint = "start all processes with the launcher of the MPI that this program was built with";
    let failed = |error| because(error, "cannot join the other processes", hint);
    let mpi = t2f_train::parallel::Mpi::start(patience).map_err(failed)?;
    #[cfg(feature = "nccl")]
    {
        let device = t2f_train::device::open_local("auto", mpi.local_rank()).map_err(|error| {
            because(error, "cannot open the GPU of this process", "start one process a GPU")
        })?;
        if device.is_cuda() {
            return Ok(Box::new(t2f_train::parallel::Nccl::start(mpi, &device).map_err(failed)?));
        }
    }
    Ok(Box::new(mpi))
}

#[cfg(not(feature = "mpi"))]
fn joined(launch: Launch, _: Duration) -> anyhow::Result<Box<dyn Communicator>> {
    Err(failure(
        format!("a launcher started {} processes, and this build of t2f trains on one", launch.size),
        "build it with `--features mpi` (docs/scaling.md), or start one process",
    ))
}

/// The threads of this process without `--threads` and `RAYON_NUM_THREADS`: among several processes of a
/// machine its share of the cores, unless the launcher has bound it to fewer.
pub fn threads(given: Option<usize>) -> Option<usize> {
    if given.is_some() || std::env::var_os("RAYON_NUM_THREADS").is_some() {
        return given;
    }
    let local = Launch::from_env().map(|launch| launch.local_size).filter(|local| *local > 1)?;
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    let share = online().map_or(allowed, |cores| (cores / local).max(1));
    Some(allowed.min(share))
}

/// The processors of this machine, whether or not this process is bound to some of them.
fn online() -> Option<usize> {
    let listed = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    ranges(listed.trim())
}

/// The number of processors in a list such as `0-3,8`.
fn ranges(listed: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
    };
    listed.split(',').map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_in_their_list() {
        assert_eq!(ranges("0-1"), Some(2));
        assert_eq!(ranges("0-3,8,10-11"), Some(7));
        assert_eq!(ranges("3-0"), None);
        assert_eq!(ranges(""), None);
    }
}
